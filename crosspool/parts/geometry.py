"""Where the parts of an object are relative to the whole, and the best places of all of them (Zhang et al., 2014).

Section 3.2 of "Part-based R-CNNs for fine-grained category detection", ECCV 2014: a configuration is good where the
detectors' probabilities are high, where no part leaves the whole by more than SLACK, and, in the mixture, where the
parts are about as large and lie about where those of the training images do.
"""

from typing import Literal, TypeAlias

import numpy as np
from scipy.special import log_expit, logsumexp
from sklearn.mixture import GaussianMixture

from crosspool.parts.detectors import detector_scores
from crosspool.parts.windows import Values, Windows

Constraint: TypeAlias = Literal["mixture", "box"]
SLACK = 10  # pixels by which a part may leave the whole
ALPHA = 0.1  # the exponent of the mixtures' densities
GAUSSIANS = 4
BLUR = 0.1  # standard deviation added to the Gaussians: windows lie on a grid, of about a tenth of the whole
WHOLES, CANDIDATES = 100, 300  # windows with the best scores that are tried, of the whole and of each part
COLUMNS = 1 + 4 + 16  # of a Gaussian: its weight, its mean, and the Cholesky factor of its precision


def best_boxes(detectors: Values, gaussians: Values | None, maps: Values, windows: Windows, slack: float) -> Values:
    """The boxes of the whole and of its parts in an image with these maps (D, H, W): (P, 4).

    The first of `detectors` (P, 1 + Z * D) is that of the whole. `gaussians` (P - 1, GAUSSIANS, COLUMNS) are those of
    the parts, None for the constraint of the box alone. Where no configuration is within it, each part is where its
    detector's score is highest.
    """
    scores = log_expit(detector_scores(detectors, maps, windows))
    wholes, whole_scores = _candidates(scores[0], WHOLES, windows)
    places, total = [], whole_scores
    for number, of_part in enumerate(scores[1:]):
        boxes, box_scores = _candidates(of_part, CANDIDATES, windows)
        values = np.where(_leaves(wholes, boxes) > slack, -np.inf, box_scores)  # (wholes, boxes)
        if gaussians is not None:
            values = values + ALPHA * log_density(gaussians[number], relative(boxes, wholes[:, None]))
        best = values.argmax(axis=1)
        places.append(boxes[best])
        total = total + values[np.arange(len(wholes)), best]
    if np.isneginf(total).all():
        return windows.boxes(scores.argmax(axis=1))
    place = total.argmax()
    return np.stack([wholes[place], *(boxes[place] for boxes in places)])


def learned_gaussians(boxes: Values, wholes: Values, seed: int) -> Values:
    """A mixture of GAUSSIANS of the places of a part's boxes relative to the wholes: (GAUSSIANS, COLUMNS)."""
    mixture = GaussianMixture(GAUSSIANS, reg_covar=BLUR**2, random_state=seed).fit(relative(boxes, wholes))
    factors = mixture.precisions_cholesky_.reshape(GAUSSIANS, -1)
    return np.column_stack([mixture.weights_, mixture.means_, factors])


def log_density(gaussians: Values, points: Values) -> Values:
    """The logarithm of a mixture's density at points (..., 4)."""
    weights, means, factors = gaussians[:, 0], gaussians[:, 1:5], gaussians[:, 5:].reshape(-1, 4, 4)
    turned = np.einsum("...gi,gij->...gj", points[..., None, :] - means, factors)
    scales = np.log(weights) + np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1) - 2 * np.log(2 * np.pi)
    return np.asarray(logsumexp(scales - np.square(turned).sum(axis=-1) / 2, axis=-1))


def relative(boxes: Values, wholes: Values) -> Values:
    """The centres of boxes (..., 4) from the whole's, over its sides, and the logarithms of their sides over these."""
    centres, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    middles, lengths = (wholes[..., :2] + wholes[..., 2:]) / 2, wholes[..., 2:] - wholes[..., :2]
    return np.concatenate([(centres - middles) / lengths, np.log(sides / lengths)], axis=-1)


def _candidates(scores: Values, most: int, windows: Windows) -> tuple[Values, Values]:
    """The boxes with the highest scores, and these."""
    best = np.argsort(-scores, kind="stable")[:most]
    return windows.boxes(best), scores[best]


def _leaves(wholes: Values, boxes: Values) -> Values:
    """By how much each box reaches beyond each whole: (wholes, boxes)."""
    before, after = wholes[:, None, :2] - boxes[:, :2], boxes[:, 2:] - wholes[:, None, 2:]
    return np.asarray(np.maximum(before, after).max(axis=-1))
