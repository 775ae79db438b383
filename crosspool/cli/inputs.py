"""The images that are named on the command line."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

import typer

from crosspool.cli.console import complain
from crosspool.errors import ImageError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


Result = TypeVar("Result")

SKIP_HELP = "Name images that cannot be read, and continue without them."
SkipErrors = Annotated[bool, typer.Option("--skip-errors", help=SKIP_HELP)]


def expect_image(path: str) -> None:
    """Raise ImageError if a file is missing or does not begin as images do, which takes no torch to find out."""
    from crosspool import images

    if Path(path).is_file() or not os.path.exists(path) or os.path.isdir(path):  # a pipe can be read only once
        images.expect_image(path)


def usable(paths: Sequence[str], skipped: list[str], *, skip_errors: bool) -> list[str]:
    """The paths that `expect_image` lets pass; the others are treated as `of_images` does. For before torch loads."""
    passed = []
    for path in paths:
        with _errors_skipped(path, skipped, skip_errors=skip_errors):
            expect_image(path)
            passed.append(path)
    return passed


@dataclass(frozen=True)
class OfImage(Generic[Result]):
    """What was computed of an image, with its path and the SHA-256 of the bytes that it was computed from."""

    path: str
    sha256: str
    result: Result


def of_images(
    compute: "Callable[[Image], Result]", paths: Sequence[str], skipped: list[str], device: "torch.device", *,
    skip_errors: bool,
) -> Iterator[OfImage[Result]]:  # fmt: skip
    """What `compute` makes of each image on a device, in order, several at a time.

    On any device but the CPU one image is computed at a time, as that need not have memory for more, while others are
    read and decoded.

    An image that cannot be read is reported and added to `skipped`, or raises ImageError.
    """
    from crosspool.flow import in_order
    from crosspool.images import file_bytes, load_image

    turn = nullcontext() if device.type == "cpu" else threading.Lock()

    def computed(path: str) -> OfImage[Result] | ImageError:
        try:
            data = file_bytes(path, path)
            image = load_image(data, name=path)
        except ImageError as error:
            return error
        with turn:
            result = compute(image)
        return OfImage(path, hashlib.sha256(data).hexdigest(), result)

    with closing(in_order(computed, paths)) as results:
        for path, result in zip(paths, results, strict=True):
            if isinstance(result, OfImage):
                yield result
                continue
            with _errors_skipped(path, skipped, skip_errors=skip_errors):
                raise result


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
