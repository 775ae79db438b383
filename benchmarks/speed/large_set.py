"""Make a large labelled set in the layout of CUB-200-2011: `python -m benchmarks.speed.large_set FOLDER`.

`crosspool evaluate FOLDER` then shows what a large evaluation takes. `benchmarks.harness.large_set` says what is in it.
"""

import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.harness.large_set import make
from benchmarks.harness.photos import SUBJECTS


def main(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must not exist yet, or be empty.")],
    images: Annotated[int, typer.Option(min=1, max=10_000 * SUBJECTS, help="How many images.")] = 12_000,
) -> None:
    """Make the set, and print how long that took."""
    start = time.perf_counter()
    try:
        make(folder, images)
    except (FileExistsError, NotADirectoryError) as error:
        raise typer.BadParameter(str(error)) from error
    print(f"{images:,} images in {time.perf_counter() - start:.0f} s: {folder}")


if __name__ == "__main__":
    typer.run(main)
