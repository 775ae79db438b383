"""A labelled set of images. Nothing here is read from disk before it is needed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from crosspool.errors import ImageError
from crosspool.images import load_image

UNKNOWN = -1
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Sample:
    """An image of a data set, or the part of one inside `box`.

    `name` is unique in its data set. `read()` gives the bytes of an image file. `box` is (left, top, right, bottom) in
    pixels of the upright image, and cut off at its border. `identity` is given for an image that is drawn each time it
    is read: it stands for the bytes, and is different wherever they are.
    """

    name: str
    read: Callable[[], bytes]
    box: Box | None = None
    identity: str | None = None

    def decode(self, data: bytes) -> Image.Image:
        """The upright RGB image in `data`, cut to the box. Raises ImageError naming the sample."""
        image = load_image(data, name=self.name)
        if self.box is None:
            return image
        left, top = max(self.box[0], 0), max(self.box[1], 0)
        right, bottom = min(self.box[2], image.width), min(self.box[3], image.height)
        if right <= left or bottom <= top:
            raise ImageError(f"{self.name} has its box {self.box} outside the image of {image.size} pixels.")
        return image.crop((left, top, right, bottom))


@dataclass(frozen=True)
class Split:
    """The indices of training and of test samples, sorted."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """Labelled images.

    `targets` is (n,) class indices where each sample has one class; for several labels at once it is (n, L) with 1
    where the label applies, 0 where it does not, and `UNKNOWN` (-1) where that is unknown or does not count.
    `official` is the published split, if there is one. `problems` are sentences for the report on what was missing,
    unreadable or left out.
    """

    name: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    targets: np.ndarray
    official: Split | None = None
    problems: tuple[str, ...] = ()

    @property
    def multi_label(self) -> bool:
        return self.targets.ndim == 2

    def __len__(self) -> int:
        return len(self.samples)

    def subset(self, keep: np.ndarray, *, problems: tuple[str, ...] = ()) -> "Dataset":
        """The samples at the sorted indices `keep`, with further problems; all classes keep their numbers."""
        official = self.official
        if official is not None:
            official = Split(*(np.flatnonzero(np.isin(keep, part)) for part in (official.train, official.test)))
        samples, problems = tuple(self.samples[i] for i in keep), (*self.problems, *problems)
        return replace(self, samples=samples, targets=self.targets[keep], official=official, problems=problems)
