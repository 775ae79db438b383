"""A data set made ready to be evaluated: its features computed, and what is wrong with it put into sentences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crosspool.datasets import Dataset
from crosspool.errors import DatasetError
from crosspool.features import Features
from crosspool.text import human_bytes

MAX_IMAGES = 30_000  # every image is compared with every other, in memory


@dataclass(frozen=True)
class Prepared:
    """Samples that can be read, with all their features in the cache."""

    dataset: Dataset
    features: Features

    def without(self, drop: Sequence[int] | np.ndarray, problems: tuple[str, ...]) -> "Prepared":
        """All samples but those."""
        return self.of(self.dataset.subset(np.setdiff1d(np.arange(len(self.dataset)), drop), problems=problems))

    def of(self, dataset: Dataset) -> "Prepared":
        """The same for a data set whose samples are among these."""
        return Prepared(dataset, self.features.restricted_to(dataset))

    def file_keys(self) -> list[str]:
        """The key of each sample's image file, without its box."""
        return [self.features.file_key(index) for index in range(len(self.dataset))]

    def image_keys(self) -> list[str]:
        """The key of each sample's image, its box included."""
        return [self.features.image_key(index) for index in range(len(self.dataset))]

    def with_problems(self, *problems: str) -> "Prepared":
        return self.of(replace(self.dataset, problems=(*self.dataset.problems, *problems))) if problems else self


def check_number(dataset: Dataset) -> None:
    """Raise DatasetError where there are more images than can be compared with each other."""
    if len(dataset) > MAX_IMAGES:
        raise DatasetError(
            f"{dataset.name} has {len(dataset):,} images, and comparing each with every other takes "
            f"{human_bytes(8 * len(dataset) ** 2)} of memory; take at most {MAX_IMAGES:,} of them."
        )


def prepare(features: Features, progress: Callable[[int], None] = lambda done: None) -> Prepared:
    """Compute what the cache lacks. Images that cannot be read are left out, with a problem each.

    Raises DatasetError where none can be read.
    """
    dataset = features.dataset
    failed = features.compute(progress)
    if len(failed) == len(dataset):
        raise DatasetError(f"None of the {len(failed)} images of {dataset.name} can be used: {failed[0]}")
    everything = Prepared(dataset, features)
    return everything.without(list(failed), tuple(failed.values())) if failed else everything


def trained_on_too(ready: Prepared) -> tuple[str, ...]:
    """What is to be said of an official split that tests on images that it trains on, too."""
    split, keys = ready.dataset.official, ready.file_keys()
    assert split is not None
    trained = {keys[index] for index in split.train}
    names = [ready.dataset.samples[index].name for index in split.test if keys[index] in trained]
    if not names:
        return ()
    if len(names) == 1:
        count, first = "1 test image of the official split equals a training image, or is another part of it", ": "
    else:
        count = f"{len(names):,} test images of the official split equal training images, or are other parts of them"
        first = ", the first is "
    return (f"{count}, so the results flatter all methods{first}{names[0]}.",)
