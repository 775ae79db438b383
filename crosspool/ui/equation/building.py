"""Eq. 1 on arrays: which positions are pooled, the patches there, and how a block P_k grows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from crosspool.grids import Size
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import Border
from crosspool.receptive_field import patch_box
from crosspool.ui.runtime.maps import ImageMaps

PositionOrder = Literal["rows", "strongest"]


def pooled_positions(maps: ImageMaps, border: Border) -> np.ndarray:
    """Which positions count, bool (H, W): all of them, or for border="valid" those whose patch lies inside."""
    pair, size, (lower_rows, lower_columns) = maps.pair, maps.upper.shape[1:], maps.lower.shape[1:]
    if border == "zero":
        return np.ones(size, bool)
    down = (patch_box(pair, row, 0) for row in range(size[0]))
    across = (patch_box(pair, 0, column) for column in range(size[1]))
    rows = [box.top >= 0 and box.bottom <= lower_rows for box in down]
    columns = [box.left >= 0 and box.right <= lower_columns for box in across]
    return np.asarray(np.outer(rows, columns))


def counted_weights(maps: ImageMaps, channel: int, border: Border) -> np.ndarray:
    """Map `channel`, float32 (H, W), with zeros at the positions that are not pooled."""
    return np.asarray(np.where(pooled_positions(maps, border), maps.upper[channel], np.float32(0)))


def summed_plainly(maps: ImageMaps, weights: np.ndarray) -> np.ndarray:
    """Eq. 1 in double precision as plain matrix products: weights times values, for each place in the patch.

    `weights` holds K maps, (K, H, W); the result is (K, D_t*m*n), each block channel-major.
    """
    pair, (count, rows, columns) = maps.pair, weights.shape
    padded, flat_weights = _padded(maps.lower, pair), torch.from_numpy(weights.reshape(count, -1)).double()
    total = np.empty((count, pair.lower_channels, *pair.kernel_size))
    for place in np.ndindex(pair.kernel_size):
        values = _values_at(padded, pair, place, (rows, columns)).reshape(pair.lower_channels, -1)
        total[:, :, *place] = flat_weights @ torch.from_numpy(values).double().T  # (K, N) @ (N, D)
    return total.reshape(count, -1)


def carriers_of_half(shares: np.ndarray) -> int:
    """How many maps, the strongest first, carry half of the energy of P; 0 if there is none."""
    return int(np.searchsorted(np.sort(shares)[::-1].cumsum(), 0.5)) + 1 if shares.any() else 0


def entries_of_patches(maps: ImageMaps, entries: np.ndarray) -> np.ndarray:
    """The given entries (E,) of every patch x_i, float64 (N, E), positions in row-major order."""
    pair, size = maps.pair, maps.upper.shape[1:]
    channels, *places = np.unravel_index(entries, (pair.lower_channels, *pair.kernel_size))
    entries_at = zip(_padded(maps.lower[channels], pair), *places, strict=True)
    values = [_values_at(padded, pair, (int(m), int(n)), size).ravel() for padded, m, n in entries_at]
    return np.stack(values, axis=1).astype(float)


def ceiling_note(maps: ImageMaps, channel: int) -> str:
    """Where the activation clips the map, or that it is zero everywhere, in a sentence; "" if neither."""
    weights, pair = maps.upper[channel], maps.pair
    if maps.statistics.dead[channel]:
        return "This map is zero everywhere on this image: its block stays zero."
    clipped = 0 if pair.ceiling is None else int((weights >= pair.ceiling).sum())
    if not clipped:
        return ""
    where = f"in {clipped:,} of {weights.size:,} positions"
    return f"Clipped at {pair.ceiling:g} {where}: {pair.ceiling:g} is {pair.activation}'s ceiling."


def _padded(lower: np.ndarray, pair: LayerPair) -> np.ndarray:
    return np.pad(lower, [(0, 0), *((pad, pad) for pad in pair.padding)])


def _values_at(padded: np.ndarray, pair: LayerPair, place: Size, size: Size) -> np.ndarray:
    """The values at one place (row, column) of the patch for each of `size` positions: (..., H, W)."""
    (top, left), (down, across) = (place[axis] * pair.dilation[axis] for axis in (0, 1)), pair.stride
    return padded[..., top::down, left::across][..., : size[0], : size[1]]


@dataclass(frozen=True)
class Construction:
    """How some entries of a block P_k come about, position by position.

    `entries` (E,) are indices into the block, `weights` (H, W) the map with zeros at positions that are not pooled,
    `features` (N, E) these entries of every patch, and `order` (N,) the positions, as row-major numbers, in the order
    of their steps. Steps count from 1: after step s the first s positions of `order` are added.
    """

    entries: np.ndarray
    weights: np.ndarray
    features: np.ndarray
    order: np.ndarray

    @cached_property
    def products(self) -> np.ndarray:
        """a_ik * x_i at every position, (N, E)."""
        return np.asarray(self.weights.astype(float).reshape(-1, 1) * self.features)

    @cached_property
    def sums(self) -> np.ndarray:
        """The sum after every step, (N, E); its last row is the block."""
        return np.asarray(self.products[self.order].cumsum(axis=0))

    def step_of(self, row: int, column: int) -> int:
        """The step in which a position is added."""
        return int(np.flatnonzero(self.order == row * self.weights.shape[1] + column)[0]) + 1


def construct_block(maps: ImageMaps, channel: int, border: Border, order: PositionOrder, count: int) -> Construction:
    """How the `count` strongest entries of P_channel come about, row by row or with the heaviest positions first."""
    entries = np.argsort(-np.abs(maps.block(channel)), kind="stable")[:count]
    weights = counted_weights(maps, channel, border)
    positions = np.arange(weights.size) if order == "rows" else np.argsort(-np.abs(weights), axis=None, kind="stable")
    return Construction(entries, weights, entries_of_patches(maps, entries), positions)
