"""The orders in which channels and positions are removed: by their contributions, and by other values."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crosspool.contributions import Contributions, Explanation
from crosspool.errors import SettingError
from crosspool.grids import Size, spread_over_cells

Ranking = NDArray[np.intp]
Orders = dict[str, list[Ranking]]
"""Rankings by the order's name; several for an order that is drawn at random."""

EXCHANGED_CHANNELS = 16  # channels of neighbouring energy, among which contributions are exchanged

MOST_FIRST, LEAST_FIRST, ENERGY, RANDOM = "most", "least", "energy", "random"
ALIVE, MATCHED = "random alive", "random matched"
BASELINE, BASELINE_SAME, CENTRE = "baseline", "baseline, same class", "centre"


@dataclass(frozen=True)
class ExplainedImage:
    """An image explained by a classifier and by a baseline; what several questions need is computed once."""

    own: Explanation
    baseline: Explanation

    @cached_property
    def contributions(self) -> Contributions:
        """The contributions to the predicted class's score."""
        return self.own.contributions()

    @cached_property
    def energy(self) -> Contributions:
        """The contributions to the squared length of phi(P), which depends on no class."""
        return self.own.similarity(self.own)


def largest_first(values: NDArray[np.float64]) -> Ranking:
    """Indices by their values, the largest first; equal ones in their given order."""
    return np.argsort(-values.ravel(), kind="stable")


def channel_orders(explained: ExplainedImage, draw: np.random.Generator, draws: int) -> Orders:
    """All channels, those first that contribute most, or least, to the predicted class's score, and in other orders.

    By energy: the share of the channel's block in the squared length of phi(P). At random: among all; those first that
    are not zero on this image ("alive"); and with energies as those that contribute most have ("matched"), the
    contributions being exchanged at random among EXCHANGED_CHANNELS channels of neighbouring energy.
    """
    contributed, energy = explained.contributions.channels, explained.energy.channels
    count = len(energy)
    by_energy = largest_first(energy)
    return {
        MOST_FIRST: [largest_first(contributed)],
        MATCHED: [largest_first(_exchanged(contributed, by_energy, draw)) for _ in range(draws)],
        ENERGY: [by_energy],
        ALIVE: [largest_first((energy > 0) + draw.random(count)) for _ in range(draws)],
        RANDOM: [draw.permutation(count) for _ in range(draws)],
        LEAST_FIRST: [largest_first(-contributed)],
    }


def _exchanged(values: NDArray[np.float64], ranking: Ranking, draw: np.random.Generator) -> NDArray[np.float64]:
    """The values, exchanged at random among neighbours in a ranking."""
    exchanged = np.empty_like(values)
    for start in range(0, len(ranking), EXCHANGED_CHANNELS):
        some = ranking[start : start + EXCHANGED_CHANNELS]
        exchanged[some] = draw.permutation(values[some])
    return exchanged


def position_orders(explained: ExplainedImage, draw: np.random.Generator, draws: int) -> Orders:
    """All positions, those first where the most evidence for the predicted class is, and in other orders.

    By the map of a baseline, for the class that it predicts itself, and for the same class (both left out where it
    knows nothing of positions); by energy: where phi(P) . phi(P) comes from; from the centre outwards; at random.

    Raises SettingError where the classifier itself has no map of positions.
    """
    evidence, energy = explained.contributions.positions, explained.energy.positions
    if evidence is None or energy is None:
        name = explained.own.classifier.method.name
        raise SettingError(f"{name} has no map of where in the image its numbers come from; choose cl, global or sum.")
    grid: Size = evidence.shape
    orders = {MOST_FIRST: [largest_first(evidence)]}
    for name, label in ((BASELINE, None), (BASELINE_SAME, explained.own.predicted)):
        of_baseline = explained.baseline.contributions(label).positions
        if of_baseline is not None:
            orders[name] = [largest_first(spread_over_cells(of_baseline, grid))]
    orders[ENERGY] = [largest_first(energy)]
    orders[CENTRE] = [largest_first(-_from_centre(grid))]
    orders[RANDOM] = [draw.permutation(evidence.size) for _ in range(draws)]
    return orders


def _from_centre(grid: Size) -> NDArray[np.float64]:
    """The squared distance of each cell from the centre of the image, whose sides are 1."""
    rows, columns = (((np.arange(cells) + 0.5) / cells - 0.5) ** 2 for cells in grid)
    return np.asarray(rows[:, None] + columns)
