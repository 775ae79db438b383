import pytest

from crosspool.text import ordinal, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 鳥", "plain é 鳥"),
        ("two\nlines \x1b[2J", r"two\nlines \x1b[2J"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("Vogel \udce9", r"Vogel \xe9"),  # a byte of a file's name that is no UTF-8
        ("\ud800", r"\ud800"),
        ("exe.\u202egpj", r"exe.\u202egpj"),  # which would be read from the right
        ("a\u200bb\u2028c\u2066d", r"a\u200bb\u2028c\u2066d"),
        ("👩\u200d🔬 می\u200cخواهم", "👩\u200d🔬 می\u200cخواهم"),  # which need what joins them, or does not
        ("\ufffe\uffff", r"\ufffe\uffff"),  # which XML cannot hold
    ],
)
def test_text_for_people_has_no_controls_and_can_be_written(text, shown):
    assert printable(text) == shown
    assert shown.encode().decode() == shown


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"),
     (102, "102nd"), (111, "111th"), (1003, "1,003rd")],
)  # fmt: skip
def test_a_place_in_a_ranking(count, text):
    assert ordinal(count) == text
