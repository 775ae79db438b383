"""Metrics by hand, against scikit-learn and slow references, and properties of every ranking."""

import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crosspool.datasets import UNKNOWN
from crosspool.errors import SettingError
from crosspool.evaluation.metrics import (
    accuracy,
    average_precision,
    average_precision_voc2007,
    average_precisions,
    class_accuracies,
    confusion_matrix,
    mean_average_precision,
    mean_class_accuracy,
)

MEASURES = pytest.mark.parametrize("measure", [average_precision, average_precision_voc2007])

# --- one class for each image

TARGETS = np.array([0, 0, 0, 0, 1, 1, 3, 3])
PREDICTED = np.array([0, 0, 0, 1, 1, 0, 2, 2])


def test_accuracies_by_hand():
    assert accuracy(TARGETS, PREDICTED) == 0.5
    assert np.array_equal(class_accuracies(TARGETS, PREDICTED), [0.75, 0.5, np.nan, 0], equal_nan=True)
    assert mean_class_accuracy(TARGETS, PREDICTED) == pytest.approx(1.25 / 3)


def test_confusion_by_hand():
    matrix = confusion_matrix(TARGETS, PREDICTED, 5)
    assert matrix.tolist() == [[3, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 0, 0, 0]]


@given(st.data(), st.integers(1, 30))
def test_accuracies_agree_with_scikit_learn_and_the_confusion_matrix(data, count):
    targets, predicted = (data.draw(arrays(int, count, elements=st.integers(0, 4))) for _ in range(2))
    assert accuracy(targets, predicted) == pytest.approx(sklearn.metrics.accuracy_score(targets, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are only predicted
        expected = sklearn.metrics.balanced_accuracy_score(targets, predicted)
    assert mean_class_accuracy(targets, predicted) == pytest.approx(expected)
    assert np.trace(confusion_matrix(targets, predicted, 5)) / count == pytest.approx(accuracy(targets, predicted))


# --- average precision by hand


def test_average_precision_by_hand():
    # Ranks 1, 3 and 4 of 5 have the label: precisions 1, 2/3 and 3/4 at recalls 1/3, 2/3 and 1.
    targets, scores = np.array([0, 1, 1, 1, 0]), np.array([0.5, 0.9, 0.2, 0.3, -1.0])
    assert average_precision(targets, scores) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    # Interpolated: 1 up to a recall of 1/3 (0, .1, .2, .3), and 3/4 for the other seven.
    assert average_precision_voc2007(targets, scores) == pytest.approx((4 * 1 + 7 * 3 / 4) / 11)


def test_unknown_targets_do_not_take_part():
    targets, scores = np.array([1, UNKNOWN, 0, 1, UNKNOWN]), np.array([5, 4, 3, 2, 1])
    assert average_precision(targets, scores) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision_voc2007(targets, scores) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_plain_ties_enter_together():
    # Two of the three at the top have the label, and one of the two below.
    scores = np.array([2, 2, 2, 1, 1])
    for targets in ([1, 1, 0, 1, 0], [0, 1, 1, 0, 1], [1, 0, 1, 0, 1]):
        assert average_precision(np.array(targets), scores) == pytest.approx(2 / 3 * 2 / 3 + 1 / 3 * 3 / 5)


def test_voc_ties_keep_the_order_of_the_data_set():
    scores = np.array([1, 1, 1])
    assert average_precision_voc2007(np.array([1, 0, 0]), scores) == 1
    assert average_precision_voc2007(np.array([0, 1, 0]), scores) == pytest.approx(1 / 2)
    assert average_precision_voc2007(np.array([0, 0, 1]), scores) == pytest.approx(1 / 3)


def test_voc_recalls_are_compared_exactly():
    # Ten with the label. The third reaches a recall of exactly 0.3, though 3 * 0.1 > 3 / 10 in floating point.
    targets = np.array([1] * 3 + [0] * 7 + [1] * 7)
    assert average_precision_voc2007(targets, -np.arange(17.0)) == pytest.approx((4 * 1 + 7 * 10 / 17) / 11)


@MEASURES
def test_images_without_a_score_come_last(measure):
    targets, scores = np.array([1, 0, 1]), np.array([2.0, 1.0, -np.inf])
    assert measure(targets, scores) == measure(targets, np.array([2.0, 1.0, 0.0]))


@MEASURES
@pytest.mark.parametrize("targets", [[0, 0], [0, UNKNOWN], [UNKNOWN, UNKNOWN]])
def test_a_label_that_no_image_has(measure, targets):
    assert np.isnan(measure(np.array(targets), np.array([1.0, 2.0])))


# --- average precision in general


@st.composite
def ranking(draw, unknown=True):
    """Targets with at least one image of the label, and small whole scores, so that there are ties."""
    count = draw(st.integers(1, 40))
    kinds = st.sampled_from([UNKNOWN, 0, 1] if unknown else [0, 1])
    targets = draw(arrays(int, count, elements=kinds))
    targets[draw(st.integers(0, count - 1))] = 1
    return targets, draw(arrays(int, count, elements=st.integers(-10, 10))).astype(float)


def slow_voc(targets, scores):
    """As the challenge's own code, in Python."""
    labelled = [(score, target) for score, target in zip(scores, targets, strict=True) if target != UNKNOWN]
    labelled.sort(key=lambda pair: -pair[0])
    positives = sum(target for _, target in labelled)
    points, hits = [], 0
    for rank, (_, target) in enumerate(labelled, start=1):
        hits += target
        points.append((hits, hits / rank))
    best = [max(precision for count, precision in points if 10 * count >= tenth * positives) for tenth in range(11)]
    return sum(best) / 11


@given(ranking())
def test_plain_average_precision_agrees_with_scikit_learn(data):
    targets, scores = data
    labelled = targets != UNKNOWN
    expected = sklearn.metrics.average_precision_score(targets[labelled], scores[labelled])
    assert average_precision(targets, scores) == pytest.approx(expected, abs=1e-12)


@given(ranking())
def test_voc_agrees_with_the_slow_reference(data):
    assert average_precision_voc2007(*data) == pytest.approx(slow_voc(*data), abs=1e-12)


@MEASURES
@given(data=ranking())
def test_only_the_order_of_the_scores_counts(measure, data):
    targets, scores = data
    value = measure(targets, scores)
    assert 0 < value <= 1
    assert measure(targets, scores**3) == measure(targets, np.exp(scores)) == measure(targets, 7 * scores - 3) == value


@MEASURES
@given(data=ranking())
def test_a_perfect_ranking_gives_1_and_the_worst_the_minimum(measure, data):
    targets, scores = data
    assert measure(targets, targets.astype(float)) == pytest.approx(1, abs=1e-12)
    last = np.arange(len(targets)) - 100.0 * targets
    assert measure(targets, last) <= measure(targets, scores) + 1e-12


@given(ranking(), st.randoms())
def test_plain_does_not_depend_on_the_order_of_the_images(data, random):
    targets, scores = data
    order = random.sample(range(len(targets)), len(targets))
    assert average_precision(targets[order], scores[order]) == average_precision(targets, scores)


# --- several labels

MANY = np.array([[1, 0, 0], [0, 0, 1], [UNKNOWN, 0, 1]])
SCORES = np.array([[1.0, 5, 3], [2, 6, 1], [3, 7, 2]])


@pytest.mark.parametrize("eleven_points", [False, True])
def test_labels_that_no_image_has_are_left_out_of_the_mean(eleven_points):
    third = 2 / 3 if eleven_points else (1 / 2 + 2 / 3) / 2
    precisions = average_precisions(MANY, SCORES, eleven_points=eleven_points)
    assert precisions == pytest.approx([1 / 2, np.nan, third], nan_ok=True)
    assert mean_average_precision(MANY, SCORES, eleven_points=eleven_points) == pytest.approx((1 / 2 + third) / 2)


def test_no_mean_without_any_label():
    assert np.isnan(mean_average_precision(np.zeros((3, 2), int), np.ones((3, 2))))


# --- refusals


def test_mismatched_arguments():
    with pytest.raises(SettingError, match=r"\(8,\) but the predictions \(3,\)"):
        accuracy(TARGETS, PREDICTED[:3])
    with pytest.raises(SettingError, match="at least one image"):
        mean_class_accuracy(TARGETS[:0], PREDICTED[:0])
    with pytest.raises(SettingError, match=r"\(3, 3\) but the predictions \(3, 2\)"):
        mean_average_precision(MANY, SCORES[:, :2])
    with pytest.raises(SettingError, match="NaN"):
        average_precision(np.array([0, 1]), np.array([0, np.nan]))


def test_arguments_are_not_changed():
    targets, scores = MANY.copy(), SCORES.copy()
    mean_average_precision(targets, scores)
    mean_average_precision(targets, scores, eleven_points=True)
    assert np.array_equal(targets, MANY)
    assert np.array_equal(scores, SCORES)
