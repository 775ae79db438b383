"""How alike vectors are, in the kind in which a store keeps them: their cosines, in double precision.

Every vector is compared by itself, whichever stand beside it, so that equal vectors are equally alike to any other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspool.encoding import Packed, unpack_ternary

_LOWER = np.uint64(0x5555555555555555)  # of each two bits, the lower one, which stands for +1; the upper one for -1
_WORD = 8  # bytes


def cosines(vectors: NDArray[Any], vector: NDArray[Any]) -> NDArray[np.float64]:
    """The cosines of vectors, (n, d), and one vector, (d,): (n,); 0 where one of the two is zero.

    Packed ones, (n, d / 4), are compared as they are, and the others are of unit length.
    """
    if vectors.dtype != np.uint8:
        return np.asarray(np.multiply(vectors, vector, dtype=np.float64).sum(axis=1))
    words, word = _words(vectors), _words(vector[None])[0]
    squares, square = _ones(words), float(_ones(word[None])[0])
    lengths = np.sqrt(squares * square)
    return np.divide(_products(words, word), lengths, out=np.zeros(len(words)), where=lengths > 0)


def summands(vector: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """What each number of two vectors in their kind adds to their cosine, (d,)."""
    if vector.dtype != np.uint8:
        return np.asarray(np.multiply(vector, other, dtype=np.float64))
    values = unpack_ternary(np.stack([vector, other]))
    squares = np.count_nonzero(values, axis=1).astype(np.float64)
    return np.asarray(values.prod(axis=0, dtype=np.int8) / max(np.sqrt(squares.prod()), 1.0))


def _products(words: NDArray[np.uint64], word: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The inner products of packed vectors and one: in how many places both have one sign, less those of the other."""
    other_sign = (word >> np.uint64(1)) & _LOWER | (word & _LOWER) << np.uint64(1)
    return _ones(words & word) - _ones(words & other_sign)


def _ones(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    return np.asarray(np.bitwise_count(words).sum(axis=1, dtype=np.int64).astype(np.float64))


def _words(packed: Packed) -> NDArray[np.uint64]:
    """Packed vectors, (n, bytes), as words, padded with zeros."""
    padded = np.pad(packed, ((0, 0), (0, -packed.shape[1] % _WORD)))
    return np.ascontiguousarray(padded).view(np.uint64)
