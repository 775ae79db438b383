"""Names from outside, such as a file's, made safe for Markdown and file names; numbers and cells as text."""

import re

from crosspool.text import cell_name, cells_name, counted_cells, number, printable, signed, written_sum

__all__ = ["as_it_is", "cell_name", "cells_name", "counted_cells", "file_stem", "number", "signed", "written_sum"]

MARKDOWN_CHARACTERS = "\\`*_{}[]()<>#+-.!|$:~&"
# Between which there is no address: a code span may not hold the first ones, and a comma after a word is no part of it.
_PARTS = re.compile(r"([\s|`]+|,(?=\s))")
_ADDRESS = re.compile(r"@|www\.|https?:|mailto:|xmpp:", re.IGNORECASE)


def as_it_is(text: str) -> str:
    """Markdown that shows `text` letter for letter, on one line.

    Where GitHub's Markdown would make a link of a bare address, escaped or not, it is set as code.
    """
    return "".join(
        f"`{part}`" if _ADDRESS.search(part) else "".join(map(_escaped, part)) for part in _PARTS.split(printable(text))
    )


def _escaped(character: str) -> str:
    return f"\\{character}" if character in MARKDOWN_CHARACTERS else character


def file_stem(title: str) -> str:
    """The first part of a file name, made from a title or another file name."""
    stem = title.rsplit(".", 1)[0]
    return "".join(character if character.isalnum() else "_" for character in stem)[:60] or "image"
