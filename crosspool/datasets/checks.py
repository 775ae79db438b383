"""Classes that are too small to learn or to test."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from crosspool.datasets.dataset import Dataset
from crosspool.errors import DatasetError, SettingError

OnProblem = Literal["stop", "drop"]
MAX_NAMED = 10


def images_per_class(targets: np.ndarray, classes: int) -> np.ndarray:
    """How many images each class has; of labels, how many images each applies to."""
    if targets.ndim == 2:
        return np.asarray((targets == 1).sum(axis=0))
    return np.bincount(targets, minlength=classes)


def check_classes(dataset: Dataset, at_least: int, on_problem: OnProblem) -> Dataset:
    """The data set without the classes of fewer than `at_least` images; the very same one where there are none.

    With several labels at once, images to which the label applies count, and dropping a class drops no image.
    "drop" numbers the other classes anew and adds a problem that names what was dropped; "stop" raises instead.

    Raises:
        DatasetError: "stop", and there are such classes, or "drop", and fewer than two classes (one label, with
            several labels at once) would be left.
    """
    if on_problem not in get_args(OnProblem):
        raise SettingError(f"What to do with small classes must be stop or drop, not {on_problem!r}.")
    counts = images_per_class(dataset.targets, len(dataset.classes))
    small = np.flatnonzero(counts < at_least)
    if not len(small):
        return dataset
    told = _named([f"{dataset.classes[i]} ({counts[i]})" for i in small])
    too_small = f"fewer than {at_least} images: {told}"
    count = f"{len(small)} class has" if len(small) == 1 else f"{len(small)} classes have"
    if on_problem == "stop":
        raise DatasetError(f"{dataset.name}: {count} {too_small}; add images, or have such classes dropped.")
    kept = np.flatnonzero(counts >= at_least)
    if len(kept) < (1 if dataset.multi_label else 2):
        raise DatasetError(f"{dataset.name}: {count} {too_small}; too few classes would be left, so add images.")
    return _keep(dataset, kept, f"{count} {too_small}; left out.")


def _keep(dataset: Dataset, kept: np.ndarray, problem: str) -> Dataset:
    classes = tuple(dataset.classes[i] for i in kept)
    if dataset.multi_label:
        problems = (*dataset.problems, problem)
        return replace(dataset, classes=classes, targets=dataset.targets[:, kept], problems=problems)
    smaller = dataset.subset(np.flatnonzero(np.isin(dataset.targets, kept)), problems=(problem,))
    return replace(smaller, classes=classes, targets=np.searchsorted(kept, smaller.targets))


def _named(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
