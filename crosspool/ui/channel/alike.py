"""The maps that are most like another, over all positions of several images."""

from collections.abc import Iterable

import numpy as np

from crosspool.ui.maps.survey import ImageSummary

ROUNDING = 1e-12  # of a map's mean square: what is left of the variance of a constant map


def correlations_over_images(summaries: Iterable[ImageSummary], channel: int) -> np.ndarray:
    """Pearson's correlation of every map with that of `channel`, over the positions of these images: (D,).

    A map that is the same everywhere, as a dead one, is like no other: 0.
    """
    count, sums, squares, products = 0, np.zeros(1), np.zeros(1), np.zeros(1)
    for summary in summaries:
        weights = summary.all_weights().reshape(len(summary.cells), -1).astype(np.float64)  # (D, N)
        count += weights.shape[1]
        sums, squares = sums + weights.sum(axis=1), squares + np.square(weights).sum(axis=1)
        products = products + weights @ weights[channel]
    means = sums / count
    variances = squares / count - np.square(means)
    is_flat = variances <= ROUNDING * squares / count
    is_flat |= is_flat[channel]
    scales = np.sqrt(variances * variances[channel], where=~is_flat, out=np.ones_like(variances))
    return np.where(is_flat, 0.0, (products / count - means * means[channel]) / scales)


def most_alike(correlations: np.ndarray, channel: int, count: int) -> list[int]:
    """The channels with the highest correlations above 0, without the channel itself."""
    order = np.argsort(-correlations, kind="stable").tolist()
    return [other for other in order if other != channel and correlations[other] > 0][:count]
