"""How certain a metric is, and the difference between two methods.

Repeated random splits: `resampled_t` of the values or their differences, and `mcnemar` of each image's `majority`.
One official split: `bootstrap` over the test images, and `mcnemar`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from crosspool.errors import DatasetError, SettingError

LEVEL = 0.95
NO_WIDTH = 1e-9  # narrower intervals come from rounding


@dataclass(frozen=True)
class Interval:
    """A confidence interval: `method` names how it was computed, `level` is its nominal coverage."""

    low: float
    high: float
    level: float
    method: str

    @property
    def is_point(self) -> bool:
        """Whether the interval has no width."""
        return self.high - self.low < NO_WIDTH

    @property
    def ends(self) -> tuple[float, float] | None:
        """The two ends; None if the interval has no width."""
        return None if self.is_point else (self.low, self.high)


def resampled_t(
    values: Sequence[float] | np.ndarray, n_train: float, n_test: float, *, level: float = LEVEL
) -> Interval | None:
    """The corrected resampled t interval around the mean of a metric over J random splits.

    `values` is (J,): a metric, or the differences of two methods on the same splits. The test sets of random splits
    overlap, and the training sets more so; s^2 / J is therefore far too small for the variance of the mean. Nadeau and
    Bengio, "Inference for the Generalization Error", Machine Learning 52 (2003), take (1/J + n_test/n_train) s^2, with
    J - 1 degrees of freedom. `n_train` and `n_test` are the numbers of images, or their means where splits differ.
    The interval is not cut to the range of the metric; `crosspool.text.shown_ends` does that where it is shown.

    None for one split, which says nothing about the variance between splits; `bootstrap` its test images instead.

    Raises DatasetError for a value that is not finite, and SettingError for numbers out of range.
    """
    values = np.asarray(values, dtype=float)
    if not values.size or n_train <= 0 or n_test <= 0:
        raise SettingError("An interval over splits needs at least one split, with images to train and to test on.")
    if not np.isfinite(values).all():
        split = np.flatnonzero(~np.isfinite(values))[0] + 1
        raise DatasetError(f"The metric is undefined on split {split}: its test images show nothing to measure.")
    if len(values) == 1:
        return None
    error = np.sqrt((1 / len(values) + n_test / n_train) * values.var(ddof=1))
    reach = stats.t.ppf((1 + _checked(level)) / 2, len(values) - 1) * error
    return Interval(float(values.mean() - reach), float(values.mean() + reach), level, "corrected resampled t")


def bootstrap(
    statistic: Callable[[np.ndarray], float], images: int, *, resamples: int = 2000, seed: int = 0, level: float = LEVEL
) -> Interval:
    """The percentile interval of a metric over resamples (with replacement) of one split's test images.

    `statistic` takes indices of images, (images,), rising and with repetitions, and returns a metric of these:
    `lambda chosen: accuracy(targets[chosen], predicted[chosen])`. For the paired difference of two methods it returns
    their difference, measured on the same resample. Resamples where it is NaN do not count. Equal
    arguments give equal intervals.

    The interval is about other test images, equally many, for the same classifier, not about other training images.
    (The number matters for average precision, whose expectation falls a little with more images.) It has no width
    where all images have the same outcome. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993),
    section 13.3.

    Raises DatasetError where the metric of all images is NaN, and SettingError for numbers out of range.
    """
    tails = (1 - _checked(level)) / 2
    if images < 2 or resamples < 1:
        raise SettingError(f"A bootstrap needs at least 2 images and 1 resample, not {images} and {resamples}.")
    if np.isnan(statistic(np.arange(images))):
        raise DatasetError("The metric is undefined on the test images, which show nothing to measure.")
    draw = np.random.default_rng(seed)
    values = [statistic(np.sort(draw.integers(images, size=images))) for _ in range(resamples)]
    low, high = np.nanquantile(values, [tails, 1 - tails])
    return Interval(float(low), float(high), level, "percentile bootstrap")


def majority(correct: np.ndarray) -> np.ndarray:
    """One outcome for each image over repeated splits, (n,): that of most of the splits that tested it.

    `correct` is (J, n): 1 where a split predicts the image's class, 0 where it does not, NaN where it does not test
    the image. The result is 1, 0, or NaN for images that were never tested, or right as often as wrong.
    """
    right, wrong = (correct == 1).sum(axis=0), (correct == 0).sum(axis=0)
    return np.select([right > wrong, right < wrong], [1.0, 0.0], np.nan)


@dataclass(frozen=True)
class McNemar:
    """How many images only one of two methods gets right, and the p-value that both are equally good."""

    only_a: int
    only_b: int
    p_value: float


def mcnemar(correct_a: np.ndarray, correct_b: np.ndarray) -> McNemar:
    """McNemar's test, exact and two-sided, of two methods on the same images.

    Both are (n,), 1 where the class was predicted and 0 where not, one entry for each image: of repeated splits,
    the `majority`. Images with NaN in either do not count. The test is about other test images, as `bootstrap` is;
    it does not cover how the methods vary with the training images. McNemar, "Note on the Sampling Error of the
    Difference Between Correlated Proportions or Percentages", Psychometrika 12 (1947).

    Raises SettingError where the shapes differ.
    """
    if correct_a.shape != correct_b.shape:
        raise SettingError(f"The outcomes are {correct_a.shape} and {correct_b.shape}; give the same images to both.")
    only_a = int(np.sum((correct_a == 1) & (correct_b == 0)))
    only_b = int(np.sum((correct_a == 0) & (correct_b == 1)))
    p_value = float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, p_value)


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise SettingError(f"The confidence level must be between 0 and 1, not {level}; 0.95 is usual.")
    return level
