"""How methods are tested: the options of the splits, what they come to on a data set, and the splits themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

from crosspool.datasets import Dataset, Split, check_classes, in_two_classes, there_twice
from crosspool.datasets.checks import OnProblem
from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.command import DEFAULT_SPLITS
from crosspool.evaluation.preparation import Prepared, trained_on_too
from crosspool.evaluation.splits import stratified_splits


@dataclass(frozen=True)
class Protocol:
    """The splits, whether they are the published one, the seed, and the classifier's C: everything but the methods."""

    splits: Sequence[Split]
    official: bool
    seed: int = 0
    C: float = 10.0


@dataclass(frozen=True)
class SplitOptions:
    """What was asked of the splits.

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

    def settle(self, ready: Prepared) -> Prepared:
        """Without the classes that are too small now that it is known which images can be read, and which are equal."""
        if self._is_official(ready.dataset):
            ready = ready.of(self._with_enough_images(ready.dataset))
            return ready.with_problems(*trained_on_too(ready), *in_two_classes(ready.dataset, ready.image_keys()))
        file_keys = None if ready.dataset.multi_label else ready.file_keys()
        ready = ready.of(self._with_enough_images(ready.dataset, file_keys))
        image_keys = ready.image_keys()
        return ready.with_problems(*in_two_classes(ready.dataset, image_keys), *there_twice(ready.dataset, image_keys))

    def protocol(self, dataset: Dataset, keys: Sequence[str]) -> Protocol:
        """The splits of a settled data set; images with equal keys lie on the same side of random ones.

        Raises SettingError for a size that cannot be had, and DatasetError where a side would be empty.
        """
        if not self._is_official(dataset):
            return Protocol(self._random(dataset, self.splits or DEFAULT_SPLITS, keys), False, self.seed)
        assert dataset.official is not None
        if not len(dataset.official.train) or not len(dataset.official.test):
            raise DatasetError(f"One side of the official split of {dataset.name} has no images left.")
        return Protocol([dataset.official], True, self.seed)

    def _is_official(self, dataset: Dataset) -> bool:
        if self.official is not None:
            return self.official
        return dataset.official is not None and self.splits is None and self.train_size is None

    def _with_enough_images(self, dataset: Dataset, keys: Sequence[str] | None = None) -> Dataset:
        return check_classes(dataset, 1 if self._is_official(dataset) else 2, self.on_problem, keys)

    def _random(self, dataset: Dataset, count: int, keys: Sequence[str] | None) -> list[Split]:
        return stratified_splits(dataset.targets, count, self.train_size, self.seed, keys, dataset.classes)
