"""Short codes of long vectors: bits that differ in about as many places as the angle between the vectors says.

Each bit says on which side of a plane a vector lies (Charikar, STOC 2002). The planes are random in the directions in
which a sample of vectors differs most, as others hold mostly noise, on which bits would be wasted (Gong and Lazebnik,
CVPR 2011), and pass where half of the sample lies on each side, so that every bit tells something.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from crosspool.encoding import unpack_ternary

Codes = NDArray[np.uint64]
DIRECTIONS = 64  # at most
LEAST_SPREAD = 1e-5  # in a direction, of the length of the sample; what is below is rounding
MOST_NUMBERS = 2**27  # of the sample that is learned from: 512 MiB
CHUNK = 2**16  # codes compared at a time, so that little memory is needed beside them


@dataclass(frozen=True)
class Sketch:
    """A function from vectors to codes.

    `directions`, (d, length), are those in which a sample of vectors differs most, and `thresholds`, (bits,), where the
    planes pass that are drawn among them by `seed`.
    """

    directions: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    seed: int
    _planes: NDArray[np.float32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_planes", _planes(len(self.thresholds), len(self.directions), self.seed))

    @classmethod
    def learned(cls, vectors: Iterable[NDArray[np.float32]], length: int, bits: int, seed: int) -> Self:
        """A sketch for vectors like these, each (length,), of which so many are looked at as fit into memory."""
        some = islice(vectors, max(1, MOST_NUMBERS // length))
        sample: NDArray[Any] = np.fromiter(some, np.dtype((np.float32, length)))
        count = min(DIRECTIONS, *sample.shape)
        least, middle = LEAST_SPREAD * np.linalg.norm(sample), sample.mean(axis=0)
        sample -= middle  # in its place, as it is large
        _, spread, found = randomized_svd(sample, count, random_state=seed)
        directions = found[spread > least].astype(np.float32)
        through_middle = cls(directions, np.zeros(bits, np.float32), seed)
        thresholds = np.median(through_middle.above(sample), axis=0) + through_middle.above(middle[None])[0]
        return cls(directions, thresholds.astype(np.float32), seed)

    def above(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far vectors, (n, length), lie above each plane: (n, bits)."""
        return np.asarray(vectors @ self.directions.T @ self._planes.T - self.thresholds)

    def codes(self, vectors: NDArray[np.float32]) -> Codes:
        """The codes of vectors, (n, length): (n, bits / 64)."""
        return as_codes(self.above(vectors))


def as_codes(above: NDArray[np.float32]) -> Codes:
    """The codes of vectors of which is known how far above each plane they lie, (n, bits): (n, bits / 64)."""
    return np.ascontiguousarray(np.packbits(above > 0, axis=1, bitorder="little")).view("<u8")


def _planes(bits: int, directions: int, seed: int) -> NDArray[np.float32]:
    """The normals of random planes, (bits, directions)."""
    return np.random.default_rng(seed).standard_normal((bits, directions), np.float32)


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
