"""A labelled set of images, read from disk when they are needed; and checks for small classes and for copies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from PIL import Image

from crosspool.errors import DatasetError, ImageError, SettingError
from crosspool.framing import Framing, Preprocessing, Rectangle, fractions_of, framed_part
from crosspool.images import load_image
from crosspool.text import plural

UNKNOWN = -1
NAMED_CLASSES = 10  # of those in a problem
OnProblem = Literal["stop", "skip"]
Box = tuple[int, int, int, int]
WHOLE = "whole"  # the part that is the whole object, which all annotated data sets have


@dataclass(frozen=True)
class Annotation:
    """Where the parts of an object are in an upright image with sides of `size` (width, height), all in its pixels.

    `boxes` are those of the parts that can be seen, by their names.
    """

    size: tuple[int, int]
    boxes: Mapping[str, Rectangle]


@dataclass(frozen=True)
class Sample:
    """An image of a data set, or the part of one inside `box`.

    `name` is unique in its data set. `read()` gives the bytes of an image file. `box` is (left, top, right, bottom) in
    pixels of the upright image, and cut off at its border. `identity` is given for an image that is drawn each time it
    is read: it stands for the bytes, and is different wherever they are. `annotation()` tells where the parts of the
    object are, in the whole image; None where that is not known.
    """

    name: str
    read: Callable[[], bytes]
    box: Box | None = None
    identity: str | None = None
    annotation: Callable[[], Annotation] | None = None

    def decode(self, data: bytes) -> Image.Image:
        """The upright RGB image in `data`, cut to the box. Raises ImageError naming the sample."""
        image = load_image(data, name=self.name)
        if self.box is None:
            return image
        return image.crop(self._cut(image.size))

    def part_boxes(self, preprocessing: Preprocessing, framing: Framing) -> dict[str, Rectangle]:
        """Where the parts are that the network sees, from 0 to 1 of the sides of its input.

        A part is cut off where the network's input ends. Raises ImageError where the size of the image cannot be read.
        """
        if self.annotation is None:
            return {}
        annotation = self.annotation()
        left, top, right, bottom = self._cut(annotation.size)
        seen = framed_part((right - left, bottom - top), preprocessing, framing)
        frame = seen[0] + left, seen[1] + top, seen[2] + left, seen[3] + top
        boxes = {name: fractions_of(box, frame) for name, box in annotation.boxes.items()}
        return {name: box for name, box in boxes.items() if box is not None}

    def _cut(self, size: tuple[int, int]) -> Box:
        """The part of an image of this size that is the sample. Raises ImageError where that is empty."""
        if self.box is None:
            return 0, 0, *size
        left, top = max(self.box[0], 0), max(self.box[1], 0)
        right, bottom = min(self.box[2], size[0]), min(self.box[3], size[1])
        if right <= left or bottom <= top:
            raise ImageError(f"{self.name} has its box {self.box} outside the image of {size} pixels.")
        return left, top, right, bottom


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
    unreadable or left out. `layout` is a sentence on how the files were understood; a generated set has none. `parts`
    are the folders of parts that the samples were in; empty where there are none. `annotated` names the parts of
    the object that annotations may have boxes of, such as the head, with `WHOLE` first; empty without annotations.
    """

    name: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    targets: np.ndarray
    official: Split | None = None
    problems: tuple[str, ...] = ()
    layout: str = ""
    parts: tuple[str, ...] = ()
    annotated: tuple[str, ...] = ()

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
        return replace(
            self,
            samples=tuple(self.samples[i] for i in keep),
            targets=self.targets[keep],
            official=official,
            problems=(*self.problems, *problems),
            parts=tuple(self.parts[i] for i in keep) if self.parts else (),
        )


def images_per_class(targets: np.ndarray, classes: int) -> np.ndarray:
    """The number of images of each class; with several labels at once, of images that each label applies to."""
    if targets.ndim == 2:
        return np.asarray((targets == 1).sum(axis=0))
    return np.bincount(targets, minlength=classes)


