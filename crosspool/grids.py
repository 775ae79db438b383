"""Values on a grid of equal cells over an image, converted to another grid."""

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


def cell_shares(mask: Mask, size: Size) -> Tensor:
    """The share of the region in each of the equal cells of a grid over the image, (H, W), double precision."""
    return torch.from_numpy(average_over_cells(mask.astype(np.float64), size))


def _overlaps(cells: int, pixels: int) -> NDArray[np.float64]:
    """The share of each cell that each pixel fills, along one side: (cells, pixels); each row adds up to 1."""
    edges = np.arange(cells + 1) * pixels / cells
    pixel = np.arange(pixels)
    shared = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(shared.clip(0) * cells / pixels)
