"""The pooled vector of one part of a method, and what each of its channels and positions contributes to a score.

Every pooling that is split among positions here grows in proportion to the map that it pools or weights with: the sum
of its derivatives by the map, times the map, is itself (Euler).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspool.baselines import OneMapPooling
from crosspool.encoding import CrossLayerPooling, Record
from crosspool.errors import SettingError
from crosspool.grids import Size, cell_shares
from crosspool.methods import Part

Vector = NDArray[np.float64]
_Pool = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PartContributions:
    """What the channels of one part of a method contribute to a score.

    `channels` are the contributions c_k, (K,), and `energy` is the share of each P_k in ||P||^2, (K,). `maps` are the
    maps that were pooled, or weighted with, and `evidence` is e_ik, both (K, H, W) on cells that divide the whole image
    evenly; None where positions are unknown (a fully-connected layer after others, crops, turned views).
    """

    name: str
    channels: Vector
    energy: Vector
    maps: NDArray[np.float64] | None
    evidence: NDArray[np.float64] | None


@dataclass(frozen=True)
class PooledPart:
    """The vector that one part of a method pooled: P, (K * d,), block by block, from a map, (V, K, H, W), by `pool`.

    Both are None where the vector does not grow in proportion to any map.
    """

    name: str
    pooled: Vector
    channels: int
    map: Tensor | None
    pool: _Pool | None

    def blocks(self, keep: NDArray[np.bool_] | slice = slice(None)) -> Vector:
        """P as (K, d), with zeros for the channels that are not kept."""
        blocks = np.zeros((self.channels, self.pooled.size // self.channels))
        blocks[keep] = self.pooled.reshape(blocks.shape)[keep]
        return blocks

    def split(self, product: Vector) -> PartContributions:
        """The contributions to a score, from w * phi(P)."""
        channels = product.reshape(self.channels, -1).sum(axis=1)
        energy = np.square(self.blocks()).sum(axis=1)
        shares = energy / max(energy.sum(), np.finfo(np.float64).tiny)
        if self.map is None or self.pool is None:
            return PartContributions(self.name, channels, shares, None, None)
        factors = np.divide(product, self.pooled, out=np.zeros_like(product), where=self.pooled != 0)  # V
        weights = self.map.detach().requires_grad_()
        with torch.enable_grad():
            total = self.pool(weights) @ torch.from_numpy(factors)
        (gradient,) = torch.autograd.grad(total, weights)
        evidence = joined(self.map * gradient).numpy()
        return PartContributions(self.name, channels, shares, joined(self.map).numpy(), evidence)

    def pooled_without(self, gone: NDArray[np.bool_]) -> Vector:
        """P without the positions in `gone`. Raises SettingError where positions are unknown."""
        weights, pool = self.map_and_pool()
        return pool(weights * self.covered(~gone)).numpy()  # exactly zero where everything is gone

    def map_and_pool(self) -> tuple[Tensor, _Pool]:
        """The map, and the function that pools it. Raises SettingError where positions are unknown."""
        if self.map is None or self.pool is None:
            raise SettingError(f"The positions behind the contributions of {self.name} are not known.")
        return self.map, self.pool

    @property
    def grid(self) -> Size:
        """Rows and columns of the map on the whole image. Raises SettingError where positions are unknown."""
        rows, columns = joined(self.map_and_pool()[0][:, :1]).shape[1:]
        return rows, columns

    def covered(self, mask: NDArray[np.bool_]) -> Tensor:
        """The share of each cell of the map that a mask, (H, W), over the image covers: (V, 1, H, W)."""
        return _parted(cell_shares(mask, self.grid), len(self.map_and_pool()[0]))


def pooled_part(part: Part, step: Any, record: Record) -> PooledPart:
    """The pooled vector of one part of a method, whose pooling is `step`, from an image's record."""
    needed = {*part.sources, part.averaged} - {None}
    maps = {name: torch.as_tensor(record[name]).double() for name in needed}
    map_and_pool = _map_and_pool(part, step, maps)
    if map_and_pool is None:
        vector = step.transform([{name: values.numpy() for name, values in maps.items()}])[0]
        return PooledPart(part.name, vector, len(vector), None, None)
    weights, pool = map_and_pool
    return PooledPart(part.name, pool(weights).numpy(), weights.shape[1], weights, pool)


def _map_and_pool(part: Part, step: Any, maps: dict[Any, Tensor]) -> tuple[Tensor, _Pool] | None:
    """The map, (V, K, H, W), to which a part's pooled vector is in proportion, and the function that pools it."""
    if isinstance(step, CrossLayerPooling):
        lower, upper = maps[step.lower], maps[step.upper]
        return step.weighting(upper), lambda weights: step.pool(lower, weights)
    if isinstance(step, OneMapPooling):
        return maps[step.source], step.pool
    if part.averaged is not None:
        return maps[part.averaged], lambda values: values.mean(dim=(0, 2, 3))
    return None


def joined(views: Tensor) -> Tensor:
    """The maps of an image's views, (V, K, H, W), on the whole image: one view, or 2 x 2 tiles in row-major order."""
    if len(views) == 1:
        return views[0]
    tiles = views.reshape(2, 2, *views.shape[1:])  # (2, 2, K, H, W)
    return tiles.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)  # (K, 2H, 2W)


def _parted(values: Tensor, views: int) -> Tensor:
    """The inverse of `_joined` for values on the image, (H, W): (V, 1, H, W)."""
    if views == 1:
        return values[None, None]
    rows, columns = values.shape
    return values.reshape(2, rows // 2, 2, columns // 2).permute(0, 2, 1, 3).flatten(0, 1)[:, None]
