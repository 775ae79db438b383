"""Shared by the readers of data sets: names, suffixes, reading one file, and sentences on what is left out."""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from crosspool.errors import DatasetError, ImageError
from crosspool.images import MAX_BYTES

T = TypeVar("T")

# The suffixes of the formats that `crosspool.images` reads. Which one a file really has is found when it is read: many
# published sets have PNG or GIF files named .jpg.
_IMAGES = "jpg jpeg jpe jfif pjpeg pjp mpo png apng webp avif heic heif hif gif tif tiff bmp dib"
IMAGE_SUFFIXES = frozenset(f".{name}" for name in _IMAGES.split(" "))
# Lists, notes and leftovers of file managers, which lie beside images everywhere, are ignored.
_NOTES = "txt md csv tsv json xml yaml yml html htm log mat npy pkl db ini url lnk"
NOTE_SUFFIXES = frozenset(f".{name}" for name in _NOTES.split(" "))
SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"})


def is_hidden(name: str) -> bool:
    """Whether a file or folder belongs to the system."""
    return name.startswith(".") or name in SYSTEM_FOLDERS


def is_image(name: str) -> bool:
    return _suffix(name) in IMAGE_SUFFIXES


def is_note(name: str) -> bool:
    return _suffix(name) in NOTE_SUFFIXES


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def without_number(name: str) -> str:
    """The class that a numbered folder is named after: 001.Black_footed_Albatross gives Black footed Albatross."""
    return re.sub(r"^\d+\.(?=.)", "", name).replace("_", " ")


def reason_of(error: OSError) -> str:
    return error.strerror or type(error).__name__


def reader(path: Path, name: str) -> Callable[[], bytes]:
    """A function that reads a file; it can be sent to another process, and survives a change of the current folder."""
    return partial(_read, path.absolute(), name)


def _read(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"{name} has more than {MAX_BYTES >> 20} MB; make it smaller.")
        return path.read_bytes()
    except OSError as error:
        advice = "check that it is still there, and its permissions"
        raise ImageError(f"{name} cannot be read ({reason_of(error)}); {advice}.") from error


def _lines(data: bytes) -> list[tuple[int, str]]:
    """The lines of a list with their numbers, without blank ones; any line ending will do.

    They are decoded as file names are, so that a name whose bytes are not UTF-8 is found on disk.
    """
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    return [(number, _decoded(line.strip())) for number, line in enumerate(lines, 1) if line.strip()]


def _decoded(line: bytes) -> str:
    try:
        return os.fsdecode(line)
    except UnicodeDecodeError:  # on Windows
        return line.decode("latin-1")


def parse(path: Path, parse_line: Callable[[str], T], first: int | None = None) -> tuple[list[T], tuple[str, ...]]:
    """The `first` lines of a list (None: all), parsed, and a problem where `parse_line` raises ValueError."""
    try:
        with path.open("rb") as file:
            data = b"".join(islice(file, first))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({reason_of(error)}); unpack the data set again.") from error
    return parse_lines(path.name, data, parse_line)


def parse_lines(name: str, data: bytes, parse_line: Callable[[str], T]) -> tuple[list[T], tuple[str, ...]]:
    """As `parse`, but for the bytes of a list called `name`."""
    parsed, wrong = [], []
    for number, line in _lines(data):
        try:
            parsed.append(parse_line(line))
        except ValueError:
            wrong.append(f"line {number}")
    one, many = f"line of {name} cannot be understood", f"lines of {name} cannot be understood"
    return parsed, counted_sentence(wrong, one, many)


def counted_sentence(names: Sequence[str], one: str, many: str) -> tuple[str, ...]:
    """A sentence on how many names there are and which is the first; none without names."""
    if len(names) > 1:
        return (f"{len(names):,} {many}, the first is {names[0]}.",)
    return tuple(f"1 {one}: {name}." for name in names)