def check_classes(
    dataset: Dataset, at_least: int, on_problem: OnProblem, image_keys: Sequence[str] | None = None
) -> Dataset:
    """The data set without classes of fewer than `at_least` images; the same object if there are none.

    With several labels at once, a label needs `at_least` images that it applies to, and as many that it does not apply
    to; dropping it drops no image. "skip" renumbers the other classes and adds a problem that names the dropped ones;
    "stop" raises instead.

    `image_keys`, (n,), are content keys: images with equal keys count once, for the class of the first of them. As a
    dropped class leaves its images to the others, classes are then dropped one at a time, in their order.

    Raises:
        DatasetError: "stop", and there are such classes, or "skip", and fewer than two classes (one label, with
            several labels at once) would be left.
    """
    if on_problem not in get_args(OnProblem):
        raise SettingError(f"What to do with small classes must be stop or skip, not {on_problem!r}.")
    small = _small_labels(dataset, at_least) if dataset.multi_label else _small_classes(dataset, at_least, image_keys)
    if not small:
        return dataset
    reason = f"{_too_small(dataset, at_least, len(small), image_keys is not None)}: {_named(list(small.values()))}"
    kind = "labels" if dataset.multi_label else "classes"
    if on_problem == "stop":
        raise DatasetError(f"{dataset.name}: {reason}; add images, or drop such {kind} (--on-problem skip).")
    remaining = np.setdiff1d(np.arange(len(dataset.classes)), list(small))
    if len(remaining) < (1 if dataset.multi_label else 2):
        raise DatasetError(f"{dataset.name}: {reason}; too few {kind} would be left; add images.")
    return _keep(dataset, remaining, f"{reason}; left out.")


def check_taught(dataset: Dataset, on_problem: OnProblem, *, may_be_random: bool = True) -> Dataset:
    """The data set without the classes that its official split has images to test on of, but none to train on.

    No method can name such a class. With several labels at once, the data set stays as it is. Where the user has no
    other split to choose, `may_be_random` is False.

    Raises:
        DatasetError: "stop", and there are such classes, or "skip", and fewer than two classes would be left.
    """
    if dataset.official is None or dataset.multi_label:
        return dataset
    counts = images_per_class(dataset.targets, len(dataset.classes))
    taught = images_per_class(dataset.targets[dataset.official.train], len(dataset.classes)) > 0
    if taught.all():
        return dataset
    names = [f"{dataset.classes[i]} ({counts[i]} to test on)" for i in np.flatnonzero(~taught)]
    reason = f"{plural(len(names), 'class has', 'classes have')} no images to train on: {_named(names)}"
    if on_problem == "stop":
        drop = "drop such classes (--on-problem skip)"
        advice = f"add some, {drop}, or use random splits (--random)" if may_be_random else f"add some, or {drop}"
        raise DatasetError(f"{dataset.name}: {reason}; {advice}.")
    if taught.sum() < 2:
        advice = "use random splits (--random)" if may_be_random else "add images to train on"
        raise DatasetError(f"{dataset.name}: {reason}; too few classes would be left; {advice}.")
    return _keep(dataset, np.flatnonzero(taught), f"{reason}; left out.")


def training_part(dataset: Dataset) -> Dataset:
    """The images to train on alone, where there is an official split; otherwise all of them."""
    return dataset if dataset.official is None else replace(dataset.subset(dataset.official.train), official=None)


def not_tested(dataset: Dataset) -> tuple[str, ...]:
    """A sentence that names the classes without images to test on in the official split; empty if all have some."""
    if dataset.official is None or dataset.multi_label:
        return ()
    tested = images_per_class(dataset.targets[dataset.official.test], len(dataset.classes))
    names = [dataset.classes[i] for i in np.flatnonzero(tested == 0)]
    if not names:
        return ()
    count = plural(len(names), "class has", "classes have")
    return (f"{count} no images to test on: {_named(names)}; learned, but never tested.",)


def _small_labels(dataset: Dataset, at_least: int) -> dict[int, str]:
    """The labels with too few images, described, by their number."""
    applies, lacks = (dataset.targets == 1).sum(axis=0), (dataset.targets == 0).sum(axis=0)
    counts = zip(dataset.classes, applies, lacks, strict=True)
    texts = [f"{name} ({with_it} with, {without} without)" for name, with_it, without in counts]
    return {int(i): texts[i] for i in np.flatnonzero(np.minimum(applies, lacks) < at_least)}


