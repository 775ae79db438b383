"""The images that are named on the command line."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import complain
from crosspool.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image


SKIP_HELP = "Name images that cannot be read, and continue without them."
SkipErrors = Annotated[bool, typer.Option("--skip-errors", help=SKIP_HELP)]


def read_images(paths: Sequence[str], skipped: list[str], *, skip_errors: bool) -> "Iterator[tuple[str, Image]]":
    """Each path with its image. One that cannot be read is reported and added to `skipped`, or raises ImageError."""
    from crosspool.images import load_image

    for path in paths:
        try:
            yield path, load_image(path)
        except ImageError as error:
            if not skip_errors:
                raise
            skipped.append(path)
            complain(f"skipped: {error}")


def none_read(paths: Sequence[str], purpose: str) -> ImageError:
    return ImageError(f"None of the {len(paths)} images could be read, so there is nothing to {purpose}.")


def file_checksum(path: str) -> str | None:
    """The SHA-256 of a file; None for a pipe, which cannot be read twice."""
    if not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
