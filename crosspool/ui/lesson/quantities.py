"""The maps that the lesson shows, and the numbers that it quotes."""

import numpy as np

from crosspool.backbones import DEFAULT, architecture
from crosspool.grids import average_over_cells
from crosspool.statistics import telling_channel
from crosspool.ui.equation.building import construct_block, summed_plainly
from crosspool.ui.maps.selection import peak_cell
from crosspool.ui.runtime.maps import ImageMaps
from crosspool.ui.widgets.cell_image import Cell

COARSE, FINE = 224, 448  # the network's own input size in pixels, and twice that
VARIED_MAPS = 12


def sides_of_maps() -> list[int]:
    """The different sides of all maps on the way through the network, from the photo to the last map."""
    network = architecture(DEFAULT)
    sizes = (side for pair in network.layer_pairs for side, _ in network.map_sizes(pair, COARSE))
    return list(dict.fromkeys([COARSE, *sizes]))


def positions_at(size: int) -> int:
    """How many numbers a map has at this input size."""
    network = architecture(DEFAULT)
    rows, columns = network.map_sizes(network.default_pair, size)[1]
    return rows * columns


def varied_maps(maps: ImageMaps) -> list[int]:
    """Maps that differ: for each cell the strongest map that peaks there, strongest first, then more by energy."""
    order = [int(channel) for channel in maps.statistics.order("energy_share") if not maps.statistics.dead[channel]]
    strongest_at: dict[Cell, int] = {}
    for channel in order:
        strongest_at.setdefault(peak_cell(maps, channel), channel)
    return list(dict.fromkeys([*strongest_at.values(), *order]))[:VARIED_MAPS]


def telling_map(maps: ImageMaps) -> int:
    """The most telling of the varied maps."""
    return telling_channel(maps.upper, maps.statistics, among=varied_maps(maps))


def energy_rank(shares: np.ndarray, channel: int) -> int:
    """The rank of a map by its energy, from 1."""
    return int((shares > shares[channel]).sum()) + 1


def similarity_to_finer(coarse: np.ndarray, fine: np.ndarray) -> float:
    """The cosine between a map, (H, W), and a finer one averaged over its cells; 0 if one is zero everywhere."""
    rows, columns = coarse.shape
    a, b = coarse.astype(float), average_over_cells(fine.astype(float), (rows, columns))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / size if size else 0.0


def relative_change(before: np.ndarray, after: np.ndarray) -> float:
    """How far a vector has moved, relative to its length; 0 if it is zero."""
    length = float(np.linalg.norm(before))
    return float(np.linalg.norm(after - before)) / length if length else 0.0


def change_by_shuffling(maps: ImageMaps, channel: int) -> float:
    """How far a block moves, relative to its length, when weights and patches are shuffled together."""
    built = construct_block(maps, channel, "zero", "rows", maps.pair.patch_length)
    order = np.random.default_rng(0).permutation(len(built.order))
    shuffled = (built.weights.ravel()[order, None].astype(float) * built.features[order]).sum(axis=0)
    return relative_change(built.sums[-1], shuffled)


def mirrored_map(maps: ImageMaps, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """A map mirrored left to right while the patches stay, (H, W), and the block that it pools."""
    weights = np.fliplr(maps.upper[channel]).copy()
    return weights, summed_plainly(maps, weights[None])[0]


def change_by_mirroring(maps: ImageMaps, channel: int) -> float:
    """How far a block moves, relative to its length, when its map is mirrored and the patches stay."""
    return relative_change(maps.block(channel), mirrored_map(maps, channel)[1])
