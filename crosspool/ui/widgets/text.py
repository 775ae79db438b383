"""Text that was not written here, such as a file's name, made fit for Markdown; and numbers, fit for people."""

from math import floor, log10

from crosspool.text import number, printable

__all__ = ["as_it_is", "file_stem", "number", "signed"]

MARKDOWN_SIGNS = "\\`*_{}[]()<>#+-.!|$:~&"


def as_it_is(text: str) -> str:
    """Markdown that shows `text` letter for letter, in one line."""
    return "".join(f"\\{sign}" if sign in MARKDOWN_SIGNS else sign for sign in printable(text))


def file_stem(title: str) -> str:
    """The beginning of a file's name, from a title or from another file's name."""
    return "".join(sign if sign.isalnum() else "_" for sign in title.rsplit(".", 1)[0])[:60] or "image"


def signed(value: float, digits: int = 3) -> str:
    """+9.10 and −0.0200: a number with its sign, as people write it."""
    size = abs(value)
    places = max(0, digits - 1 - floor(log10(size))) if size else 0
    text = f"{size:,.{places}f}" if size >= 0.001 or not size else number(size, digits)
    return ("−" if value < 0 else "+" if value > 0 else "") + text
