"""The images that are named on the command line."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import complain
from crosspool.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image


SKIP_HELP = "Name images that cannot be read, and continue without them."
SkipErrors = Annotated[bool, typer.Option("--skip-errors", help=SKIP_HELP)]


def expect_image(path: str) -> None:
    """Raise ImageError if a file is missing or does not begin as images do, which takes no torch to find out."""
    from crosspool import images

    if Path(path).is_file() or not os.path.exists(path) or os.path.isdir(path):  # a pipe can be read only once
        images.expect_image(path)


def usable(paths: Sequence[str], skipped: list[str], *, skip_errors: bool) -> list[str]:
    """The paths that `expect_image` lets pass; the others are treated as `read_images` does. For before torch loads."""
    passed = []
    for path in paths:
        with _errors_skipped(path, skipped, skip_errors=skip_errors):
            expect_image(path)
            passed.append(path)
    return passed


def read_images(paths: Sequence[str], skipped: list[str], *, skip_errors: bool) -> "Iterator[tuple[str, Image]]":
    """Each path with its image. One that cannot be read is reported and added to `skipped`, or raises ImageError."""
    from crosspool.images import load_image

    for path in paths:
        image = None
        with _errors_skipped(path, skipped, skip_errors=skip_errors):
            image = load_image(path)
        if image is not None:
            yield path, image


@contextmanager
def _errors_skipped(path: str, skipped: list[str], *, skip_errors: bool) -> Iterator[None]:
    try:
        yield
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