def _small_classes(dataset: Dataset, at_least: int, image_keys: Sequence[str] | None) -> dict[int, str]:
    """The classes with too few images, described, by their number."""
    keys = np.arange(len(dataset)) if image_keys is None else np.unique(image_keys, return_inverse=True)[1]
    targets, small = dataset.targets, dict[int, str]()
    while True:
        first = np.unique(keys, return_index=True)[1]
        counts = images_per_class(targets[first], len(dataset.classes))
        left = [int(i) for i in np.flatnonzero(counts < at_least) if i not in small]
        if not left:
            return small
        for i in left if image_keys is None else left[:1]:
            small[i] = f"{dataset.classes[i]} ({counts[i]})"
        stays = ~np.isin(targets, list(small))
        targets, keys = targets[stays], keys[stays]


def _too_small(dataset: Dataset, at_least: int, count: int, by_key: bool) -> str:
    """The beginning of a sentence: that `count` classes or labels have too few images."""
    them, their = ("it", "its") if count == 1 else ("them", "their")
    images = plural(at_least, "image")
    if dataset.multi_label:
        return f"{plural(count, 'label has', 'labels have')} fewer than {images} with or without {them}"
    images = f"{at_least} different images of {their} own" if by_key else images
    return f"{plural(count, 'class has', 'classes have')} fewer than {images}"


def _keep(dataset: Dataset, remaining: np.ndarray, problem: str) -> Dataset:
    classes = tuple(dataset.classes[i] for i in remaining)
    layout = dataset.layout and dataset.layout.removesuffix(_used(dataset)) + _used(replace(dataset, classes=classes))
    if dataset.multi_label:
        problems, targets = (*dataset.problems, problem), dataset.targets[:, remaining]
        return replace(dataset, classes=classes, targets=targets, problems=problems, layout=layout)
    smaller = dataset.subset(np.flatnonzero(np.isin(dataset.targets, remaining)), problems=(problem,))
    return replace(smaller, classes=classes, targets=np.searchsorted(remaining, smaller.targets), layout=layout)


def _used(dataset: Dataset) -> str:
    """The end of the layout of a data set that some classes were left out of: how many are used."""
    kind = ("label is", "labels are") if dataset.multi_label else ("class is", "classes are")
    return f" Only {plural(len(dataset.classes), *kind)} used."


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED_CLASSES
    return ", ".join(names[:NAMED_CLASSES]) + (f" and {more} more" if more > 0 else "")


def in_two_classes(dataset: Dataset, image_keys: Sequence[str]) -> tuple[str, ...]:
    """A sentence on images (with equal `image_keys`) that are in several classes, only one of which can be right."""
    pairs = []
    copies = [] if dataset.multi_label else _copies(image_keys)
    for first, *others in copies:
        other = next((index for index in others if dataset.targets[index] != dataset.targets[first]), None)
        if other is not None:
            pairs.append((first, other))
    return _sentence(dataset, pairs, "in two classes", "a method can be right about only one of the two.")


def there_twice(dataset: Dataset, image_keys: Sequence[str]) -> tuple[str, ...]:
    """A sentence on images that a class (with several labels, the data set) has more than once."""
    pairs = []
    for copies in _copies(image_keys):
        firsts: dict[int, int] = {}  # the first copy in each class
        for index in copies:
            first = firsts.setdefault(0 if dataset.multi_label else int(dataset.targets[index]), index)
            if first != index:
                pairs.append((first, index))
                break
    return _sentence(dataset, pairs, "there twice", "copies stay on one side of each split.")


def _copies(keys: Sequence[str]) -> list[list[int]]:
    """The indices of each key that is there more than once."""
    groups: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def _sentence(dataset: Dataset, pairs: Sequence[tuple[int, int]], where: str, consequence: str) -> tuple[str, ...]:
    """How many pairs of copies there are, and which is the first; none where there are none."""
    if not pairs:
        return ()
    name, other_name = (dataset.samples[index].name for index in pairs[0])
    first = ": " if len(pairs) == 1 else ", the first is "
    count = plural(len(pairs), "image is", "images are")
    return (f"{count} {where}{first}{name} and {other_name}; {consequence}",)
