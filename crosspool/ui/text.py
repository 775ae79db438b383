"""Text that was not written here, such as a file's name, made fit for Markdown; and numbers, fit for people."""

from crosspool.text import printable

MARKDOWN_SIGNS = "\\`*_{}[]()<>#+-.!|$:~&"


def as_it_is(text: str) -> str:
    """Markdown that shows `text` letter for letter, in one line."""
    return "".join(f"\\{sign}" if sign in MARKDOWN_SIGNS else sign for sign in printable(text))


def number(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, with the minus sign that people write."""
    return f"{value:.{digits}g}".replace("-", "−")


def file_stem(title: str) -> str:
    """The beginning of a file's name, from a title or from another file's name."""
    return "".join(sign if sign.isalnum() else "_" for sign in title.rsplit(".", 1)[0])[:60] or "image"
