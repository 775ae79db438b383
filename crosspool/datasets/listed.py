"""Images that a list names to a data set: shared by the official layouts and torchvision's sets."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from crosspool.datasets.checks import images_per_class
from crosspool.datasets.dataset import Box, Dataset, Sample, Split
from crosspool.datasets.files import counted_sentence, reader
from crosspool.errors import DatasetError
from crosspool.text import printable

SplitPart = Literal["train", "test"]


@dataclass(frozen=True)
class Listed:
    """An image as a list names it: relative to the folder of images, with its class or its labels.

    `name` is given where the path is not unique, as with several boxes in one image.
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
    """A data set of those listed images that are in `folder`; `lists` stands for the lists in messages.

    Of an image that is listed twice the later line counts, except that testing wins over training. Images on disk
    that no list names are left out. There is an official split where all images say their part and both exist.

    Raises:
        DatasetError: none of the listed images is there.
    """
    unique, both = _without_repetition(images)
    present: list[Listed] = []
    missing: list[Listed] = []
    for image in unique:
        there = _is_below(image.path) and os.path.isfile(folder / image.path)
        (present if there else missing).append(image)
    if not present:
        raise DatasetError(f"None of the {len(unique):,} images named in {lists} is in {folder}; unpack them there.")
    targets = np.array([image.target for image in present], dtype=np.int64)
    official, split_problem = _official(present)
    return Dataset(
        name=name,
        classes=tuple(classes),
        samples=tuple(_sample(folder, image) for image in present),
        targets=targets,
        official=official,
        problems=(
            *problems,
            *counted_sentence(
                [image.sample_name for image in missing],
                f"file named in {lists} is missing",
                f"files named in {lists} are missing",
            ),
            *counted_sentence(
                both,
                "file is listed for both training and testing, and counts for testing only",
                "files are listed for both training and testing, and count for testing only",
            ),
            *split_problem,
            *_without_images(classes, targets),
        ),
    )


def box_around(left: float, top: float, width: float, height: float) -> Box:
    """The whole pixels that a box touches. Raises ValueError for a box without area, or of NaN."""
    if not all(map(math.isfinite, (left, top, width, height))) or width <= 0 or height <= 0:
        raise ValueError("no box")
    return math.floor(left), math.floor(top), math.ceil(left + width), math.ceil(top + height)


def _sample(folder: Path, image: Listed) -> Sample:
    return Sample(image.sample_name, reader(folder / image.path, image.sample_name), image.box)


def _is_below(path: str) -> bool:
    """Whether a path from a list stays in the folder that it is relative to."""
    return not os.path.isabs(path) and ".." not in PurePosixPath(path.replace("\\", "/")).parts


def _without_repetition(images: Iterable[Listed]) -> tuple[list[Listed], list[str]]:
    unique: dict[str, Listed] = {}
    both: dict[str, None] = {}
    for image in images:
        name = image.sample_name
        other = unique.get(name)
        if other is not None and {other.part, image.part} == {"train", "test"}:
            both[name] = None
            if other.part == "test":
                continue
        unique[name] = image
    return list(unique.values()), list(both)


def _official(images: Sequence[Listed]) -> tuple[Split | None, tuple[str, ...]]:
    parts = [image.part for image in images]
    if None in parts:
        return None, ()
    test = np.array([part == "test" for part in parts])
    if test.all():
        return None, ("There are no training images, so there is no official split.",)
    if not test.any():
        return None, ("There are no test images, so there is no official split.",)
    return Split(np.flatnonzero(~test), np.flatnonzero(test)), ()


def _without_images(classes: Sequence[str], targets: np.ndarray) -> tuple[str, ...]:
    counts = images_per_class(targets, len(classes))
    names = [name for name, count in zip(classes, counts, strict=True) if not count]
    return counted_sentence(names, "class has no images", "classes have no images")
