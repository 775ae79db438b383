"""Text for people: names from files without control characters, numbers with units, tables and pages of them."""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor, inf, isfinite, log10
from typing import Any

# Control and format codes, surrogates, code points that are no characters, and line separators (Unicode, chapter 4),
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
# but not the joiners, which Persian, Indic scripts and emoji need;
_JOINERS = "\u200c\u200d"
_WITHOUT_JOINERS = str.maketrans("", "", _JOINERS)
# and letters and marks that take no space: fillers, and variation selectors but those of emoji (Default_Ignorable).
_FILLERS = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\U000e0100-\U000e01ef]")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")
_FORMULA_SIGNS = ("=", "+", "-", "@")

NEARLY_NOTHING, NEARLY_ENDLESS = 1e-6, 1e9  # beyond which a number is written with a power of ten
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CLASS_NUMBER = re.compile(r"^\d{1,4}\.(?=\S*[^\W\d])")  # 001.Black_footed_Albatross, but not 1.5
_LOWER_CASE_WORD = re.compile(r"_(?=[a-z])")


def printable(text: str) -> str:
    """A name of a file or from a file, with escapes for all that takes no space, breaks lines or reverses text."""
    return "".join(_escaped(character) if _is_hidden(character) else character for character in text)


def _is_hidden(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    is_invisible = unicodedata.category(character) in _INVISIBLE and character not in _JOINERS
    return is_invisible or _FILLERS.match(character) is not None


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python writes a byte of a file's name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def name_key(name: str) -> str:
    """What spellings of one name have in common.

    Letter case, spaces, composed or decomposed accents, joiners, and characters that take no space make no difference.
    """
    words = " ".join(look(name).translate(_WITHOUT_JOINERS).split())
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", words).casefold())


def look(name: str) -> str:
    """What a name looks like: accents are composed, and left out is what takes no space, escaped by `printable` too."""
    unescaped = _ESCAPE.sub(lambda escape: "" if _is_hidden(chr(int(escape[1], 16))) else escape[0], name)
    visible = "".join(character for character in unescaped if character.isspace() or not _is_hidden(character))
    return unicodedata.normalize("NFC", visible if visible.strip() else name)


def class_title(name: str) -> str:
    """A class for people: 001.Black_footed_Albatross is Black-footed Albatross.

    Underscores are spaces. After a number as in CUB-200-2011, a lower-case word belongs to the one before it.
    """
    words = _CLASS_NUMBER.sub("", name)
    if words != name:
        words = _LOWER_CASE_WORD.sub("-", words)
    words = " ".join(words.replace("_", " ").split())
    return words if any(character.isalnum() for character in words) else name


def class_titles(names: Sequence[str]) -> dict[str, str]:
    """Titles of classes by their names; classes that would get the same title keep their names."""
    titles = {name: class_title(name) for name in names}
    counts = Counter(titles.values())
    return {name: title if counts[title] == 1 else name for name, title in titles.items()}


def size_text(size: tuple[int, ...]) -> str:
    """(13, 13) as 13×13."""
    return "×".join(map(str, size))


def number(value: float, digits: int = 3) -> str:
    """1,280 and −0.002: to `digits` significant digits, or all before the point; 2.5 × 10⁻⁸ if tiny or huge."""
    if not value:
        return "0"
    if not isfinite(value):
        return f"{value}".replace("-", "−")
    if not NEARLY_NOTHING <= abs(value) < NEARLY_ENDLESS:
        factor, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{_without_zeros(factor)} × 10{str(int(exponent)).translate(_RAISED)}"
    places = max(0, digits - 1 - floor(log10(abs(value))))
    return _without_zeros(f"{value:,.{places}f}")


def _without_zeros(digits: str) -> str:
    """Digits without zeros at the end of their fraction, with a typographic minus sign."""
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits).replace("-", "−")


def written_sum(values: Iterable[float], digits: int = 3) -> str:
    """−27.4 − 25.8 + 3: terms that are to be added up."""
    first, *rest = values
    return number(first, digits) + "".join(f" {'−' if v < 0 else '+'} {number(abs(v), digits)}" for v in rest)


def cell_name(cell: tuple[int, int]) -> str:
    """A cell as text: row 2, column 3."""
    return f"row {cell[0]}, column {cell[1]}"


def cells_name(cells: Sequence[tuple[int, int]]) -> str:
    """Where something is: a cell's name, and of several only how many they are."""
    return counted_cells(cells[0], len(cells))


def counted_cells(first: tuple[int, int], count: int) -> str:
    """The same of `count` cells, of which `first` is one."""
    return cell_name((int(first[0]), int(first[1]))) if count == 1 else plural(count, "cell")


def signed(value: float, digits: int = 3) -> str:
    """+9.10 and −0.0200: a number with its sign, the minus a typographic one; ≈0 for what is nearly nothing."""
    if not value:
        return "0"
    if abs(value) < NEARLY_NOTHING:
        return "≈0"
    places = max(0, digits - 1 - floor(log10(abs(value))))
    text = f"{value:+,.{places}f}"
    return text.replace("-", "−")


