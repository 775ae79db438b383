"""Metrics of predictions: plain functions of arrays, fast enough for thousands of calls in a bootstrap."""

import numpy as np
import sklearn.metrics

from crosspool.datasets import UNKNOWN
from crosspool.errors import SettingError


def accuracy(targets: np.ndarray, predicted: np.ndarray) -> float:
    """The share of images whose class is predicted; both arrays are (n,). Raises SettingError without images."""
    _check(targets, predicted)
    return float(np.mean(targets == predicted))


def class_accuracies(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The accuracy on each class's images, up to the largest target; NaN for a class without images."""
    _check(targets, predicted)
    sizes = np.bincount(targets)
    right = np.bincount(targets, weights=targets == predicted)
    accuracies = np.full(len(sizes), np.nan)
    np.divide(right, sizes, out=accuracies, where=sizes > 0)
    return accuracies


def mean_class_accuracy(targets: np.ndarray, predicted: np.ndarray) -> float:
    """The mean accuracy of the classes that have images; each class counts the same, however large."""
    return float(np.nanmean(class_accuracies(targets, predicted)))


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many images of each class (row) are predicted as each class (column), (classes, classes)."""
    _check(targets, predicted)
    matrix: np.ndarray = sklearn.metrics.confusion_matrix(targets, predicted, labels=np.arange(classes))
    return matrix


def average_precision(targets: np.ndarray, scores: np.ndarray) -> float:
    """The sum over ranks of precision times the gain in recall, without interpolation.

    Both are (n,); images with the target `UNKNOWN` do not take part. Images of equal score enter together, so
    their order does not matter. NaN where no image has the label. The definition is that of scikit-learn's
    `average_precision_score`, and so is the result; this is several times faster.
    """
    has_label, ranked_scores = _ranked(targets, scores)
    if not has_label.any():
        return np.nan
    ends = np.flatnonzero(np.append(ranked_scores[1:] != ranked_scores[:-1], True))  # the last of each run of ties
    hits = np.cumsum(has_label)[ends]
    return float(np.sum(hits / (ends + 1) * np.diff(hits, prepend=0)) / hits[-1])


def average_precision_voc2007(targets: np.ndarray, scores: np.ndarray) -> float:
    """The 11-point interpolated average precision of the PASCAL VOC Challenge 2007.

    The mean, over the recalls r = 0, 0.1, ..., 1, of the largest precision at any rank with a recall of at least r:
    Everingham, Van Gool, Williams, Winn and Zisserman, "The PASCAL Visual Object Classes (VOC) Challenge",
    International Journal of Computer Vision 88 (2010), section 4.2.

    Both are (n,); images with the target `UNKNOWN`, which VOC calls difficult, do not take part. Each image is
    a rank of its own, as in the challenge's own code: by decreasing score, equal scores in the order of the data set.
    That code compares recalls in floating point; here they are compared exactly. NaN where no image has the label.
    """
    has_label, _ = _ranked(targets, scores)
    if not has_label.any():
        return np.nan
    hits = np.cumsum(has_label)
    precision = hits / np.arange(1, len(hits) + 1)
    best_from = np.maximum.accumulate(precision[::-1])[::-1]  # the largest precision at this rank or later
    ranks = np.searchsorted(10 * hits, hits[-1] * np.arange(11))  # the first with a recall of at least r
    return float(best_from[ranks].mean())


def average_precisions(targets: np.ndarray, scores: np.ndarray, *, eleven_points: bool = False) -> np.ndarray:
    """The average precision of each label, (L,); NaN for the labels that no image has.

    `targets` and `scores` are (n, L). With `eleven_points`, that of VOC 2007. Raises SettingError where the
    shapes differ, there are no images, or a score is NaN.
    """
    _check(targets, scores)
    measure = average_precision_voc2007 if eleven_points else average_precision
    return np.array([measure(*label) for label in zip(targets.T, scores.T, strict=True)])


def mean_average_precision(targets: np.ndarray, scores: np.ndarray, *, eleven_points: bool = False) -> float:
    """The mean of `average_precisions` over the labels that some image has; NaN where no image has any."""
    precisions = average_precisions(targets, scores, eleven_points=eleven_points)
    defined = precisions[~np.isnan(precisions)]
    return float(defined.mean()) if len(defined) else np.nan


def _check(targets: np.ndarray, answers: np.ndarray) -> None:
    if targets.shape != answers.shape:
        raise SettingError(f"The targets are {targets.shape} but the predictions {answers.shape}; give one for each.")
    if not len(targets):
        raise SettingError("There is nothing to measure; give at least one image.")


def _ranked(targets: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the known images have the label, and their scores, both by decreasing score; ties keep their order."""
    _check(targets, scores)
    if np.isnan(scores).any():
        raise SettingError("Images cannot be ranked, as their scores contain NaN; train the classifier again.")
    labelled = np.flatnonzero(targets != UNKNOWN)
    order = labelled[np.argsort(-scores[labelled], kind="stable")]
    return targets[order] == 1, scores[order]
