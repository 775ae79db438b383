"""Random splits into training and test images, for data sets without an official one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crosspool.datasets import Split
from crosspool.errors import DatasetError, SettingError

# The default share to train on: three quarters, as in scikit-learn's `train_test_split`.
DEFAULT_SHARE = 0.75


def stratified_splits(
    targets: np.ndarray,
    count: int,
    train_size: int | float | None,
    seed: int,
    groups: Sequence[str] | np.ndarray | None = None,
    classes: Sequence[str] = (),
) -> list[Split]:
    """`count` independent random splits of all images: `train_size` of them to train on, the rest to test on.

    `targets` is (n,) classes or (n, L) labels. With classes, each has at least one image on either side; as far as
    that allows, each is divided in the same proportion, rounded up or down, and ties are decided in each split.
    (scikit-learn's `StratifiedShuffleSplit` rounds in the same way but can leave a small class out of a side.) With
    labels, splits are purely random, and a rare label may be missing on a side: nearly every image may have its own
    set of labels, so that there are no strata to keep.

    `groups` is (n,) content keys. Images with equal keys are one image: the first of them is drawn, with its
    class, and the others follow it to its side. `train_size` then counts different images. It is a number (int),
    a share between 0 and 1 (float), or None for three quarters, moved where classes are too small for that.

    `classes` are names for error messages. The same arguments always give the same splits, with every
    version of NumPy, and a smaller `count` gives the first of them.

    Raises DatasetError where a class has fewer than two different images; SettingError for a count below 1, a
    negative seed, or a training size that leaves a class without an image on a side.
    """
    if count < 1:
        raise SettingError(f"The number of splits must be at least 1, not {count}.")
    if not 0 <= seed < 2**32:
        raise SettingError(f"The seed must be a whole number from 0 to {2**32 - 1}, not {seed}.")
    image = np.arange(len(targets)) if groups is None else pd.factorize(np.asarray(groups))[0]  # (n,)
    if len(image) != len(targets):
        raise SettingError(f"There are {len(targets)} targets but {len(image)} content keys; give one for each.")
    first = np.unique(image, return_index=True)[1]  # (images,), in the order of the data set
    # A plain random split is a stratified one of a single class.
    strata = np.zeros(len(targets), dtype=int) if targets.ndim == 2 else targets
    stratum_values = np.unique(strata)
    members = [np.flatnonzero(strata[first] == stratum) for stratum in stratum_values]
    sizes = np.array([len(images) for images in members])
    if targets.ndim == 2 or not len(targets):
        _require_two(sizes.sum(), "The data set")
    else:
        for stratum, size in zip(stratum_values, sizes, strict=True):
            _require_two(size, f"The class {classes[stratum] if classes else stratum}")
    total = _train_total(train_size, images=len(first), classes=len(stratum_values))
    draw = np.random.RandomState(seed)  # its numbers never change, unlike those of NumPy's newer generators
    return [_split(image, members, _train_counts(sizes, total, draw), draw) for _ in range(count)]


def _require_two(size: int, whose: str) -> None:
    if size < 2:
        raise DatasetError(f"{whose} has fewer than 2 different images ({size}); add some to it, or leave it out.")


def _train_total(train_size: int | float | None, *, images: int, classes: int) -> int:
    """How many of the different images to train on."""
    most = images - classes
    if train_size is None:
        return min(max(round(DEFAULT_SHARE * images), classes), most)
    if isinstance(train_size, float) and not 0 < train_size < 1:
        raise SettingError(
            f"The share to train on must be between 0 and 1, not {train_size}; write counts as integers."
        )
    total = round(train_size * images) if isinstance(train_size, float) else train_size
    if not classes <= total <= most:
        sides = "there is an image" if classes == 1 else f"each of the {classes} classes has an image"
        purpose = f"so that {sides} to train on and one to test on"
        raise SettingError(f"Train on {classes} to {most} of the {images} different images, not on {total}, {purpose}.")
    return total


def _train_counts(sizes: np.ndarray, total: int, draw: np.random.RandomState) -> np.ndarray:
    """How many of each class to train on, (C,): from 1 to size - 1, `total` in all, and as proportional as possible.

    They have the least sum of squared deviations from size * total / sum(sizes); ties are drawn.
    """
    everyone = sizes.sum()
    counts: np.ndarray = np.clip(sizes * total // everyone, 1, sizes - 1)
    while missing := total - counts.sum():
        step = np.sign(missing)
        free = np.flatnonzero(counts < sizes - 1 if step > 0 else counts > 1)
        lag = step * (sizes * total - counts * everyone)[free]  # exact, in whole numbers
        counts[draw.choice(free[lag == lag.max()])] += step
    return counts


def _split(image: np.ndarray, members: list[np.ndarray], counts: np.ndarray, draw: np.random.RandomState) -> Split:
    """Draw `counts` of the `members` of each class; all copies of a drawn `image` are trained on."""
    chosen = [draw.permutation(images)[:size] for images, size in zip(members, counts, strict=True)]
    train: np.ndarray = np.isin(image, np.concatenate(chosen))
    return Split(np.flatnonzero(train), np.flatnonzero(~train))
