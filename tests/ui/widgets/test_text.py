"""Names of files and classes, made safe for Markdown and file names."""

import pytest

from crosspool.ui.widgets.text import as_it_is, file_stem, number


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("a bird", "a bird"),
        ("*b* <i> :red[c]", r"\*b\* \<i\> \:red\[c\]"),
        ("# head\n\n- item", r"\# head\\n\\n\- item"),  # on one line: a line break would end the element around it
        ("鳥_1.jpg", r"鳥\_1\.jpg"),
        ("birds4-cl@448.safetensors", "`birds4-cl@448.safetensors`"),  # GitHub's Markdown would write to that address
        ("Learning fv@448, split 1", "Learning `fv@448`, split 1"),
        ("a_b www.x.org|http://y `c@d", r"a\_b `www.x.org`\|`http://y` \``c@d`"),
    ],
)
def test_markdown_shows_it_letter_for_letter(text, markdown):
    assert as_it_is(text) == markdown


def test_a_file_stem_has_only_letters_digits_and_underscores():
    assert file_stem("my cat.v2.jpg") == "my_cat_v2"
    assert file_stem("../a/b.png") == "___a_b"
    assert file_stem("") == "image"


def test_numbers_have_a_typographic_minus_sign():
    assert [number(-0.12345), number(-1.5e-9), number(12.0), number(-3.14159, 4)] == [
        "−0.123",
        "−1.5 × 10⁻⁹",
        "12",
        "−3.142",
    ]
