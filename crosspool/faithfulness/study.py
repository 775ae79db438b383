"""Train on each of several random splits, and remove parts of the test images."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspool.classifiers import TrainedClassifier
from crosspool.contributions import explanation_of
from crosspool.datasets import Dataset, Split
from crosspool.datasets.fieldguide.guide import Drawing
from crosspool.datasets.fieldguide.species import SPECIES
from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.report import Measured
from crosspool.faithfulness import curves, parts
from crosspool.faithfulness.curves import Curves, ImageMeans, Measures, Sizes
from crosspool.faithfulness.orders import RANDOM, ExplainedImage, Orders, Ranking, channel_orders, position_orders
from crosspool.faithfulness.parts import ImageShares, PartShares, Regions, regions_of, shares_of
from crosspool.faithfulness.removal import Fill, Pixels, Positions, keeping_channels
from crosspool.features import Features
from crosspool.framing import Source
from crosspool.grids import Size
from crosspool.methods import Method
from crosspool.training import train_classifier

CHANNEL_FRACTIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
POSITION_FRACTIONS = tuple(step / 10 for step in range(11))
CHANNEL_DRAWS, POSITION_DRAWS = 5, 2
Judge = Callable[[NDArray[np.float64]], Measures]
BothWays = Callable[[Ranking], tuple[NDArray[np.float64], NDArray[np.float64]]]
Progress = Callable[[str, int, int], None]
"""Called with the name of the stage, the number of images that are done, and their total."""


@dataclass(frozen=True)
class Question:
    """The question of a study: the method, the baseline beside it, and how much is removed.

    `fraction` of the channels is removed besides the usual series; `pixels` is the number of test images of each split
    on which pixels are hidden as well (0: none), behind `fill`.
    """

    method: Method
    baseline: Method
    fraction: float = 0.05
    pixels: int = 0
    fill: Fill = "blur"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise SettingError(f"The share of channels to remove must be between 0 and 1, not {self.fraction}.")

    @property
    def sources(self) -> list[Source]:
        return sorted({*self.method.sources_to_explain, *self.baseline.sources_to_explain})

    @property
    def channel_fractions(self) -> tuple[float, ...]:
        return tuple(sorted({*CHANNEL_FRACTIONS, self.fraction}))


@dataclass(frozen=True)
class StudyResult:
    """The result of a study; curves of pixels, and shares in parts, only if requested and known."""

    question: Question
    dataset: str
    images: int
    classes: int
    splits: int
    sizes: Sizes
    accuracy: Measured
    baseline_accuracy: Measured
    channels: Curves
    deletion: Curves
    insertion: Curves
    pixel_deletion: Curves | None
    pixel_insertion: Curves | None
    parts: PartShares | None


@dataclass
class _Split:
    """The results on the test images of one split; `means` are by the names of the curves in StudyResult."""

    means: dict[str, ImageMeans] = field(default_factory=lambda: defaultdict(ImageMeans))
    parts: list[ImageShares] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    baseline_right: list[bool] = field(default_factory=list)


def study(
    dataset: Dataset,
    question: Question,
    features: Features,
    splits: Sequence[Split],
    drawing: Callable[[int], Drawing] | None = None,
    *,
    scratch: Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> StudyResult:
    """Train on each split's training images alone, explain its test images, and remove what is said to matter.

    `drawing` returns a sample of FieldGuide with its masks. `features` must have the sources that the question needs.

    Raises DatasetError where images have several labels, or a split's test images show none of the defining parts;
    SettingError where there are fewer than 2 splits, or the method has no map of positions.
    """
    if len(splits) < 2:
        raise SettingError(f"Intervals need at least 2 splits, not {len(splits)}.")
    if dataset.multi_label:
        raise DatasetError(f"{dataset.name} has several labels per image; take a data set with one class per image.")
    image_study = _ImageStudy(dataset, question, features, drawing)
    split_results = []
    for number, split in enumerate(splits):
        stage = f"Split {number + 1} of {len(splits)}"
        progress(stage, 0, len(split.test))  # training comes first, which takes a while
        subset = dataset.subset(split.train)
        restricted = features.restricted_to(subset)
        classifier, baseline = (
            train_classifier(subset, restricted, method, seed=question.seed, scratch=scratch)
            for method in (question.method, question.baseline)
        )
        split_results.append(_Split())
        pixels = set(_generator(question, number).permutation(split.test)[: question.pixels].tolist())
        for done, index in enumerate(split.test.tolist(), 1):
            image_study.take(
                split_results[-1], classifier, baseline, index, _generator(question, number, index), index in pixels
            )
            progress(stage, done, len(split.test))
    sizes = Sizes(*(float(np.mean([len(getattr(split, part)) for split in splits])) for part in ("train", "test")))
    return _answer(dataset, question, split_results, sizes)


def _generator(question: Question, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([question.seed, *numbers])


def _answer(dataset: Dataset, question: Question, split_results: Sequence[_Split], sizes: Sizes) -> StudyResult:
    def joined(name: str, fractions: Sequence[float]) -> Curves:
        return curves.joined([split.means[name] for split in split_results], fractions, sizes.train)

    return StudyResult(
        question, dataset.name, len(dataset), len(dataset.classes), len(split_results), sizes,
        curves.measured(np.array([np.mean(split.right) for split in split_results]), sizes),
        curves.measured(np.array([np.mean(split.baseline_right) for split in split_results]), sizes),
        joined("channels", question.channel_fractions),
        joined("deletion", POSITION_FRACTIONS),
        joined("insertion", POSITION_FRACTIONS),
        joined("pixel_deletion", POSITION_FRACTIONS) if question.pixels else None,
        joined("pixel_insertion", POSITION_FRACTIONS) if question.pixels else None,
        parts.joined([split.parts for split in split_results], sizes) if split_results[0].parts else None,
    )  # fmt: skip


class _ImageStudy:
    """Removes parts of test images, one image at a time."""

    def __init__(
        self, dataset: Dataset, question: Question, features: Features, drawing: Callable[[int], Drawing] | None
    ) -> None:
        self._dataset, self._question, self._features, self._drawing = dataset, question, features, drawing
        self._regions: dict[int, Mapping[str, Regions]] = {}  # drawing an image takes longer than all the rest

    def take(
        self, split: _Split, own: TrainedClassifier, baseline: TrainedClassifier, index: int,
        draw: np.random.Generator, with_pixels: bool,
    ) -> None:  # fmt: skip
        record = self._features.record(index, self._question.sources)
        explained = ExplainedImage(explanation_of(own, record), explanation_of(baseline, record))
        target = own.classes.index(self._dataset.classes[self._dataset.targets[index]])
        predicted = int(explained.own.scores.argmax())
        judge = partial(curves.remainder_measures, predicted=predicted, target=target)
        split.right.append(predicted == target)
        split.baseline_right.append(int(explained.baseline.scores.argmax()) == target)
        split.means["channels"].add(self._without_channels(explained, judge, draw))
        orders = position_orders(explained, draw, POSITION_DRAWS)
        positions = Positions(explained.own)
        counts = _counts(POSITION_FRACTIONS, len(orders[RANDOM][0]))
        _both_ways(split.means, "", orders, judge, partial(positions.both_ways, counts=counts))
        if with_pixels:
            sample, backbone = self._dataset.samples[index], self._features.backbone
            pixels = Pixels(own, backbone, sample.decode(sample.read()), positions.grid, self._question.fill)
            orders[RANDOM] = orders[RANDOM][:1]  # each takes many passes of the network
            _both_ways(split.means, "pixel_", orders, judge, partial(pixels.both_ways, counts=counts))
        if self._drawing is not None:
            split.parts.append(self._shares(explained, index, positions.grid))

    def _without_channels(
        self, explained: ExplainedImage, judge: Judge, draw: np.random.Generator
    ) -> dict[str, list[Measures]]:
        orders = channel_orders(explained, draw, CHANNEL_DRAWS)
        energy = explained.energy.channels
        counts = _counts(self._question.channel_fractions, len(energy))
        names = [name for name, rankings in orders.items() for _ in rankings]
        ranks = np.array([np.argsort(ranking) for rankings in orders.values() for ranking in rankings])  # (R, K)
        remaining = ranks[:, None] >= counts[:, None]  # (R, F, K)
        scores = keeping_channels(explained.own, remaining.reshape(-1, len(energy))).reshape(*remaining.shape[:2], -1)
        measures: dict[str, list[Measures]] = {name: [] for name in orders}
        for name, fraction_scores, left in zip(names, scores, remaining @ energy / (energy.sum() or 1), strict=True):
            measures[name].append(judge(fraction_scores) | {curves.ENERGY_LEFT: left})
        return measures

    def _shares(self, explained: ExplainedImage, index: int, grid: Size) -> ImageShares:
        assert self._drawing is not None
        species = SPECIES[self._dataset.targets[index]]
        if index not in self._regions:
            self._regions[index] = regions_of(self._drawing(index), species, grid)
        return shares_of(explained, self._regions[index], species)


def _counts(fractions: Sequence[float], total: int) -> NDArray[np.intp]:
    """The fractions of `total` as numbers; at least 1 for any fraction but 0."""
    return np.array([0 if fraction == 0 else max(1, round(fraction * total)) for fraction in fractions], np.intp)


def _both_ways(means: dict[str, ImageMeans], prefix: str, orders: Orders, judge: Judge, both_ways: BothWays) -> None:
    """Put positions in and leave them out, in every order; equal orders are computed once."""
    by_ranking: dict[bytes, tuple[Measures, Measures]] = {}
    for ranking in (ranking for rankings in orders.values() for ranking in rankings):
        if ranking.tobytes() not in by_ranking:
            put_in, taken = both_ways(ranking)
            by_ranking[ranking.tobytes()] = judge(put_in), judge(taken)
    for way, name in enumerate(("insertion", "deletion")):
        means[prefix + name].add(
            {order: [by_ranking[ranking.tobytes()][way] for ranking in rankings] for order, rankings in orders.items()}
        )
