"""One-vs-rest linear support vector machines of more vectors than a kernel can have, trained block by block.

Blocks of vectors are read one after the other, again and again; for each, the dual problem is improved in the
coefficients of its vectors alone (Yu, Hsieh, Chang and Lin, KDD 2010), by coordinate descent (Hsieh et al., ICML 2008)
on the inner products within the block. This approaches the machine that a kernel of all vectors would give, without a
step size, and what is gained in a pass tells when it is near enough.

Here the intercept is the weight of a constant feature, so that it is drawn to zero like all weights, if little.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from crosspool.errors import DatasetError

INTERCEPT_SCALE = 1.0  # the constant feature; with a larger one, more passes are needed
INNER_PASSES = 5  # over the vectors of a block, while they are in memory
MOST_PASSES = 100  # over all vectors
LEAST_GAIN = 1e-3  # of the dual objective in a pass, as a share of it

Blocks = Iterable[tuple[NDArray[np.intp], NDArray[np.float32]]]
"""All training vectors, some at a time: their places among them, (b,), and themselves, (b, d)."""


@dataclass(frozen=True)
class Pass:
    """A pass over all vectors: its number, and by which share it has raised the dual objective."""

    number: int
    gain: float

    @property
    def is_last(self) -> bool:
        """Whether another one would change little, or they are many already."""
        return self.gain <= LEAST_GAIN or self.number + 1 >= MOST_PASSES


class BlockLinearSVM:
    """One linear SVM for each class. The scores for vectors X, (m, d), are `X @ weights_.T + intercept_`, (m, L).

    `names` are the classes' names, for messages. The dual coefficients are in a file in `scratch`: a number for each
    vector and class.
    """

    classes_: NDArray[np.int64]
    weights_: NDArray[np.float32]
    intercept_: NDArray[np.float64]

    def __init__(
        self, C: float = 10.0, names: Sequence[str] | None = None, *, seed: int = 0, scratch: Path | None = None
    ) -> None:
        self.C, self.names, self.seed, self.scratch = C, names, seed, scratch

    def fit(
        self, blocks: Callable[[int], Blocks], y: NDArray[np.integer[Any]], length: int,
        each: Callable[[Pass], None] = lambda done: None,
    ) -> Self:  # fmt: skip
        """Train on vectors of `length` numbers with the classes `y`, (n,).

        `blocks` gives all of them, in an order that may depend on the pass's number. `each` is called after a pass.

        Raises DatasetError where there is a single class.
        """
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            name = self.classes_[0] if self.names is None else self.names[self.classes_[0]]
            raise DatasetError(f"There are only images of {name} to train on; add images of another class.")
        self.weights_ = np.zeros((len(self.classes_), length), np.float32)
        self.intercept_ = np.zeros(len(self.classes_))
        self._order = np.random.default_rng(self.seed)
        with tempfile.TemporaryFile(dir=self.scratch) as file:
            file.truncate(4 * len(y) * len(self.classes_))
            coefficients = np.memmap(file, np.float32, "r+", shape=(len(y), len(self.classes_)))
            objective = 0.0
            for number in range(MOST_PASSES):
                gain = sum(
                    self._improve(coefficients, places, vectors, y[places]) for places, vectors in blocks(number)
                )
                objective += gain
                done = Pass(number, gain / objective)
                each(done)
                if done.is_last:
                    break
        return self

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """The scores of the classes, (m, L)."""
        return np.asarray(vectors @ self.weights_.T + self.intercept_)

    def _improve(
        self, coefficients: NDArray[np.float32], places: NDArray[np.intp], vectors: NDArray[np.float32],
        y: NDArray[np.integer[Any]],
    ) -> float:  # fmt: skip
        """Raise the dual objective in the coefficients of some vectors. Returns by how much."""
        signs = np.where(y[:, None] == self.classes_, np.float32(1), np.float32(-1))  # (b, L)
        kernel = vectors @ vectors.T + np.float32(INTERCEPT_SCALE**2)
        scores = np.ascontiguousarray(self.scores(vectors).T, np.float32)  # (L, b)
        before = coefficients[places]
        after = before.copy()
        gain = self._descend(kernel, scores, after, signs)
        coefficients[places] = after
        change = signs * (after - before)
        self.weights_ += change.T @ vectors
        self.intercept_ += INTERCEPT_SCALE**2 * change.sum(axis=0, dtype=np.float64)
        return gain

    def _descend(
        self, kernel: NDArray[np.float32], scores: NDArray[np.float32], coefficients: NDArray[np.float32],
        signs: NDArray[np.float32],
    ) -> float:  # fmt: skip
        """Coordinate descent in place, one vector's coefficients of all classes at a time. Returns the gain."""
        gain = 0.0
        for _ in range(INNER_PASSES):
            for row in self._order.permutation(len(kernel)):
                slope = 1 - signs[row] * scores[:, row]
                new = np.clip(coefficients[row] + slope / kernel[row, row], 0, self.C)
                change = new - coefficients[row]
                moved = np.flatnonzero(change)
                if not len(moved):
                    continue
                coefficients[row] = new
                gain += float(change @ (slope - kernel[row, row] / 2 * change))
                scores[moved] += (signs[row] * change)[moved, None] * kernel[row]
        return gain
