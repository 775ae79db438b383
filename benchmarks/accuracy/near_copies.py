"""Which changed photos are near-copies of their originals: `python -m benchmarks.accuracy.near_copies FOLDER`.

Random photos of a folder are changed as people change them, beside all of the folder's own. Printed are the share of
each change that is in the group of its original, and the groups among the folder's own photos, to look at.
"""

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageEnhance

from benchmarks.harness.command import print_table
from crosspool.images import load_image, shrunk_file
from crosspool.shards.near_copies import COPY_BITS, near_copies, picture_codes
from crosspool.shards.plan import THUMBNAIL

Change = Callable[[Image.Image], Image.Image]


def scaled(share: float) -> Change:
    """Fewer pixels."""
    return lambda photo: photo.resize((round(share * photo.width), round(share * photo.height)))


def cut(share: float) -> Change:
    """So much of each side cut off."""

    def change(photo: Image.Image) -> Image.Image:
        across, down = round(share * photo.width), round(share * photo.height)
        return photo.crop((across, down, photo.width - across, photo.height - down))

    return change


def compressed(quality: int) -> Change:
    """Written as JPEG once more."""

    def change(photo: Image.Image) -> Image.Image:
        file = io.BytesIO()
        photo.save(file, "JPEG", quality=quality)
        return load_image(file.getvalue(), name="a copy")

    return change


CHANGES: dict[str, Change] = {
    "75 % of its size": scaled(0.75),
    "half its size": scaled(0.5),
    "JPEG of quality 50": compressed(50),
    "half its size, JPEG of quality 60": lambda photo: compressed(60)(scaled(0.5)(photo)),
    "15 % brighter": lambda photo: ImageEnhance.Brightness(photo).enhance(1.15),
    "1 % of each side cut off": cut(0.01),
    "2 % of each side cut off": cut(0.02),
    "4 % of each side cut off": cut(0.04),
}


def main(
    folder: Path,
    photos: Annotated[int, typer.Option(min=1, help="That are changed.")] = 80,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Print the shares, and the groups of unchanged photos."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    own = [shrunk_file(load_image(path), THUMBNAIL, quality=80) for path in paths]
    changed = random.Random(seed).sample(range(len(paths)), min(photos, len(paths)))
    rows = []
    for name, change in CHANGES.items():
        files = [shrunk_file(change(load_image(paths[place])), THUMBNAIL, quality=80) for place in changed]
        codes, known = picture_codes([*own, *files])
        group_of = {place: number for number, group in enumerate(near_copies(codes, known)) for place in group}
        copies = range(len(own), len(codes))
        found = [group_of.get(copy, -1) == group_of.get(place, -2) for place, copy in zip(changed, copies, strict=True)]
        apart = np.bitwise_count(codes[changed] ^ codes[len(own) :]).sum(axis=1)
        rows.append([name, f"{np.mean(found):.1%}", f"{np.median(apart):.0f}", f"{apart.max()}"])
    print_table(
        f"{len(changed)} of {len(paths):,} photos, changed; copies differ in {COPY_BITS} bits at most",
        ["change", "found", "median bits", "most"],
        rows,
    )
    print("\nAmong the photos themselves:")
    for group in near_copies(*picture_codes(own)):
        print(", ".join(paths[place].relative_to(folder).as_posix() for place in group))


if __name__ == "__main__":
    typer.run(main)
