"""Images that are named on the command line: read one by one, without those that cannot be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import complain
from crosspool.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

SkipErrors = Annotated[
    bool, typer.Option("--skip-errors", help="Name images that cannot be read, and continue without them.")
]


@dataclass(frozen=True)
class NamedImage:
    """An image that could be read, and where from."""

    name: str
    image: "Image"


def read_images(paths: Sequence[str], skipped: list[str], *, skip_errors: bool) -> Iterator[NamedImage]:
    """The images at `paths`. One that cannot be read is named and added to `skipped`, or raises ImageError."""
    from crosspool.images import load_image

    for path in paths:
        try:
            yield NamedImage(path, load_image(path))
        except ImageError as error:
            if not skip_errors:
                raise
            skipped.append(path)
            complain(f"skipped: {error}")


def none_read(paths: Sequence[str], purpose: str) -> ImageError:
    return ImageError(f"None of the {len(paths)} images could be read, so there is nothing to {purpose}.")
