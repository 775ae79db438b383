"""Values on a grid of equal cells over an image, converted to another grid."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Size = tuple[int, int]
Cell = tuple[int, int]
Mask = NDArray[np.bool_]
SAME = 1e-6  # how far apart two numbers that are the same can be by rounding


def average_over_cells(values: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """The mean of values, (H, W), over each cell of a grid of `size` (rows, columns) over the same image.

    For a mask, this is the share of each cell that it covers.
    """
    rows, columns = (_overlaps(*lengths) for lengths in zip(size, values.shape, strict=True))
    return np.asarray(rows @ values @ columns.T)


def spread_over_cells(amounts: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """Amounts, (H, W), spread evenly over their cells and summed in the cells of a grid of `size`: the sum stays."""
    rows, columns = (_overlaps(*lengths) for lengths in zip(amounts.shape, size, strict=True))
    return np.asarray(rows.T @ amounts @ columns)


def largest_cells(values: NDArray[np.floating]) -> list[Cell]:
    """The cells where values, (H, W), are largest in magnitude: several where an activation clips them."""
    amounts = np.abs(values)
    rows, columns = np.nonzero(amounts >= amounts.max() * (1 - SAME))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def region_precision(values: NDArray[Any], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """The average precision of each row of values, (D, N), against the share of a region in each of the cells, (N,).

    Cells of equal value count together, so that values which say nothing get exactly the region's share of the image.
    """
    order = np.argsort(values, axis=1, kind="stable")[:, ::-1]  # the largest first; for 16 bits by radix, which is fast
    ranked, shares = np.take_along_axis(values, order, 1), share[order]
    count = values.shape[1]
    is_last = np.diff(ranked, axis=1, append=ranked[:, -1:]) != 0  # of the cells of its value
    cells = np.where(is_last, np.arange(1, count + 1), count)
    cells = np.minimum.accumulate(cells[:, ::-1], axis=1)[:, ::-1]  # of the same value or a larger one
    hits = np.take_along_axis(shares.cumsum(axis=1), cells - 1, 1)
    precision: NDArray[np.float64] = (hits / cells * shares).sum(axis=1) / share.sum()
    return precision


def cell_shares(mask: Mask, size: Size) -> Tensor:
    """The share of the region in each of the equal cells of a grid over the image, (H, W), double precision."""
    return torch.from_numpy(average_over_cells(mask.astype(np.float64), size))


def _overlaps(cells: int, pixels: int) -> NDArray[np.float64]:
    """The share of each cell that each pixel fills, along one side: (cells, pixels); each row adds up to 1."""
    edges = np.arange(cells + 1) * pixels / cells
    pixel = np.arange(pixels)
    shared = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(shared.clip(0) * cells / pixels)
