"""Short codes of long vectors: bits that differ in about as many places as the angle between the vectors says.

Each bit says on which side of a plane a vector lies (Charikar, STOC 2002). The planes are sparse and random (Li, Hastie
and Church, KDD 2006), and pass where half of a sample of vectors lies on each side, so that every bit tells something.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import DataDimensionalityWarning
from sklearn.random_projection import SparseRandomProjection

from crosspool.encoding import unpack_ternary

Codes = NDArray[np.uint64]
CHUNK = 2**16  # codes compared at a time, so that little memory is needed beside them


@dataclass(frozen=True)
class Sketch:
    """A function from vectors of `length` numbers to codes; `thresholds`, (bits,), are where its planes pass."""

    length: int
    seed: int
    thresholds: NDArray[np.float32]
    _planes: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_planes", _planes(self.length, len(self.thresholds), self.seed))

    @classmethod
    def learned(cls, vectors: Iterable[NDArray[np.float32]], length: int, bits: int, seed: int) -> Self:
        """A sketch whose thresholds are the medians of the projections of some vectors, each (length,)."""
        planes = _planes(length, bits, seed)
        return cls(length, seed, np.median([planes @ vector for vector in vectors], axis=0).astype(np.float32))

    def above(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far vectors, (n, length), lie above each plane: (n, bits)."""
        return np.asarray((self._planes @ vectors.T).T - self.thresholds)

    def codes(self, vectors: NDArray[np.float32]) -> Codes:
        """The codes of vectors, (n, length): (n, bits / 64)."""
        return as_codes(self.above(vectors))


def as_codes(above: NDArray[np.float32]) -> Codes:
    """The codes of vectors of which is known how far above each plane they lie, (n, bits): (n, bits / 64)."""
    return np.ascontiguousarray(np.packbits(above > 0, axis=1, bitorder="little")).view("<u8")


def _planes(length: int, bits: int, seed: int) -> Any:
    """The planes' normals as a sparse matrix, (bits, length)."""
    projection = SparseRandomProjection(bits, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataDimensionalityWarning)  # there may be more bits than numbers
        return projection.fit(np.zeros((1, length), np.float32)).components_.astype(np.float32)


def distances(codes: Codes, code: Codes) -> NDArray[np.uint16]:
    """In how many bits codes, (n, w), differ from one code, (w,): (n,)."""
    found = np.empty(len(codes), np.uint16)
    for start in range(0, len(codes), CHUNK):
        rows = slice(start, start + CHUNK)
        found[rows] = np.bitwise_count(codes[rows] ^ code).sum(axis=1, dtype=np.uint16)
    return found


def likenesses(codes: Codes, above: NDArray[np.float32]) -> NDArray[np.float32]:
    """How alike codes, (n, w), are to a vector of which is known how far above each plane it lies, (bits,): (n,).

    Each plane counts by that distance, for codes on the vector's side of it and against the others. That tells more
    than the vector's own code, of which all bits count alike (Dong, Charikar and Li, SIGIR 2008).
    """
    bits = np.unpackbits(codes.view(np.uint8), axis=1, bitorder="little")
    return np.asarray(2 * (bits.astype(np.float32) @ above) - above.sum())


def as_numbers(vectors: NDArray[Any], length: int) -> NDArray[np.float32]:
    """Encoded vectors as numbers: packed ones, (n, length / 4), are unpacked and scaled to unit length."""
    if vectors.dtype != np.uint8:
        return np.asarray(vectors, np.float32)
    values = unpack_ternary(vectors, length).astype(np.float32)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(norms > 0, norms, 1))
