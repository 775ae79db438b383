"""Whether two arrays that Eq. 1 says are equal agree to rounding."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

DOUBLE, SINGLE = 1e-9, 1e-4  # rounding to be expected, in parts of the largest entry; the network runs in single


COMPARED_ENTRIES = 300  # of each comparison that are kept for its chart


@dataclass(frozen=True)
class Finding:
    """Two arrays that should agree, or that should not (`equal` False), and how far they are apart.

    `expected` and `outcome` hold a sample of both for a chart, the entries that are largest or differ most.
    """

    claim: str
    equal: bool
    difference: float
    largest: float
    tolerance: float
    expected: np.ndarray
    outcome: np.ndarray

    @property
    def agrees(self) -> bool:
        """Whether the largest difference is no more than rounding."""
        return self.difference <= self.tolerance * self.largest

    @property
    def as_expected(self) -> bool:
        return self.agrees == self.equal


def compare_arrays(
    claim: str,
    expected: Tensor | np.ndarray,
    outcome: Tensor | np.ndarray,
    *,
    equal: bool = True,
    tolerance: float = DOUBLE,
) -> Finding:
    """Compare two arrays of one shape, entry by entry."""
    first, second = (np.asarray(values).ravel() for values in (expected, outcome))
    apart, sizes = np.abs(first - second), np.maximum(np.abs(first), np.abs(second))
    half = min(COMPARED_ENTRIES // 2, len(first))
    sampled = np.union1d(*(np.argpartition(-values, half - 1)[:half] for values in (apart, sizes)))
    return Finding(claim, equal, float(apart.max()), float(sizes.max()), tolerance, first[sampled], second[sampled])
