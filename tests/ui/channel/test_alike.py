"""Which maps are most like another: Pearson's correlation over the positions of several images."""

import numpy as np
import pytest

from crosspool.ui.channel.alike import correlations_over_images, most_alike
from crosspool.ui.maps.survey import ImageSummary


def summary(maps, *, signed=False):
    """A summary of maps that are exact in 8 bits: (D, H, W) of values whose peaks are 255, or 127."""
    maps = np.asarray(maps, np.float32)
    peak = np.abs(maps).max(axis=(1, 2))
    cells = (maps + 128 * signed).astype(np.uint8)
    rest = (np.zeros(len(maps)) for _ in range(6))
    return ImageSummary("", signed, cells, peak, *rest)


def test_by_hand():
    first = summary([[[0, 255]], [[255, 255]], [[0, 0]], [[255, 0]]])
    second = summary([[[255, 0]], [[255, 255]], [[0, 0]], [[0, 255]]])
    correlations = correlations_over_images([first, second], 0)
    assert correlations.tolist() == [1.0, 0.0, 0.0, -1.0]  # constant maps, dead or not, are like no other
    assert correlations_over_images([first, second], 1).tolist() == [0.0] * 4
    assert most_alike(correlations, 0, 3) == []
    assert most_alike(np.array([0.2, 1.0, -0.5, 0.9, 0.2]), 1, 3) == [3, 0, 4]


@pytest.mark.parametrize("signed", [False, True])
def test_it_is_that_of_all_cells_together(signed):
    generator = np.random.default_rng(0)
    low, top = (-127, 127) if signed else (0, 255)
    images = [generator.integers(low, top, (6, 5, 5)) for _ in range(3)]
    for maps in images:
        maps[:, 0, 0] = top  # so that 8 bits are exact
    together = np.concatenate([maps.reshape(6, -1) for maps in images], axis=1)
    correlations = correlations_over_images((summary(maps, signed=signed) for maps in images), 4)
    np.testing.assert_allclose(correlations, np.corrcoef(together)[4], atol=1e-6)
