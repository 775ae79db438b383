"""Data sets from lists of images: shared by the official layouts and torchvision's sets."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from crosspool.datasets.dataset import Box, Dataset, Sample, Split, images_per_class
from crosspool.datasets.files import counted_sentence, reader
from crosspool.errors import DatasetError
from crosspool.text import printable

SplitPart = Literal["train", "test"]


@dataclass(frozen=True)
class Listed:
    """An entry of a list: an image's path in the folder of images, with its class or labels.

    `name` is given where the path is not unique, as when an image has several boxes.
    """

    path: str
    target: int | tuple[int, ...]
    part: SplitPart | None = None
    box: Box | None = None
    name: str | None = None

    @property
    def sample_name(self) -> str:
        return self.name or printable(self.path)


def listed_dataset(
    name: str, folder: Path, lists: str, classes: Sequence[str], images: Iterable[Listed], problems: Sequence[str] = ()
) -> Dataset:
    """A data set of the listed images that are in `folder`; `lists` is the name of the lists in messages.

    If an image is listed twice, the later line counts, except that testing wins over training. Images on disk that are
    not listed are left out. There is an official split if every image has its part and neither part is empty.

    Raises:
        DatasetError: none of the listed images is there.
    """
    listed, both = _by_name(images)
    present = {name: image for name, image in listed.items() if _is_in(folder, image.path)}
    if not present:
        raise DatasetError(f"None of the {len(listed):,} images named in {lists} is in {folder}; unpack them there.")
    targets = np.array([image.target for image in present.values()], dtype=np.int64)
    official, split_problem = _official([image.part for image in present.values()])
    missing = [name for name in listed if name not in present]
    counts = images_per_class(targets, len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    return Dataset(
        name=name,
        classes=tuple(classes),
        samples=tuple(Sample(name, reader(folder / image.path, name), image.box) for name, image in present.items()),
        targets=targets,
        official=official,
        problems=(
            *problems,
            *counted_sentence(missing, f"file named in {lists} is missing", f"files named in {lists} are missing"),
            *counted_sentence(
                both,
                "file is listed for both training and testing, and counts for testing only",
                "files are listed for both training and testing, and count for testing only",
            ),
            *split_problem,
            *counted_sentence(empty, "class has no images", "classes have no images"),
        ),
    )


def box_around(left: float, top: float, width: float, height: float) -> Box:
    """The whole pixels that a box touches. Raises ValueError for a box without area, or of NaN."""
    if not all(map(math.isfinite, (left, top, width, height))) or width <= 0 or height <= 0:
        raise ValueError("no box")
    return math.floor(left), math.floor(top), math.ceil(left + width), math.ceil(top + height)


def _is_in(folder: Path, path: str) -> bool:
    """Whether a path from a list is a file in this folder, and does not lead out of it."""
    is_below = not os.path.isabs(path) and ".." not in PurePosixPath(path.replace("\\", "/")).parts
    return is_below and os.path.isfile(folder / path)


def _by_name(images: Iterable[Listed]) -> tuple[dict[str, Listed], list[str]]:
    """The images by their names, and the names of those that are listed for both training and testing."""
    by_name: dict[str, Listed] = {}
    both: dict[str, None] = {}
    for image in images:
        name = image.sample_name
        other = by_name.get(name)
        if other is not None and {other.part, image.part} == {"train", "test"}:
            both[name] = None
            if other.part == "test":
                continue
        by_name[name] = image
    return by_name, list(both)


def _official(parts: Sequence[SplitPart | None]) -> tuple[Split | None, tuple[str, ...]]:
    if None in parts:
        return None, ()
    is_test = np.array([part == "test" for part in parts])
    if is_test.all() or not is_test.any():
        empty = "training" if is_test.all() else "test"
        return None, (f"There are no {empty} images, so there is no official split.",)
    return Split(np.flatnonzero(~is_test), np.flatnonzero(is_test)), ()
