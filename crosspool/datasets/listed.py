"""Data sets from lists of images: shared by the official layouts and torchvision's sets."""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from crosspool.datasets.dataset import Annotation, Box, Dataset, Sample, Split, images_per_class
from crosspool.datasets.files import counted_sentence, reader
from crosspool.datasets.spellings import unique_names
from crosspool.errors import DatasetError
from crosspool.framing import Rectangle
from crosspool.images import upright_size
from crosspool.text import plural, printable

SplitPart = Literal["train", "test"]


@dataclass(frozen=True)
class Listed:
    """An entry of a list: an image's path in the folder of images, with its class or labels.

    `name` stands for the path where that is not unique, as when an image has several boxes. `parts` are the boxes of
    the object's parts; None where they are not known.
    """

    path: str
    target: int | tuple[int, ...]
    part: SplitPart | None = None
    box: Box | None = None
    name: str | None = None
    parts: Mapping[str, Rectangle] | None = None

    @property
    def key(self) -> str:
        return self.name or self.path


def listed_dataset(
    name: str, folder: Path, lists: str, classes: Sequence[str], images: Iterable[Listed], problems: Sequence[str] = (),
    annotated: tuple[str, ...] = (),
) -> Dataset:  # fmt: skip
    """A data set of the listed images that are in `folder`; `lists` is the name of the lists in messages.

    If an image is listed twice, the later line counts, except that testing wins over training. Images on disk that are
    not listed are left out. There is an official split if every image has its part and neither part is empty.
    `annotated` are the names of the object's parts.

    Raises:
        DatasetError: none of the listed images is there.
    """
    by_key, both = _by_key(images)
    listed = dict(zip(unique_names(list(map(printable, by_key))), by_key.values(), strict=True))
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
        samples=tuple(_sample(name, folder, image) for name, image in present.items()),
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
        layout=_sentence(name, len(targets), official),
        annotated=annotated,
    )


def _sample(name: str, folder: Path, image: Listed) -> Sample:
    read = reader(folder / image.path, name)
    annotation = None if image.parts is None else partial(_annotation, read, name, image.parts)
    return Sample(name, read, image.box, annotation=annotation)


def _annotation(read: Callable[[], bytes], name: str, boxes: Mapping[str, Rectangle]) -> Annotation:
    return Annotation(upright_size(read(), name), boxes)


def _sentence(name: str, count: int, official: Split | None) -> str:
    """What was understood."""
    if official is None:
        return f"Read as {name} by its lists, without an official split: {plural(count, 'sample')}."
    train, test = len(official.train), len(official.test)
    return f"Read as {name} by its lists: {train:,} samples to train on, {test:,} to test on."


def box_around(left: float, top: float, width: float, height: float) -> Box:
    """The whole pixels that a box touches. Raises ValueError for a box without area, or of NaN."""
    if not all(map(math.isfinite, (left, top, width, height))) or width <= 0 or height <= 0:
        raise ValueError("no box")
    return math.floor(left), math.floor(top), math.ceil(left + width), math.ceil(top + height)


def _is_in(folder: Path, path: str) -> bool:
    """Whether a path from a list is a file in this folder, and does not lead out of it."""
    is_below = not os.path.isabs(path) and ".." not in PurePosixPath(path.replace("\\", "/")).parts
    return is_below and os.path.isfile(folder / path)


def _by_key(images: Iterable[Listed]) -> tuple[dict[str, Listed], list[str]]:
    """The images by their keys, and the names of those that are listed for both training and testing."""
    by_key: dict[str, Listed] = {}
    both: dict[str, None] = {}
    for image in images:
        other = by_key.get(image.key)
        if other is not None and {other.part, image.part} == {"train", "test"}:
            both[printable(image.key)] = None
            if other.part == "test":
                continue
        by_key[image.key] = image
    return by_key, list(both)


def _official(parts: Sequence[SplitPart | None]) -> tuple[Split | None, tuple[str, ...]]:
    if None in parts:
        return None, ()
    is_test = np.array([part == "test" for part in parts])
    if is_test.all() or not is_test.any():
        empty = "training" if is_test.all() else "test"
        return None, (f"There are no {empty} images, so there is no official split.",)
    return Split(np.flatnonzero(~is_test), np.flatnonzero(is_test)), ()
