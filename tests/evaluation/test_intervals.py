"""Intervals and tests by hand, and how often intervals contain the true value in small simulations."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.intervals import Interval, McNemar, bootstrap, majority, mcnemar, resampled_t
from crosspool.evaluation.metrics import accuracy, mean_average_precision

VALUES = [0.80, 0.82, 0.78, 0.81, 0.79]


def covers(interval, truth):
    return interval.low <= truth <= interval.high


def mean_of(values, chosen):
    return values[chosen].mean()


# --- over repeated splits


def test_nadeau_and_bengio_by_hand():
    # The mean is 0.8, the variance 10e-4 / 4 = 2.5e-4; (1/5 + 20/80) * 2.5e-4 = 1.125e-4, whose root is 0.0106066;
    # and t of 4 degrees of freedom is 2.776445 at 97.5 %.
    interval = resampled_t(VALUES, n_train=80, n_test=20)
    assert interval is not None
    assert (interval.level, interval.method) == (0.95, "corrected resampled t")
    assert [interval.low, interval.high] == pytest.approx([0.8 - 0.0294486, 0.8 + 0.0294486], abs=1e-7)


def test_another_level_is_another_quantile():
    narrow = resampled_t(VALUES, 80, 20, level=0.9)
    assert narrow is not None
    assert narrow.high - 0.8 == pytest.approx(2.131847 * 0.0106066, abs=1e-7)


def test_without_test_images_it_would_be_students_interval():
    interval = resampled_t(VALUES, n_train=1, n_test=1e-12)
    low, high = stats.t.interval(0.95, 4, 0.8, stats.sem(VALUES))
    assert interval is not None
    assert [interval.low, interval.high] == pytest.approx([low, high], abs=1e-9)


def test_one_split_has_no_interval():
    assert resampled_t([0.8], 80, 20) is None


def test_a_method_does_not_differ_from_itself():
    differences = np.subtract(VALUES, VALUES)
    assert resampled_t(differences, 80, 20) == Interval(0, 0, 0.95, "corrected resampled t")


def test_resampled_t_covers_the_error_of_a_learner_and_the_uncorrected_does_not():
    """The learner is the mean of 40 numbers of N(0, 1); its expected squared error is 1 + 1/40."""
    draw = np.random.default_rng(0)
    corrected, uncorrected = [], []
    for _ in range(300):
        numbers = draw.normal(size=60)
        orders = draw.permuted(np.tile(numbers, (15, 1)), axis=1)  # (J, n)
        errors = ((orders[:, 40:] - orders[:, :40].mean(axis=1, keepdims=True)) ** 2).mean(axis=1)
        corrected.append(covers(resampled_t(errors, 40, 20), 1 + 1 / 40))
        uncorrected.append(covers(resampled_t(errors, 40, 1e-12), 1 + 1 / 40))
    assert 0.87 < np.mean(corrected) <= 1
    assert np.mean(uncorrected) < 0.75


def test_refusals_over_splits():
    with pytest.raises(SettingError, match="at least one split"):
        resampled_t([], 80, 20)
    with pytest.raises(SettingError, match="images to train and to test on"):
        resampled_t(VALUES, 80, 0)
    with pytest.raises(SettingError, match="level must be between 0 and 1, not 95"):
        resampled_t(VALUES, 80, 20, level=95)
    with pytest.raises(DatasetError, match="undefined on split 2"):
        resampled_t([0.5, np.nan, 0.5], 80, 20)


# --- over the images of one split


def test_bootstrap_of_a_mean_is_near_the_normal_interval():
    correct = np.repeat([1.0, 0.0], [300, 100])
    interval = bootstrap(partial(mean_of, correct), 400, resamples=4000)
    assert (interval.level, interval.method) == (0.95, "percentile bootstrap")
    reach = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert [interval.low, interval.high] == pytest.approx([0.75 - reach, 0.75 + reach], abs=0.006)


def test_bootstrap_agrees_with_scipy():
    numbers = np.random.default_rng(0).exponential(size=50)
    interval = bootstrap(partial(mean_of, numbers), 50, resamples=9999, level=0.9)
    theirs = stats.bootstrap((numbers,), np.mean, confidence_level=0.9, method="percentile", rng=1).confidence_interval
    assert [interval.low, interval.high] == pytest.approx([theirs.low, theirs.high], abs=0.015)


def test_every_resample_is_drawn_with_replacement_and_rises():
    resamples = []

    def statistic(chosen):
        resamples.append(chosen.tolist())
        return 0.0

    bootstrap(statistic, 5, resamples=50)
    assert resamples[0] == [0, 1, 2, 3, 4]
    assert len(resamples) == 51
    assert all(len(chosen) == 5 and set(chosen) <= set(range(5)) for chosen in resamples)
    assert all(a <= b for chosen in resamples for a, b in pairwise(chosen))
    assert any(len(set(chosen)) < 5 for chosen in resamples)
    assert len({tuple(chosen) for chosen in resamples}) > 20


def test_the_seed_decides():
    numbers = np.random.default_rng(0).normal(size=30)
    intervals = [bootstrap(partial(mean_of, numbers), 30, resamples=100, seed=seed) for seed in (3, 3, 4)]
    assert intervals[0] == intervals[1] != intervals[2]


def test_paired_differences():
    draw = np.random.default_rng(0)
    targets, ours = np.zeros(200, int), (draw.random(200) < 0.3).astype(int)
    theirs = np.where(draw.random(200) < 0.05, 1, ours)  # wrong on nearly the same images

    def difference(other):
        return lambda chosen: accuracy(targets[chosen], ours[chosen]) - accuracy(targets[chosen], other[chosen])

    assert bootstrap(difference(ours), 200, resamples=100) == Interval(0, 0, 0.95, "percentile bootstrap")
    alone = bootstrap(lambda chosen: accuracy(targets[chosen], ours[chosen]), 200, resamples=500)
    paired = bootstrap(difference(theirs), 200, resamples=500)
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_resamples_that_lose_a_rare_label_do_not_count():
    targets, scores = np.zeros((20, 1), int), np.arange(20.0)[:, None]
    targets[[3, 19]] = 1  # one in eight resamples has neither
    interval = bootstrap(lambda chosen: mean_average_precision(targets[chosen], scores[chosen]), 20, resamples=200)
    assert 0 < interval.low < interval.high <= 1


def test_bootstrap_covers_an_accuracy():
    draw = np.random.default_rng(0)
    covered = []
    for seed in range(200):
        correct = draw.random(80) < 0.8
        covered.append(covers(bootstrap(partial(mean_of, correct), 80, resamples=300, seed=seed), 0.8))
    assert 0.89 < np.mean(covered) < 0.99


def test_refusals_over_images():
    with pytest.raises(SettingError, match="at least 2 images and 1 resample, not 1 and 2000"):
        bootstrap(lambda chosen: 0.5, 1)
    with pytest.raises(SettingError, match="not 5 and 0"):
        bootstrap(lambda chosen: 0.5, 5, resamples=0)
    with pytest.raises(SettingError, match="level"):
        bootstrap(lambda chosen: 0.5, 5, level=0)
    with pytest.raises(DatasetError, match="undefined on the test images"):
        bootstrap(lambda chosen: np.nan, 5)


# --- image by image


def test_majority_by_hand():
    nan = np.nan
    correct = np.array(
        [
            [1, 0, 1, 0, nan, nan, 1],
            [1, 0, 0, nan, nan, 1, 1],
            [1, 1, nan, 0, nan, nan, 0],
        ]
    )
    assert np.array_equal(majority(correct), [1, 0, nan, 0, nan, 1, 1], equal_nan=True)


def test_one_split_is_its_own_majority():
    correct = np.array([1, 0, np.nan, 1])
    assert np.array_equal(majority(correct[None]), correct, equal_nan=True)


def outcomes(both, only_a, only_b, neither):
    counts = [both, only_a, only_b, neither]
    return np.repeat([1.0, 1.0, 0.0, 0.0], counts), np.repeat([1.0, 0.0, 1.0, 0.0], counts)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p_value"),
    [
        (0, 0, 1),
        (1, 0, 1),
        (5, 0, 2 / 32),
        (1, 5, 2 * (1 + 6) / 64),
        (8, 2, 2 * (1 + 10 + 45) / 1024),
        (7, 7, 1),
    ],
)
def test_mcnemar_by_hand(only_a, only_b, p_value):
    a, b = outcomes(20, only_a, only_b, 4)
    result = mcnemar(a, b)
    assert (result.only_a, result.only_b) == (only_a, only_b)
    assert result.p_value == pytest.approx(p_value)


def test_mcnemar_ignores_images_without_an_outcome():
    a, b = outcomes(3, 8, 2, 3)
    nothing = np.array([np.nan, np.nan, 1])
    assert mcnemar(np.append(a, nothing), np.append(b, nothing[::-1])) == mcnemar(a, b)


@given(arrays(bool, 30), arrays(bool, 30), st.sampled_from([bool, int, float]))
def test_mcnemar_is_symmetric_and_finds_nothing_between_equals(a, b, dtype):
    result, mirrored = mcnemar(a, b.astype(dtype)), mcnemar(b, a)
    assert (result.only_a, result.only_b, result.p_value) == (mirrored.only_b, mirrored.only_a, mirrored.p_value)
    assert result.only_a - result.only_b == a.sum() - b.sum()
    assert 0 < result.p_value <= 1
    assert mcnemar(a, a) == McNemar(0, 0, 1)


def test_mcnemar_rejects_equal_methods_no_more_often_than_it_says():
    draw = np.random.default_rng(0)
    p_values = [mcnemar(draw.random(50) < 0.7, draw.random(50) < 0.7).p_value for _ in range(300)]
    assert np.mean(np.array(p_values) < 0.05) < 0.07


def test_mcnemar_needs_the_same_images():
    with pytest.raises(SettingError, match="same images"):
        mcnemar(np.ones(3), np.ones(4))
