"""The maps that the lesson shows, and the numbers that it quotes."""

import numpy as np

from crosspool.backbones import DEFAULT, architecture
from crosspool.grids import average_over_cells
from crosspool.ui.equation.building import summed_plainly
from crosspool.ui.runtime.maps import ImageMaps
from crosspool.ui.widgets.cell_image import Cell

COARSE, FINE = 224, 448  # the network's own input size in pixels, and twice that


VARIED_MAPS = 12


def peak_cell(maps: ImageMaps, channel: int) -> Cell:
    """Where a map is largest."""
    return int(maps.statistics.peak_row[channel]), int(maps.statistics.peak_column[channel])


def sides_of_maps() -> list[int]:
    """The sides of all maps on the way through the network, from the photo to the last one, without repeats."""
    network = architecture(DEFAULT)
    sizes = (side for pair in network.layer_pairs for side, _ in network.map_sizes(pair, COARSE))
    return list(dict.fromkeys([COARSE, *sizes]))


def positions_at(size: int) -> int:
    """How many numbers a map has at this size of the input."""
    network = architecture(DEFAULT)
    rows, columns = network.map_sizes(network.default_pair, size)[1]
    return rows * columns


def varied_maps(maps: ImageMaps) -> list[int]:
    """Maps that differ: for each cell the strongest map that peaks there, strongest first, filled up by energy."""
    order = [int(channel) for channel in maps.statistics.order("energy_share") if not maps.statistics.dead[channel]]
    best: dict[Cell, int] = {}
    for channel in order:
        best.setdefault(peak_cell(maps, channel), channel)
    chosen = list(best.values())
    return (chosen + [channel for channel in order if channel not in chosen])[:VARIED_MAPS]


def telling_map(maps: ImageMaps) -> int:
    """Of these maps the most selective: the smallest mean beside its peak. Map 0 where all maps are zero."""
    chosen, statistics = varied_maps(maps), maps.statistics
    return min(chosen, key=lambda k: float(statistics.mean[k] / statistics.peak[k])) if chosen else 0


def carriers_of_half(shares: np.ndarray) -> int:
    """How many maps, the strongest first, carry half of the energy of P; 0 where there is none."""
    return int(np.searchsorted(np.sort(shares)[::-1].cumsum(), 0.5)) + 1 if shares.any() else 0


def energy_rank(shares: np.ndarray, channel: int) -> int:
    """The rank of a map by its energy, from 1."""
    return int((shares > shares[channel]).sum()) + 1


def similarity_to_finer(coarse: np.ndarray, fine: np.ndarray) -> float:
    """The cosine between a map, (H, W), and a finer one averaged over its cells; 0 where one is zero everywhere."""
    rows, columns = coarse.shape
    a, b = coarse.astype(float), average_over_cells(fine.astype(float), (rows, columns))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / size if size else 0.0


def relative_change(before: np.ndarray, after: np.ndarray) -> float:
    """How far a vector has moved, as a part of its length; 0 where it is zero."""
    length = float(np.linalg.norm(before))
    return float(np.linalg.norm(after - before)) / length if length else 0.0


def mirrored_map(maps: ImageMaps, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """The map turned left to right while the patches stay, (H, W), and the block that it pools."""
    weights: np.ndarray = np.ascontiguousarray(maps.upper[channel][:, ::-1])
    return weights, summed_plainly(maps, weights[None])[0]
