"""How predictions change while more and more is removed, in several orders, over repeated splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crosspool.evaluation.intervals import resampled_t
from crosspool.evaluation.report import Measured

ACCURACY, UNCHANGED, MARGIN, ENERGY_LEFT = "accuracy", "unchanged", "margin", "energy left"
Measures = dict[str, NDArray[np.float64]]
"""Measures by their names, each with a number for every remainder of an image."""


def remainder_measures(scores: NDArray[np.float64], predicted: int, target: int) -> Measures:
    """Measures of the scores (n, L) of an image's remainders: whether the true class has the highest, whether the class
    predicted for the whole image still has, and how far it leads the best other one (less than 0: trails)."""
    chosen = scores.argmax(axis=1)
    others = np.delete(scores, predicted, axis=1)
    return {
        ACCURACY: (chosen == target).astype(np.float64),
        UNCHANGED: (chosen == predicted).astype(np.float64),
        MARGIN: scores[:, predicted] - others.max(axis=1),
    }


@dataclass(frozen=True)
class Sizes:
    """The numbers of images that a split trains on, and tests on; the means where splits differ."""

    train: float
    test: float


def measured(by_split: NDArray[np.float64], sizes: Sizes) -> Measured:
    """The mean over the splits, with its interval where there are several."""
    return Measured(float(by_split.mean()), resampled_t(by_split, sizes.train, sizes.test), tuple(map(float, by_split)))


@dataclass(frozen=True)
class Curves:
    """Measures, each (J splits, orders, fractions): means over a split's test images and over random draws.

    `fractions` are the shares of channels or positions that were removed, or put in.
    """

    orders: tuple[str, ...]
    fractions: tuple[float, ...]
    values: Mapping[str, NDArray[np.float64]]
    sizes: Sizes

    def at(self, measure: str, order: str, fraction: float, against: str | None = None) -> Measured:
        """A measure after a fraction in one order, or its difference from that in the order `against`."""
        return self._measured(self.values[measure][:, :, self.fractions.index(fraction)], order, against)

    def change(self, measure: str, order: str, fraction: float) -> Measured:
        """The difference between a measure after a fraction and at the beginning."""
        values = self.values[measure][:, self.orders.index(order)]
        return measured(values[:, self.fractions.index(fraction)] - values[:, 0], self.sizes)

    def area(self, measure: str, order: str, against: str | None = None) -> Measured:
        """The area under a measure's curve, by the trapezoidal rule: its mean over all fractions."""
        areas = np.asarray(np.trapezoid(self.values[measure], self.fractions, axis=2))
        return self._measured(areas, order, against)

    def _measured(self, values: NDArray[np.float64], order: str, against: str | None) -> Measured:
        by_split = values[:, self.orders.index(order)]
        if against is not None:
            by_split = by_split - values[:, self.orders.index(against)]
        return measured(by_split, self.sizes)


class ImageMeans:
    """The means over a split's test images, which are added one by one."""

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, NDArray[np.float64]]] = {}
        self.images = 0

    def add(self, orders: Mapping[str, Sequence[Measures]]) -> None:
        """Add an image: its measures in each order, for every draw of the order."""
        for order, draws in orders.items():
            sums = self._sums.setdefault(order, {})
            for measure in draws[0]:
                sums[measure] = sums.get(measure, 0) + np.mean([measures[measure] for measures in draws], axis=0)
        self.images += 1

    def means(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        return {order: {m: total / self.images for m, total in sums.items()} for order, sums in self._sums.items()}


def joined(splits: Sequence[ImageMeans], fractions: Sequence[float], train: float) -> Curves:
    """The curves of all splits together."""
    means = [split.means() for split in splits]
    orders = tuple(means[0])
    values = {
        measure: np.array([[split[order][measure] for order in orders] for split in means])
        for measure in means[0][orders[0]]
    }
    return Curves(orders, tuple(fractions), values, Sizes(train, float(np.mean([split.images for split in splits]))))
