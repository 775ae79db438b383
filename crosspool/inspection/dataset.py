"""What a data set holds: classes and parts with their images, copies among these, and what cannot be used."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os.path import splitext
from statistics import median_low

import numpy as np

from crosspool.datasets import Dataset, Sample, check_classes
from crosspool.datasets.dataset import check_taught, images_per_class, not_tested
from crosspool.errors import DatasetError, ImageError
from crosspool.inspection.image import FEW_COLOURS, ImageFacts, image_facts
from crosspool.text import plural, size_text

Progress = Callable[[int, int], None]  # images so far, images in all
Pair = tuple[str, str]  # the names of two samples
Size = tuple[int, int]  # width and height


@dataclass(frozen=True)
class ClassCount:
    """A class, the number of its images, and that of each part."""

    name: str
    images: int
    parts: dict[str, int]


@dataclass(frozen=True)
class Copies:
    """Images whose pixels are equal to those of another one, whatever their files: each with the first of its copies.

    `tested` are images to test on that are also trained on, `parted` those that are in two parts for another reason,
    `classed` those of two classes, and `twice` all others.
    """

    tested: tuple[Pair, ...] = ()
    parted: tuple[Pair, ...] = ()
    classed: tuple[Pair, ...] = ()
    twice: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class DatasetReport:
    """What a data set holds.

    With several labels at once (`multi_label`), an image counts for each label that applies to it.
    `unreadable` are the names of images that cannot be read, with the reasons; `formats`, `modes`, `sizes` (smallest,
    median and largest) and `copies` are those of all others. `small` are sentences on classes with too few images, and
    `masks` are images that look like masks of others, with these. `problem` is why nothing can be trained on it; "" if
    that is possible.
    """

    name: str
    layout: str
    images: int
    multi_label: bool
    parts: dict[str, int]
    classes: tuple[ClassCount, ...]
    problems: tuple[str, ...]
    small: tuple[str, ...]
    unreadable: dict[str, str]
    copies: Copies
    masks: tuple[Pair, ...]
    formats: dict[str, int]
    modes: dict[str, int]
    sizes: tuple[Size, Size, Size] | None
    problem: str = ""

    @property
    def summary(self) -> str:
        """Its name, images, classes and parts, in a sentence."""
        kind = ("label", "labels") if self.multi_label else ("class", "classes")
        parts = f" ({_counted(self.parts)})" if self.parts else ""
        unread = f"; {len(self.unreadable):,} of these images cannot be read" if self.unreadable else ""
        return f"{self.name}: {plural(self.images, 'image')}{parts} of {plural(len(self.classes), *kind)}{unread}."

    @property
    def facts_sentences(self) -> list[str]:
        """Formats, colours and sizes, in a sentence each."""
        if self.sizes is None:
            return []
        smallest, median, largest = map(size_text, self.sizes)
        sizes = (
            f"{smallest} to {largest} pixels, the median is {median}" if smallest != largest else f"{smallest} pixels"
        )
        return [f"Formats: {_counted(self.formats)}.", f"Colours: {_counted(self.modes)}.", f"Sizes: {sizes}."]

    @property
    def across_sentences(self) -> list[str]:
        """What copies of images of one part there are in another, those to train and to test on first."""
        consequence = "Results would flatter all methods; take each out of one part."
        return [
            *_pairs(
                self.copies.tested, "image to test on is", "images to test on are", "also to train on", consequence
            ),
            *_pairs(self.copies.parted, "image is", "images are", "in two parts"),
        ]

    @property
    def copies_sentences(self) -> list[str]:
        """What copies there are."""
        return [
            *self.across_sentences,
            *_pairs(
                self.copies.classed, "image is", "images are", "in two classes", "Only one of the two can be right."
            ),
            *_pairs(self.copies.twice, "image is", "images are", "there twice"),
        ]

    @property
    def all_problems(self) -> list[str]:
        """Everything that is wrong or was left out, in a sentence each, the worst first."""
        return [
            *self.copies_sentences, *self.masks_sentences, *self.problems, *self.small, *self.unreadable.values(),
        ]  # fmt: skip

    @property
    def masks_sentences(self) -> list[str]:
        """What images look like masks."""
        one, many = f"image of at most {FEW_COLOURS} colours bears", f"images of at most {FEW_COLOURS} colours bear"
        return _pairs(self.masks, one, many, "the name of another image", "Masks count as images, so take them out.")

    @property
    def warnings(self) -> list[str]:
        """What spoils results without a word from those who train on it."""
        return [*self.across_sentences, *self.masks_sentences]


def inspect_dataset(dataset: Dataset, progress: Progress = lambda done, total: None) -> DatasetReport:
    """What a data set holds; every image is read and decoded once."""
    facts = []
    for number, sample in enumerate(dataset.samples, 1):
        facts.append(_facts(sample))
        progress(number, len(dataset))
    return dataset_report(dataset, facts)


def _facts(sample: Sample) -> ImageFacts | str:
    """What an image is, or why it cannot be read."""
    try:
        data = sample.read()
        return image_facts(data, sample.decode(data), sample.name)
    except ImageError as error:
        return str(error)


def dataset_report(dataset: Dataset, facts: Sequence[ImageFacts | str]) -> DatasetReport:
    """What a data set holds, of whose samples these are the facts, or the reasons why they cannot be read."""
    readable = np.array([number for number, fact in enumerate(facts) if isinstance(fact, ImageFacts)], int)
    read = [fact for fact in facts if isinstance(fact, ImageFacts)]
    usable = dataset.subset(readable)
    parts = part_names(dataset)
    sizes = sorted(((fact.width, fact.height) for fact in read), key=lambda size: (size[0] * size[1], size))
    widths, heights = ([size[side] for size in sizes] for side in (0, 1))
    trainable, problem = _trainable(usable, [fact.pixels for fact in read])
    return DatasetReport(
        name=dataset.name,
        layout=trainable.layout,
        images=len(dataset),
        multi_label=dataset.multi_label,
        parts=dict(sorted(Counter(filter(None, parts)).items())),
        classes=_class_counts(dataset, parts),
        problems=dataset.problems,
        small=trainable.problems[len(usable.problems) :],
        unreadable={
            sample.name: fact for sample, fact in zip(dataset.samples, facts, strict=True) if isinstance(fact, str)
        },
        copies=_copies(usable, [fact.pixels for fact in read]),
        masks=_masks(usable, read),
        formats=dict(Counter(fact.format for fact in read).most_common()),
        modes=dict(Counter(fact.mode for fact in read).most_common()),
        sizes=(sizes[0], (median_low(widths), median_low(heights)), sizes[-1]) if sizes else None,
        problem=problem,
    )


def part_names(dataset: Dataset) -> list[str]:
    """The part of each sample: its folder, or else the side of the official split; "" where there is neither."""
    if dataset.parts or dataset.official is None:
        return list(dataset.parts) or [""] * len(dataset)
    names = [""] * len(dataset)
    for name, side in (("train", dataset.official.train), ("test", dataset.official.test)):
        for index in side:
            names[index] = name
    return names


def _class_counts(dataset: Dataset, parts: Sequence[str]) -> tuple[ClassCount, ...]:
    count = len(dataset.classes)
    whole = images_per_class(dataset.targets, count)
    of_part = {
        name: images_per_class(dataset.targets[np.array(parts) == name], count) for name in sorted({*parts} - {""})
    }
    return tuple(
        ClassCount(name, int(whole[number]), {part: int(counts[number]) for part, counts in of_part.items()})
        for number, name in enumerate(dataset.classes)
    )


def _trainable(dataset: Dataset, keys: Sequence[str]) -> tuple[Dataset, str]:
    """The data set as it would be trained and tested on, with sentences on its small classes.

    Beside it is why too few classes would be left; "" if enough are.
    """
    try:
        if dataset.official is not None:
            taught = check_taught(dataset, "skip")
            return replace(taught, problems=(*taught.problems, *not_tested(dataset))), ""
        return check_classes(dataset, 2, "skip", None if dataset.multi_label else keys), ""
    except DatasetError as error:
        return dataset, str(error)


def _copies(dataset: Dataset, keys: Sequence[str]) -> Copies:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    parts, trained = part_names(dataset), set[int]()
    if dataset.official is not None:
        trained = set(dataset.official.train.tolist())
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for group in groups.values():
        for index in group[1:]:
            kind, other = _kind_of_copy(dataset, parts, trained, group, index)
            found[kind].append((other, index))
    return Copies(
        **{
            kind: tuple((dataset.samples[first].name, dataset.samples[second].name) for first, second in pairs)
            for kind, pairs in found.items()
        }
    )


def _kind_of_copy(
    dataset: Dataset, parts: Sequence[str], trained: set[int], group: Sequence[int], index: int
) -> tuple[str, int]:
    """The kind of `Copies` that an image belongs to, and the first image of its group that makes it one."""
    earlier = [other for other in group if other < index]
    is_trained = index in trained

    def first(is_so: Callable[[int], bool]) -> int | None:
        return next(filter(is_so, earlier), None)

    if dataset.official is not None:
        other = first(lambda other: (other in trained) != is_trained)
        if other is not None:
            return "tested", other
    if not dataset.multi_label:
        other = first(lambda other: dataset.targets[other] != dataset.targets[index])
        if other is not None:
            return "classed", other
    other = first(lambda other: parts[other] != parts[index])
    return ("twice", earlier[0]) if other is None else ("parted", other)


def _masks(dataset: Dataset, facts: Sequence[ImageFacts]) -> tuple[Pair, ...]:
    """Images of few colours, each with one of many colours in its class whose file bears the same name."""
    images: dict[tuple[str, int], str] = {}
    if dataset.multi_label:
        return ()
    keys = [(_stem(sample.name), int(target)) for sample, target in zip(dataset.samples, dataset.targets, strict=True)]
    for key, sample, fact in zip(keys, dataset.samples, facts, strict=True):
        if not fact.has_few_colours:
            images.setdefault(key, sample.name)
    return tuple(
        (sample.name, images[key])
        for key, sample, fact in zip(keys, dataset.samples, facts, strict=True)
        if fact.has_few_colours and key in images
    )


def _stem(name: str) -> str:
    return splitext(name.rpartition("/")[2])[0]


def _pairs(pairs: Sequence[Pair], one: str, many: str, where: str, consequence: str = "") -> list[str]:
    """A sentence on how many pairs of copies there are, and which is the first; none without any."""
    if not pairs:
        return []
    first = ": " if len(pairs) == 1 else ", the first is "
    sentence = f"{plural(len(pairs), one, many)} {where}{first}{' and '.join(pairs[0])}."
    return [f"{sentence} {consequence}".rstrip()]


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