def amounts(values: Sequence[float], digits: int = 3) -> list[str]:
    """Numbers beside each other, all with as many decimals as the largest needs for so many digits."""
    largest = max(values)
    places = max(0, digits - 1 - floor(log10(largest))) if largest > 0 else 0
    return [f"{value:,.{places}f}" for value in values]


def share_text(share: float) -> str:
    """How large a part is of a whole, in digits: 0.00003, or in words where it is tiny."""
    if 0 < share < 1e-6:
        return "less than a millionth"
    return f"{share:.7f}".rstrip("0").rstrip(".") if share < 1e-3 else f"{share:.1g}"


def percent(fraction: float) -> str:
    """0.625 as 62.5."""
    return f"{100 * fraction:.1f}".replace("-", "−")


def rough_percent(share: float) -> str:
    """A share to two significant digits, never with an exponent: 9.9 %, 0.00042 %, 120 %; ≈0 % for nearly nothing."""
    value = 100 * share
    if 0 < abs(value) < 1e-4:
        return "≈0 %"
    text = f"{value:,.0f}" if abs(value) >= 99.5 else f"{value:.2g}"
    return f"{text.replace('-', '−')} %"


def signed_percent(fraction: float) -> str:
    """A difference of 0.025 as +2.5; zero but for rounding is +0.0, and less than zero always has its sign."""
    return f"{round(100 * fraction, 9) + 0.0:+.1f}".replace("-", "−")


_LIMITS: dict[object, tuple[float, float]] = {percent: (0.0, 1.0), signed_percent: (-1.0, 1.0)}


def shown_ends(low: float, high: float, text: Callable[[float], str] = percent) -> tuple[str, str]:
    """The ends of an interval as `text` writes them, as far as they are possible.

    A share (`percent`) is shown within 0 and 100 %, a difference of shares (`signed_percent`) within 100 points.
    """
    least, most = _LIMITS.get(text, (-inf, inf))
    return text(min(max(low, least), most)), text(min(max(high, least), most))


def human_bytes(count: float) -> str:
    """1638400 as 1.64 MB; three digits are enough to compare."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if count < 999.5:
            break
        count, unit = count / 1000, larger
    return f"{count:.3g} {unit}"


def parameters_text(count: int) -> str:
    """How many parameters a network has, such as "4.6 M"; below a million, all the digits."""
    return f"{count / 1e6:.1f} M" if count >= 1_000_000 else f"{count:,}"


def time_in_words(seconds: float) -> str:
    """A time in whole minutes, below a minute in whole seconds."""
    return plural(round(seconds), "second") if seconds < 60 else plural(round(seconds / 60), "minute")


def plural(count: int, noun: str, nouns: str = "") -> str:
    """1,280 maps, 1 map, 2 classes (with "classes" given): a count with its noun."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def ordinal(count: int) -> str:
    """1st, 22nd, 1,003rd, 11th: a place in a ranking."""
    last = 0 if 10 < count % 100 < 20 else count % 10
    return f"{count:,}{({1: 'st', 2: 'nd', 3: 'rd'}).get(last, 'th')}"


@dataclass(frozen=True)
class Column:
    """A column of a table. On a narrow terminal, columns with an `optional` rank are left out, the highest first.

    If that is not enough, the cells of a column of method `names` are broken into lines before a / or a +.
    """

    title: str
    cells: Sequence[str]
    right: bool = False
    optional: int = 0
    names: bool = False


@dataclass(frozen=True)
class Section:
    """A table with a title, and notes below it."""

    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()


def markdown_table(columns: Sequence[Column]) -> str:
    """The table in Markdown."""
    rows = [
        [column.title for column in columns],
        ["---:" if column.right else "---" for column in columns],
        *zip(*(column.cells for column in columns), strict=True),
    ]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def markdown_page(
    title: str, command: str, introduction: str, sections: Sequence[Section], problems: Sequence[str], made_with: str
) -> str:
    """A Markdown page, with the command that made it."""
    parts = [f"# {title}", f"```console\n{command}\n```", introduction]
    for section in sections:
        heading = f"## {section.title.rstrip('.')}" if section.title else ""
        parts += [heading, markdown_table(section.columns), " ".join(section.notes)]
    if problems:
        parts += ["## Problems with the data", "\n".join(f"- {problem}" for problem in problems)]
    return "\n\n".join(part for part in [*parts, f"Made with {made_with}."] if part) + "\n"


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as comma-separated values. Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([_no_formula(cell) for cell in row] for row in rows)
    return file.getvalue()


def _no_formula(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV Injection): spaces and wide signs are no way round."""
    if not isinstance(cell, str):
        return cell
    text = "\n".join(cell.splitlines()) if "\r" in cell else cell  # csv quotes \n, but not \r
    return f"'{text}" if _is_formula(cell) else text


def _is_formula(text: str) -> bool:
    visible = "".join(character for character in text if not (_is_hidden(character) or character.isspace()))
    return text[:1] in ("\t", "\r", "\n") or unicodedata.normalize("NFKC", visible[:1]).startswith(_FORMULA_SIGNS)


def duration_text(seconds: float) -> str:
    """A duration in words, as precise as an estimate of it may be: 45 s, 9 min 45 s, 25 min, 1 h 25 min, 4 d."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if hours >= 48:
        return f"{round(hours / 24)} d"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
