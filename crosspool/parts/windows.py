"""Windows of a map: all products of an interval across and one down, and the means of the map inside them.

Positions are from 0 to 1 of the map's sides. A mean over a window is a product of two short vectors with the map, so
that those of all windows are two products of small matrices, and edges may lie anywhere between the map's units.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from crosspool.framing import Rectangle

Values = NDArray[np.float64]

# Zones of an interval, as multiples of its length, about the same centre.
ZONES = (1.0, 2.0, 0.5)


@dataclass(frozen=True)
class Windows:
    """All windows whose edges lie on a grid of `cells` x `cells`, and whose sides have one of the lengths `sides`."""

    cells: int
    sides: tuple[int, ...]

    @cached_property
    def intervals(self) -> Values:
        """The beginning and the end of each interval, (I, 2)."""
        starts = [(start, start + side) for side in self.sides for start in range(self.cells - side + 1)]
        return np.array(starts) / self.cells

    @property
    def count(self) -> int:
        return len(self.intervals) ** 2

    def boxes(self, indices: NDArray[np.intp]) -> Values:
        """The windows of these numbers, (n, 4): left, top, right, bottom."""
        down, across = np.divmod(indices, len(self.intervals))
        (left, right), (top, bottom) = self.intervals[across].T, self.intervals[down].T
        return np.stack([left, top, right, bottom], axis=1)

    def scores(self, maps: Values) -> Values:
        """The sums over zones of the means inside each window's zones of (..., Z, H, W): (..., windows)."""
        down, across = (zone_shares(self.intervals, length) for length in maps.shape[-2:])  # (Z, I, H), (Z, I, W)
        summed: Values = (down @ maps @ across.swapaxes(-1, -2)).sum(axis=-3)
        return summed.reshape(*maps.shape[:-3], -1)

    def overlaps(self, box: Rectangle) -> Values:
        """The intersection of each window with a box over their union: (windows,)."""
        across, down = (_common(self.intervals, box[axis], box[axis + 2]) for axis in (0, 1))
        lengths = self.intervals[:, 1] - self.intervals[:, 0]
        common = np.outer(down, across).ravel()
        area = (box[2] - box[0]) * (box[3] - box[1])
        shares: Values = common / (np.outer(lengths, lengths).ravel() + area - common)
        return shares


@cache
def usual_windows(cells: int) -> Windows:
    """Windows from two cells to the whole, with sides that grow by a quarter or so."""
    sides, side = [], 2.0
    while round(side) < cells:
        sides.append(round(side))
        side = max(side + 1, side * 1.25)
    return Windows(cells, (*sides, cells))


def zone_means(maps: Values, boxes: Values) -> Values:
    """The means of maps (D, H, W) in the zones of windows (n, 4): (n, Z * D)."""
    (left, top, right, bottom), (height, width) = boxes.T, maps.shape[1:]
    down = zone_shares(np.stack([top, bottom], axis=1), height)
    across = zone_shares(np.stack([left, right], axis=1), width)
    means: Values = np.einsum("znh,znw,dhw->nzd", down, across, maps, optimize=True)
    return means.reshape(len(boxes), -1)


def means_inside(maps: Values, boxes: Values) -> Values:
    """The means of maps (D, H, W) inside boxes (n, 4): (n, D)."""
    (left, top, right, bottom), (height, width) = boxes.T, maps.shape[1:]
    down, across = shares(np.stack([top, bottom], axis=1), height), shares(np.stack([left, right], axis=1), width)
    return np.asarray(np.einsum("mh,mw,dhw->md", down, across, maps, optimize=True))


def zone_shares(intervals: Values, count: int) -> Values:
    """`shares` of each zone of intervals (n, 2): (Z, n, count)."""
    centres, halves = intervals.mean(axis=1, keepdims=True), np.array([-0.5, 0.5]) * np.diff(intervals)
    return np.stack([shares(centres + zone * halves, count) for zone in ZONES])


def shares(intervals: Values, count: int) -> Values:
    """How much of each interval (n, 2) lies in each of `count` equal cells from 0 to 1: (n, count).

    They sum to less than 1 where it reaches beyond, and to 0 where it has no length.
    """
    low, high = intervals.T[..., None]
    edges = np.arange(count + 1) / count
    common = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return np.asarray(common.clip(0) / np.maximum(high - low, np.finfo(np.float64).tiny))


def _common(intervals: Values, low: float, high: float) -> Values:
    return np.asarray((np.minimum(intervals[:, 1], high) - np.maximum(intervals[:, 0], low)).clip(0))
