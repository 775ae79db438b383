"""One-vs-rest linear support vector machines, trained in the dual on kernels of more vectors than fit into memory.

Vectors are written to a nameless file row by row, and read by columns: a kernel is a sum over columns, so the file is
read once, whatever the number of vectors, through a buffer of fixed size.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC

from crosspool.datasets import UNKNOWN
from crosspool.encoding import VALUES_PER_BYTE, unpack_ternary
from crosspool.errors import DatasetError

Kernel = NDArray[np.floating[Any]]
BUFFER_BYTES = 128 * 2**20
KERNEL_ROWS = 1024  # rows of a kernel computed at a time, so that a product takes little memory beside it
THREADED_IMAGES = 1000  # with fewer, scikit-learn's checks take longer than libsvm, and hold Python's lock


class VectorFile:
    """Vectors (n, d), float32 or packed in two bits a value, on disk.

    They are in a file in `folder` (None: the system's for temporary files), and read `buffer` bytes at a time.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, buffer: int = BUFFER_BYTES) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # closed by __exit__
        self._buffer = buffer
        self.row_bytes = 0  # of one vector
        self.dtype: np.dtype[np.generic] = np.dtype(np.float32)
        self.count = 0

    def append(self, vectors: NDArray[np.float32] | NDArray[np.uint8]) -> None:
        """Add rows; all have the same type and length."""
        self.put(np.arange(self.count, self.count + len(vectors)), vectors)

    def put(self, places: NDArray[np.intp], vectors: NDArray[np.float32] | NDArray[np.uint8]) -> None:
        """Write rows at their places, in any order; none must be missing in the end."""
        rows = np.ascontiguousarray(vectors)
        self.dtype, self.row_bytes = rows.dtype, rows.shape[1] * rows.itemsize
        for place, row in zip(places.tolist(), rows.view(np.uint8), strict=True):
            self._file.seek(place * self.row_bytes)
            view = row.data
            while view:  # an unbuffered file may take only a part at a time
                view = view[self._file.write(view) :]
            self.count = max(self.count, place + 1)

    @property
    def packed(self) -> bool:
        return self.dtype == np.uint8

    def columns(self) -> Iterator[NDArray[np.float32]]:
        """All vectors, some columns at a time: (n, some), float32, each time a new array."""
        for raw in self._bytes(4 * VALUES_PER_BYTE if self.packed else 1):
            yield unpack_ternary(raw).astype(np.float32) if self.packed else raw.view(np.float32)

    def _bytes(self, growth: int) -> Iterator[NDArray[np.uint8]]:
        """Some bytes of every vector at a time, (n, some), of which each takes `growth` bytes in the buffer."""
        width = max(4, self._buffer // max(1, self.count * growth) // 4 * 4)
        for start in range(0, self.row_bytes, width):
            raw = np.empty((self.count, min(width, self.row_bytes - start)), np.uint8)
            for row in range(self.count):
                self._file.seek(row * self.row_bytes + start)
                self._file.readinto(raw[row])
            yield raw

    def kernel(self, step: Callable[[], None] = lambda: None) -> NDArray[np.float64]:
        """The inner products of all vectors, (n, n).

        For packed vectors they are exact, and only some columns are unpacked at a time. `step` is called now and then,
        and may raise to stop.
        """
        kernel = np.zeros((self.count, self.count))
        integers = self.packed and multiplies_bytes()
        parts = (unpack_ternary(raw) for raw in self._bytes(VALUES_PER_BYTE)) if integers else self.columns()
        for part in parts:
            for start in range(0, self.count, KERNEL_ROWS):
                stop = start + KERNEL_ROWS
                kernel[start:stop, :stop] += inner_products(part[start:stop], part[:stop])
            step()
        for start in range(0, self.count, KERNEL_ROWS):  # the other half, by symmetry
            rows = slice(start, start + KERNEL_ROWS)
            kernel[:start, rows] = kernel[rows, :start].T
        return kernel

    def unit_kernel(self, step: Callable[[], None] = lambda: None) -> NDArray[np.float64]:
        """The same of vectors of unit length, which only packed ones are not yet."""
        kernel = self.kernel(step)
        return unit_kernel(kernel) if self.packed else kernel

    def combine(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """The vectors combined by the rows of `coefficients`, (L, n): (L, d)."""
        weights = coefficients.astype(np.float32)
        return np.concatenate([weights @ part for part in self.columns()], axis=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


@cache
def multiplies_bytes() -> bool:
    """Whether this processor has instructions for products of bytes, and this build of torch uses them."""
    processor = torch.cpu.get_capabilities()
    vnni = bool(processor.get("avx512_vnni") or processor.get("avx_vnni"))
    return vnni and torch.backends.mkldnn.is_available() and hasattr(torch, "_int_mm")


def inner_products(
    rows: NDArray[np.float32] | NDArray[np.int8], others: NDArray[np.float32] | NDArray[np.int8]
) -> NDArray[np.float32] | NDArray[np.int32]:
    """The inner products of (m, d) and (n, d), (m, n): in single precision, or of bytes in whole numbers."""
    if rows.dtype == np.int8:  # torch offers no public product of bytes; with AMX this one is 4 times as fast as floats
        product: NDArray[np.int32] = torch._int_mm(torch.from_numpy(rows), torch.from_numpy(others).T).numpy()
        return product
    return np.asarray(rows @ others.T)


def unit_kernel(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel, scaled in place to that of vectors of unit length; vectors of zeros stay as they are."""
    norms = np.sqrt(np.diagonal(kernel))
    norms = np.where(norms > 0, norms, 1)
    kernel /= norms[:, None]
    kernel /= norms
    return kernel


class DualLinearSVM(ClassifierMixin, BaseEstimator):
    """One linear SVM for each class, or for each label, on kernel matrices.

    As linear kernels need only inner products, training takes n^2 numbers however long the vectors are. The scores of
    the classes for a vector x are `coef_ @ K(training vectors, x) + intercept_`, so the primal weights are `coef_ @
    X_train`.

    `names` are the classes' names, for messages. `coef_` is (L, n), and zero where a training vector is not a support
    vector; `intercept_` is (L,).
    """

    classes_: NDArray[np.int64]
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def __init__(self, C: float = 10.0, names: Sequence[str] | None = None) -> None:
        self.C = C
        self.names = names

    def fit(self, K: Kernel, y: NDArray[np.integer[Any]]) -> Self:
        """Train on K, (n, n), and y: class indices, (n,), or labels, (n, L), of 1, 0 and UNKNOWN.

        Images of which a label is unknown are left out for that label.

        Raises DatasetError, with the name or number, for a label without examples or without counterexamples.
        """
        self.multi_label_ = y.ndim == 2
        self.classes_ = np.arange(y.shape[1]) if self.multi_label_ else np.unique(y)
        targets = y if self.multi_label_ else (y[:, None] == self.classes_).astype(np.int64)
        self.coef_ = np.zeros((len(self.classes_), len(K)))
        self.intercept_ = np.zeros(len(self.classes_))
        self._check_examples(targets)
        # libsvm lets go of Python's lock.
        with ThreadPoolExecutor(torch.get_num_threads() if len(K) >= THREADED_IMAGES else 1) as pool:
            for index, (support, coefficients, intercept) in enumerate(pool.map(partial(self._trained, K), targets.T)):
                self.coef_[index, support] = coefficients
                self.intercept_[index] = intercept
        return self

    def _check_examples(self, targets: NDArray[np.integer[Any]]) -> None:
        for index, target in enumerate(targets.T):
            if len(np.unique(target[target != UNKNOWN])) < 2:
                number = self.classes_[index]
                label = f"Label {number}" if self.names is None else self.names[number]
                problem = f"{label} has no examples or no counterexamples to train on"
                raise DatasetError(f"{problem}; leave it out, or add images.")

    def _trained(
        self, K: Kernel, target: NDArray[np.integer[Any]]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        """One label's support vectors, their coefficients, and its intercept."""
        labelled = np.flatnonzero(target != UNKNOWN)
        kernel = K if len(labelled) == len(K) else K[np.ix_(labelled, labelled)]
        machine = SVC(C=self.C, kernel="precomputed").fit(kernel, target[labelled])
        return labelled[machine.support_], machine.dual_coef_[0], float(machine.intercept_[0])

    def decision_function(self, K: Kernel) -> NDArray[np.float64]:
        """The scores, (m, L), from the inner products with the training vectors, (m, n)."""
        return np.asarray(K @ self.coef_.T + self.intercept_)

    def predict(self, K: Kernel) -> NDArray[np.int64]:
        """The class with the highest score, (m,); with several labels at once, those with a positive score, (m, L)."""
        scores = self.decision_function(K)
        return (scores > 0).astype(np.int64) if self.multi_label_ else self.classes_[scores.argmax(axis=1)]
