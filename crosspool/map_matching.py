"""Which maps are most alike by place in the image, whatever their sizes: the maps of two networks, layers or images."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from crosspool.grids import Size

BLOCK_NUMBERS = 2**22  # resampled at a time


@dataclass(frozen=True)
class MapMatch:
    """A channel, and the correlation of its map with another map, from -1 to 1."""

    channel: int
    correlation: float


def map_correlations(weights: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """Pearson's correlation of a map (H, W) with each of others (D, H', W'), over the places of the image: (D,).

    Both are resampled bilinearly to the finer of the two grids, which lie over the same square. A map that is the same
    everywhere correlates with none: 0.
    """
    return _correlations(weights[None], others)[:, 0]


def best_by_chance(weights: NDArray[np.float32], others: NDArray[np.float32], *, shuffles: int = 20) -> float:
    """The highest correlation with any of the others that a map without a pattern has, on average.

    That is the map (H, W) with its cells shuffled, by a fixed seed: the best of many correlations is high by selection.
    """
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(weights.ravel()).reshape(weights.shape) for _ in range(shuffles)]
    return float(_correlations(np.stack(shuffled), others).max(axis=0).mean())


def best_matches(correlations: NDArray[np.float64], count: int) -> list[MapMatch]:
    """The channels with the highest correlations, best first; of equal ones the first channel."""
    order = np.argsort(-correlations, kind="stable")[:count]
    return [MapMatch(int(channel), float(correlations[channel])) for channel in order]


def _correlations(maps: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """The correlation of each of the others (D, H', W') with each map (N, H, W): (D, N)."""
    rows, columns = (max(sides) for sides in zip(maps.shape[1:], others.shape[1:], strict=True))
    size = (rows, columns)
    directions = _directions(maps, size).T
    step = max(BLOCK_NUMBERS // (rows * columns), 1)
    blocks = [_directions(others[start : start + step], size) @ directions for start in range(0, len(others), step)]
    return np.concatenate(blocks) if blocks else np.zeros((0, len(maps)))


def _directions(maps: NDArray[np.float32], size: Size) -> NDArray[np.float64]:
    """Each map on this grid, less its mean, as a vector of length 1; zeros for a map that is the same everywhere."""
    fine = F.interpolate(torch.from_numpy(maps)[None].double(), size=size, mode="bilinear", align_corners=False)[0]
    vectors = fine.flatten(1).numpy()
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    is_flat = np.ptp(maps.reshape(len(maps), -1), axis=1) == 0
    return np.where(is_flat[:, None], 0.0, vectors / np.where(length > 0, length, 1.0))
