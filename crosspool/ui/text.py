"""Text that was not written here, such as a file's name, made fit for Markdown; and numbers, fit for people."""

from crosspool.text import number, printable

__all__ = ["as_it_is", "file_stem", "number"]

MARKDOWN_SIGNS = "\\`*_{}[]()<>#+-.!|$:~&"


def as_it_is(text: str) -> str:
    """Markdown that shows `text` letter for letter, in one line."""
    return "".join(f"\\{sign}" if sign in MARKDOWN_SIGNS else sign for sign in printable(text))


def file_stem(title: str) -> str:
    """The beginning of a file's name, from a title or from another file's name."""
    return "".join(sign if sign.isalnum() else "_" for sign in title.rsplit(".", 1)[0])[:60] or "image"
