"""Text for people and for files."""

import csv
import io

import pytest

from crosspool.text import (
    cells_name,
    class_title,
    class_titles,
    csv_text,
    number,
    ordinal,
    printable,
    rough_percent,
    share_text,
    shown_ends,
    signed_percent,
    time_in_words,
    written_sum,
)


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
        ("cat\U000e0041\u3164\U000e0100", r"cat\U000e0041\u3164\U000e0100"),  # a tag, a filler, a variation of nothing
        ("❤\ufe0f", "❤\ufe0f"),  # a heart as an emoji
    ],
)
def test_text_for_people_has_no_controls_and_can_be_written(text, shown):
    assert printable(text) == shown
    assert shown.encode().decode() == shown


@pytest.mark.parametrize(
    "cell",
    [
        "=1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\nx",
        " =1",
        "\n=1",
        "\u00a0@x",
        "\u200b=1",
        "\uff1d1",
        " \uff0b1",
        "\u3164=1",
    ],
)
def test_no_spreadsheet_takes_a_cell_for_a_formula(cell):
    assert next(csv.reader(io.StringIO(csv_text([[cell]]), newline=""))) == [f"'{cell}"]


def test_a_carriage_return_breaks_no_row():
    rows = list(csv.reader(io.StringIO(csv_text([["\r=1", "a\r\nb"]]), newline="")))
    assert rows == [["'\n=1", "a\nb"]]


@pytest.mark.parametrize("cell", ["", " ", "a=b", "1-2", "cat", -5, 0.5])
def test_other_cells_stay(cell):
    assert next(csv.reader([csv_text([[cell, "x"]])])) == [str(cell), "x"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"),
     (102, "102nd"), (111, "111th"), (1003, "1,003rd")],
)  # fmt: skip
def test_a_place_in_a_ranking(count, text):
    assert ordinal(count) == text


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("001.Black_footed_Albatross", "Black-footed Albatross"),
        ("017.Cardinal", "Cardinal"),
        ("tiger_cat", "tiger cat"),
        ("House_of_cards", "House of cards"),
        ("1.5", "1.5"),
        ("007", "007"),
        ("3", "3"),
        ("___", "___"),
        ("", ""),
        ("NASA", "NASA"),
        ("2. Platz", "2. Platz"),
        ("04.Ворона_серая", "Ворона серая"),
        ("鳥_類", "鳥 類"),
        ("a__b_", "a b"),
    ],
)
def test_classes_in_words(name, title):
    assert class_title(name) == title


def test_classes_that_would_share_a_title_keep_their_names():
    assert class_titles(["1.cat", "2.cat", "dog_s"]) == {"1.cat": "1.cat", "2.cat": "2.cat", "dog_s": "dog s"}


def test_a_share_is_never_in_scientific_notation():
    shares = [share_text(share) for share in (0, 1e-9, 0.00003, 0.0001, 0.02)]
    assert shares == ["0", "less than a millionth", "0.00003", "0.0001", "0.02"]
    percentages = [rough_percent(share) for share in (0, 1e-9, 0.0000042, 0.0988, 0.06, 0.999, 1, -12.34)]
    assert percentages == ["0 %", "≈0 %", "0.00042 %", "9.9 %", "6 %", "100 %", "100 %", "−1,234 %"]


def test_a_difference_that_is_zero_but_for_rounding_has_no_minus():
    expected = {-1e-17: "+0.0", 0: "+0.0", 0.0004: "+0.0", -0.0004: "−0.0", -0.0006: "−0.1", 0.025: "+2.5"}
    assert {value: signed_percent(value) for value in expected} == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.0, "0"), (6, "6"), (-6.214, "−6.21"), (0.5, "0.5"), (9.996, "10"), (999.6, "1,000"), (1280, "1,280"),
     (-12345.6, "−12,346"), (0.00005, "0.00005"), (2.34e-8, "2.34 × 10⁻⁸"), (-1e12, "−1 × 10¹²"), (float("nan"), "nan"),
     (float("-inf"), "−inf")],
)  # fmt: skip
def test_a_number_as_a_person_writes_it(value, text):
    assert number(value) == text


def test_a_sum_has_no_plus_before_a_minus():
    assert written_sum([-27.4, -25.84, 3, -0.0]) == "−27.4 − 25.8 + 3 + 0"


def test_a_place_is_named_only_if_it_is_the_only_one():
    assert cells_name([(2, 3)]) == "row 2, column 3"
    assert cells_name([(0, 1), (2, 3)]) == "2 cells"


def test_a_time_in_words():
    assert [time_in_words(seconds) for seconds in (1, 59.4, 60, 89, 600)] == [
        "1 second", "59 seconds", "1 minute", "1 minute", "10 minutes",
    ]  # fmt: skip


def test_an_interval_is_shown_as_far_as_it_is_possible() -> None:
    assert shown_ends(-0.025, 1.31) == ("0.0", "100.0")
    assert shown_ends(0.4, 0.65) == ("40.0", "65.0")
    assert shown_ends(-1.378, 2.267, signed_percent) == ("−100.0", "+100.0")
    assert shown_ends(-0.378, 0.267, signed_percent) == ("−37.8", "+26.7")
    assert shown_ends(-1.5, 2.25, "{:+.2f}".format) == ("-1.50", "+2.25")  # a difference in units of its own
