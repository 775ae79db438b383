"""How methods are tested: the features of a data set's images, the options of the splits, and the splits themselves."""

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np

from crosspool.datasets import Dataset, Split, check_classes, in_two_classes, there_twice
from crosspool.datasets.dataset import OnProblem, check_taught, not_tested
from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.command import DEFAULT_SPLITS
from crosspool.evaluation.splits import stratified_splits
from crosspool.features import Features
from crosspool.text import human_bytes

MAX_IMAGES = 30_000  # every image is compared with every other, in memory


class LabelledImages(typing.Protocol):
    """A data set whose files' content is known: `Features`, or what takes its vectors from elsewhere."""

    dataset: Dataset

    def restricted_to(self, dataset: Dataset) -> Self:
        """The same of a data set whose samples are among these."""

    def file_key(self, index: int) -> str:
        """The content key of a sample's image file, whatever its box: equal for equal files."""

    def image_key(self, index: int) -> str:
        """The content key of a sample, its box included: equal for equal images."""


Images = TypeVar("Images", bound=LabelledImages)


@dataclass(frozen=True)
class Protocol:
    """The splits, whether they are the published one, the seed, and the classifier's C: everything but the methods."""

    splits: Sequence[Split]
    official: bool
    seed: int = 0
    C: float = 10.0


@dataclass(frozen=True)
class SplitOptions:
    """The options of the splits.

    `official` is None for the official split where there is one, unless `splits` (how many random ones) or `train_size`
    (a number of different images, or a share) is given. `on_problem` says what to do with classes of too few images.
    """

    splits: int | None = None
    train_size: int | float | None = None
    seed: int = 0
    official: bool | None = None
    on_problem: OnProblem = "skip"

    def check(self, dataset: Dataset) -> Dataset:
        """Check the options against the number of images of each class; no image is read.

        Returns the data set without its small classes. Raises SettingError or DatasetError.
        """
        if self.official and dataset.official is None:
            raise DatasetError(f"{dataset.name} has no official split; leave out --official.")
        if self.official and (self.splits is not None or self.train_size is not None):
            raise SettingError("The official split has its own size; leave out --splits and --train-size.")
        enough = self._with_enough_images(dataset)
        if not self._is_official(dataset):
            self._random(enough, 1, None)
        return dataset if self.on_problem == "stop" else enough

    def settle(self, features: Images) -> Images:
        """Drop the classes that are too small once it is known which images can be read, and which are equal."""
        is_official = self._is_official(features.dataset)
        keys = None if is_official or features.dataset.multi_label else file_keys(features)
        features = features.restricted_to(self._with_enough_images(features.dataset, keys))
        dataset = features.dataset
        image_keys = [features.image_key(index) for index in range(len(dataset))]
        leaks = (*not_tested(dataset), *_trained_and_tested(features)) if is_official else ()
        copies = () if is_official else there_twice(dataset, image_keys)
        problems = (*dataset.problems, *leaks, *in_two_classes(dataset, image_keys), *copies)
        return features.restricted_to(replace(dataset, problems=problems))

    def protocol(self, dataset: Dataset, keys: Sequence[str]) -> Protocol:
        """The splits of a settled data set; images with equal keys are on the same side of random ones.

        Raises SettingError for an impossible size, and DatasetError where a side would be empty.
        """
        if not self._is_official(dataset):
            return Protocol(self._random(dataset, self.splits or DEFAULT_SPLITS, keys), False, self.seed)
        assert dataset.official is not None
        if not len(dataset.official.train) or not len(dataset.official.test):
            raise DatasetError(
                f"One side of the official split of {dataset.name} has no images left; use random splits (--random)."
            )
        return Protocol([dataset.official], True, self.seed)

    def _is_official(self, dataset: Dataset) -> bool:
        if self.official is not None:
            return self.official
        return dataset.official is not None and self.splits is None and self.train_size is None

    def _with_enough_images(self, dataset: Dataset, keys: Sequence[str] | None = None) -> Dataset:
        if not self._is_official(dataset):
            return check_classes(dataset, 2, self.on_problem, keys)
        return check_taught(check_classes(dataset, 1, self.on_problem, keys), self.on_problem)

    def _random(self, dataset: Dataset, count: int, keys: Sequence[str] | None) -> list[Split]:
        return stratified_splits(dataset.targets, count, self.train_size, self.seed, keys, dataset.classes)


def check_number(dataset: Dataset) -> None:
    """Raise DatasetError where there are more images than can be compared with each other."""
    if len(dataset) > MAX_IMAGES:
        raise DatasetError(
            f"{dataset.name} has {len(dataset):,} images, and comparing each with every other takes "
            f"{human_bytes(8 * len(dataset) ** 2)} of memory; take at most {MAX_IMAGES:,} of them."
        )


def without_unreadable(features: Features, progress: Callable[[int], None]) -> Features:
    """Compute what the cache lacks. Images that cannot be read are left out, with a problem each.

    Raises DatasetError where none can be read.
    """
    dataset, failed = features.dataset, features.compute(progress)
    if len(failed) == len(dataset):
        raise DatasetError(f"None of the {len(failed)} images of {dataset.name} can be used: {failed[0]}")
    if not failed:
        return features
    readable = np.setdiff1d(np.arange(len(dataset)), list(failed))
    return features.restricted_to(dataset.subset(readable, problems=tuple(failed.values())))


def file_keys(features: LabelledImages) -> list[str]:
    """The key of each sample's image file, whatever box is cut out of it."""
    return [features.file_key(index) for index in range(len(features.dataset))]


def _trained_and_tested(features: LabelledImages) -> tuple[str, ...]:
    """A warning about an official split that tests on images that it also trains on."""
    split, keys = features.dataset.official, file_keys(features)
    assert split is not None
    trained = {keys[index] for index in split.train}
    names = [features.dataset.samples[index].name for index in split.test if keys[index] in trained]
    if not names:
        return ()
    if len(names) == 1:
        count, first = "1 test image of the official split equals a training image, or is another part of it", ": "
    else:
        count = f"{len(names):,} test images of the official split equal training images, or are other parts of them"
        first = ", the first is "
    return (f"{count}, so the results flatter all methods{first}{names[0]}.",)
