"""Text for people: names from files without control characters, numbers with units, and the like."""

import re

# Control codes, code points that are not characters, and those that reverse text, break lines or take no space.
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """A name of a file or from a file, with escapes for control codes and whatever is not a character."""
    return _CONTROLS.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python writes a byte of a file's name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode()


def size_text(size: tuple[int, int]) -> str:
    """(13, 13) as 13x13."""
    return f"{size[0]}x{size[1]}"


def number(value: float, digits: int = 3) -> str:
    """A number to `digits` significant digits, with a typographic minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def percent(fraction: float) -> str:
    """0.625 as 62.5."""
    return f"{100 * fraction:.1f}".replace("-", "−")


def signed_percent(fraction: float) -> str:
    """A difference of 0.025 as +2.5."""
    return f"{100 * fraction:+.1f}".replace("-", "−")


def human_bytes(count: float) -> str:
    """1638400 as 1.64 MB; three digits are enough to compare."""
    unit = "B"
    for larger in ("kB", "MB", "GB"):
        if count < 999.5:
            break
        count, unit = count / 1000, larger
    return f"{count:.3g} {unit}"


def plural(count: int, noun: str, plural: str = "") -> str:
    """1,280 maps, 1 map, 2 classes (with "classes" given): a count with its noun."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def ordinal(count: int) -> str:
    """1st, 22nd, 1,003rd, 11th: a place in a ranking."""
    last = 0 if 10 < count % 100 < 20 else count % 10
    return f"{count:,}{({1: 'st', 2: 'nd', 3: 'rd'}).get(last, 'th')}"
