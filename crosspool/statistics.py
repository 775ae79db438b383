"""Statistics of the weighting maps of one image, and their shares of P."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspool.errors import SettingError

BLOCK_NUMBERS = 2**22  # looked at together

Criterion = Literal["energy_share", "peak", "mean", "sparsity", "channel"]


@dataclass(frozen=True)
class ChannelStatistics:
    """One entry for each of the D_{t+1} channels, as arrays of length D_{t+1}.

    `peak` is the largest weight (by magnitude where weights are signed), at position (`peak_row`, `peak_column`), or
    where an activation clips several weights, at `peak_positions` of them, of which that is the first in reading order;
    `mean` is over all positions; `active` counts the positions with a weight other than zero; `sparsity` is the share
    of the other positions; `energy_share` is ||P_k||^2 / ||P||^2.
    """

    peak: np.ndarray
    peak_row: np.ndarray
    peak_column: np.ndarray
    peak_positions: np.ndarray
    mean: np.ndarray
    active: np.ndarray
    sparsity: np.ndarray
    energy_share: np.ndarray

    @property
    def dead(self) -> np.ndarray:
        """Which maps are zero everywhere on this image, as a boolean array."""
        return np.asarray(self.active == 0)

    def order(self, by: Criterion) -> np.ndarray:
        """Channel numbers, the largest first; peaks by magnitude, and channels by number from 0."""
        if by == "channel":
            return np.arange(len(self.peak))
        values: np.ndarray = np.abs(self.peak) if by == "peak" else getattr(self, by)
        return np.argsort(-values, kind="stable")

    def table(self) -> pd.DataFrame:
        """A row for each channel, by channel number."""
        return pd.DataFrame({"channel": np.arange(len(self.peak))} | vars(self))


def channel_numbers(channels: Sequence[int] | NDArray[np.integer[Any]], count: int) -> NDArray[np.intp]:
    """The channels as an array, if they are numbers from 0 to `count` - 1. Raises SettingError otherwise.

    Python counts negative numbers from the end, and takes the truth values of a mask for 0 and 1.
    """
    numbers = np.asarray(channels)
    if numbers.size and not np.issubdtype(numbers.dtype, np.integer):
        raise SettingError("Channels are whole numbers; of a mask, give np.flatnonzero(mask).")
    outside = numbers[(numbers < 0) | (numbers >= count)] if numbers.size else numbers
    if outside.size:
        raise SettingError(f"There is no channel {outside.flat[0]}: the channels are 0 to {count - 1}.")
    return numbers.astype(np.intp)


def telling_channel(upper: np.ndarray, statistics: ChannelStatistics, among: Sequence[int] | None = None) -> int:
    """The channel to look at first: a strong map with a few large weights, not one that is clipped or spread out.

    It has the largest product of two numbers: the square root of the share of ||P_k||, and the map's sparseness (Hoyer,
    Non-negative Matrix Factorization with Sparseness Constraints, 2004: 1 for a single weight, 0 for a flat map). A map
    that has its peak at several positions was clipped by its activation, and comes after all others.

    Args:
        upper: The weighting maps of one image, (D_{t+1}, H, W).
        statistics: Their statistics.
        among: The channels to choose from; all of them by default.

    Returns:
        int: The channel's number; 0 if all maps are zero.

    Raises:
        SettingError: `among` holds a channel that there is not.
    """
    channels = np.arange(len(upper)) if among is None else channel_numbers(among, len(upper))
    if not len(channels):
        return 0
    step = max(BLOCK_NUMBERS // upper[0].size, 1)
    scores = [_telling_scores(upper[block], statistics.energy_share[block]) for block in _blocks(channels, step)]
    return int(channels[np.concatenate(scores).argmax()])


def _blocks(channels: NDArray[np.intp], step: int) -> list[NDArray[np.intp]]:
    return [channels[start : start + step] for start in range(0, len(channels), step)]


def _telling_scores(upper: NDArray[np.float32], energy_share: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.abs(upper.reshape(len(upper), -1)).astype(np.float64)  # (K, N)
    length, peak = np.linalg.norm(weights, axis=1), weights.max(axis=1)
    root = np.sqrt(weights.shape[1])
    flatness = np.divide(weights.sum(axis=1), length, out=np.full(len(weights), root), where=length > 0)
    sparseness = (root - flatness) / max(root - 1, 1)
    score: NDArray[np.float64] = energy_share**0.25 * (sparseness + 1e-9)
    score[(weights == peak[:, None]).sum(axis=1) > 1] *= 1e-6
    return score


def channel_statistics(upper: Tensor, pooled: Tensor) -> ChannelStatistics:
    """Statistics of each weighting map of one image, with its share of P's energy, ||P_k||^2 / ||P||^2.

    Args:
        upper: The weighting maps of one image, (D_{t+1}, H, W).
        pooled: Its pooled blocks, (D_{t+1}, D_t*m*n), from `cross_layer_pool`.

    Returns:
        ChannelStatistics: Arrays with one entry for each of the D_{t+1} channels.

    Example:
        >>> import crosspool, torch
        >>> maps = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])  # the second map is dead
        >>> pooled = crosspool.cross_layer_pool(torch.ones(1, 1, 2, 2), maps[None])[0]
        >>> statistics = crosspool.channel_statistics(maps, pooled)
        >>> statistics.peak.tolist(), statistics.active.tolist(), statistics.dead.tolist()
        ([2.0, 0.0], [2, 0], [False, True])
    """
    return statistics_with_energies(upper, torch.linalg.vector_norm(pooled.cpu(), dim=1, dtype=torch.float64).square())


def statistics_with_energies(upper: Tensor, energy: Tensor) -> ChannelStatistics:
    """The same from the energy of each block, ||P_k||^2 as `crosspool.pooling.block_energies` gives it."""
    blocks = upper.split(max(BLOCK_NUMBERS // upper[0].numel(), 1))
    peak, largest, peaks, mean, active = map(torch.cat, zip(*map(_of_maps, blocks), strict=True))
    total = energy.sum()
    share = energy / total if total > 0 else energy
    columns = upper.shape[2]
    return ChannelStatistics(
        peak=peak.numpy(),
        peak_row=(largest // columns).numpy(),
        peak_column=(largest % columns).numpy(),
        peak_positions=peaks.numpy(),
        mean=mean.numpy(),
        active=active.numpy(),
        sparsity=(1 - active.double() / upper[0].numel()).numpy(),
        energy_share=share.numpy(),
    )


def _of_maps(upper: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The peak of each map, where it is first, and how often, the mean, and at how many positions it is not zero."""
    weights = upper.flatten(1).cpu()  # (K, N); on the CPU, as Apple's MPS has no double precision
    sizes = weights.abs()
    size, largest = sizes.max(dim=1, keepdim=True)
    peak = weights.gather(1, largest)[:, 0].double()
    mean = weights.mean(dim=1, dtype=torch.float64)
    return peak, largest[:, 0], (sizes == size).sum(dim=1), mean, (weights != 0).sum(dim=1)
