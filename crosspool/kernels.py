"""Linear kernels and primal weights of more vectors than fit into memory.

Vectors go to a nameless file, row by row, and come back by columns: a kernel is a sum over columns, so the file is read
once, whatever the number of vectors, through a buffer of fixed size.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crosspool.encoding import VALUES_PER_BYTE, unpack_ternary

BUFFER_BYTES = 128 * 2**20  # bytes
KERNEL_ROWS = 512  # of a kernel, so that a product's own memory stays small beside it


class VectorFile:
    """Vectors (n, d), float32 or packed in two bits a value, on disk.

    They lie in `folder` (None: the system's for temporary files); `buffer` bytes come back at a time.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, buffer: int = BUFFER_BYTES) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # closed by __exit__
        self._buffer = buffer
        self._row_bytes = 0
        self.dtype: np.dtype[np.generic] = np.dtype(np.float32)
        self.count = 0

    def append(self, vectors: NDArray[np.float32] | NDArray[np.uint8]) -> None:
        """Add rows; all of one kind and length."""
        rows = np.ascontiguousarray(vectors)
        self.dtype, self._row_bytes = rows.dtype, rows.shape[1] * rows.itemsize
        self._file.seek(0, os.SEEK_END)
        view = rows.view(np.uint8).reshape(-1).data
        while view:  # an unbuffered file may take a part at a time
            view = view[self._file.write(view) :]
        self.count += len(rows)

    @property
    def packed(self) -> bool:
        return self.dtype == np.uint8

    @property
    def row_bytes(self) -> int:
        """Bytes of one vector."""
        return self._row_bytes

    def columns(self) -> Iterator[NDArray[np.float32]]:
        """All vectors, some columns at a time: (n, some), float32, a new array each."""
        as_floats = 4 * VALUES_PER_BYTE if self.packed else 1  # bytes in memory of a byte in the file
        width = max(4, self._buffer // max(1, self.count * as_floats) // 4 * 4)
        for start in range(0, self._row_bytes, width):
            raw = np.empty((self.count, min(width, self._row_bytes - start)), np.uint8)
            for row in range(self.count):
                self._file.seek(row * self._row_bytes + start)
                self._file.readinto(raw[row])
            yield (
                unpack_ternary(raw, raw.shape[1] * VALUES_PER_BYTE).astype(np.float32)
                if self.packed
                else raw.view(np.float32)
            )

    def kernel(self, step: Callable[[], None] = lambda: None) -> NDArray[np.float64]:
        """Inner products of all vectors, (n, n). Packed ones stay packed but for some columns, and it is exact.

        `step` is called now and then, and may raise to end it.
        """
        kernel = np.zeros((self.count, self.count))
        for part in self.columns():
            for start in range(0, self.count, KERNEL_ROWS):
                rows = slice(start, start + KERNEL_ROWS)
                kernel[rows] += part[rows] @ part.T
            step()
        return kernel

    def combine(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """The sums of vectors that the rows of `coefficients`, (L, n), say: (L, d)."""
        weights = coefficients.astype(np.float32)
        parts = [weights @ part for part in self.columns()]
        return np.concatenate(parts, axis=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def unit_kernel(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel of the same vectors scaled to unit length; one of zeros stays."""
    norms = np.sqrt(np.diagonal(kernel))
    norms = np.where(norms > 0, norms, 1)
    unit: NDArray[np.float64] = kernel / norms[:, None]
    unit /= norms
    return unit
