"""How well each map picks out a box on the photo: what `pointing.js` sorts by, for the server."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from crosspool.gallery.mapset import zero_and_reach
from crosspool.grids import region_precision
from crosspool.statistics import Criterion

PhotoBox = tuple[float, float, float, float]  # left, top, right, bottom, in parts of the sides of what the network saw
MapOrder = Criterion | Literal["box"]  # "box": the match with a box on the photo
EQUAL_DIGITS = 9  # of precisions that are compared: sums in another order differ by rounding


def match_box(levels: np.ndarray, peak: np.ndarray, box: Sequence[float], *, signed: bool) -> np.ndarray:
    """The channels of maps in 16 bits, (D, H, W), by how well they pick out a box, the best first.

    The box is left, top, right and bottom in parts of the image's sides. Maps are sorted by average precision, cells of
    equal weight counting together, and then by the mean weight inside less that outside.
    """
    count, rows, columns = levels.shape
    left, top, right, bottom = box
    shares = np.outer(_shares(top, bottom, rows), _shares(left, right, columns)).ravel()  # of each cell, in the box
    inside = shares.sum()
    outside = max(len(shares) - inside, 1e-9)
    zero, reach = zero_and_reach(16, signed=signed)
    cells = levels.reshape(count, -1)
    parts = (cells.astype(np.float64) - zero) / reach
    precision = region_precision(cells, shares)
    contrast = np.abs(peak) * (parts @ shares / inside - parts @ (1 - shares) / outside)
    order: np.ndarray = np.lexsort((-contrast, -precision.round(EQUAL_DIGITS)))
    return order


def _shares(start: float, end: float, cells: int) -> np.ndarray:
    """The part of each of the cells along a side that lies between two places, in parts of the side."""
    index = np.arange(cells)
    overlap = np.minimum(end * cells, index + 1) - np.maximum(start * cells, index)
    return np.asarray(overlap.clip(0, 1))
