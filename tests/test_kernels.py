"""Kernels and primal weights of vectors that lie on disk, through buffers far smaller than they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import normalize

from crosspool.encoding import pack_ternary
from crosspool.kernels import VectorFile, unit_kernel


def vectors(count, length, *, seed=0, packed=False):
    """Whole numbers, of which float32 sums are exact."""
    high = 2 if packed else 9
    return np.random.default_rng(seed).integers(-high + 1, high, (count, length)).astype(np.float32)


def on_disk(values, *, packed=False, buffer=64, parts=1, folder=None):
    file = VectorFile(folder, buffer)
    for part in np.array_split(values, parts):
        file.append(pack_ternary(part.astype(np.int8)) if packed else part)
    return file


SHAPES = {
    "count": st.integers(1, 7),
    "length": st.integers(1, 40),
    "parts": st.integers(1, 4),
    "buffer": st.sampled_from([1, 16, 100, 256, 4096]),
    "packed": st.booleans(),
    "seed": st.integers(0, 2**16),
}


@given(**SHAPES)
def test_kernel_and_columns_are_those_of_the_vectors(count, length, parts, buffer, packed, seed):
    values = vectors(count, length, seed=seed, packed=packed)
    with on_disk(values, packed=packed, buffer=buffer, parts=parts) as file:
        assert file.count == count
        assert file.packed == packed
        assert file.row_bytes == (-(-length // 4) if packed else 4 * length)
        columns = list(file.columns())
        together = np.concatenate(columns, axis=1)
        assert {part.dtype for part in columns} == {np.dtype(np.float32)}
        np.testing.assert_array_equal(together[:, :length], values)
        assert not together[:, length:].any()
        np.testing.assert_array_equal(file.kernel(), values.astype(np.float64) @ values.T)


@given(**SHAPES, labels=st.integers(1, 3))
def test_combinations_are_those_of_the_vectors(count, length, parts, buffer, packed, seed, labels):
    values = vectors(count, length, seed=seed, packed=packed)
    coefficients = vectors(labels, count, seed=seed + 1).astype(np.float64)
    with on_disk(values, packed=packed, buffer=buffer, parts=parts) as file:
        combined = file.combine(coefficients)
    assert combined.dtype == np.float32
    np.testing.assert_array_equal(combined[:, :length], coefficients @ values)


@pytest.mark.parametrize(
    ("packed", "row_bytes", "buffer", "chunks"),
    [
        (False, 400, 400, 5),  # five vectors share the buffer: 80 bytes of each at a time
        (False, 400, 4096, 1),
        (True, 100, 1600, 5),  # a byte of packed values is 16 bytes of float32: 20 bytes of each
    ],
)
def test_no_more_than_the_buffer_comes_back_at_a_time(packed, row_bytes, buffer, chunks):
    values = vectors(5, 4 * row_bytes if packed else row_bytes // 4, packed=packed)
    with on_disk(values, packed=packed, buffer=buffer) as file:
        assert file.row_bytes == row_bytes
        columns = list(file.columns())
    assert len(columns) == chunks
    assert max(part.nbytes for part in columns) <= buffer


def test_columns_are_arrays_of_their_own():
    with on_disk(vectors(3, 8)) as file:
        for part in file.columns():
            part[:] = 0
        np.testing.assert_array_equal(np.concatenate(list(file.columns()), axis=1), vectors(3, 8))


def test_rows_may_be_appended_after_reading():
    values = vectors(6, 10)
    with on_disk(values[:2], buffer=32) as file:
        next(file.columns())
        file.append(values[2:])
        np.testing.assert_array_equal(file.kernel(), values @ values.T)


def test_any_layout_of_memory_is_appended_by_rows():
    values = vectors(6, 10)
    for layout in (np.asfortranarray(values), np.repeat(values, 2, axis=1)[:, ::2], values[::-1][::-1]):
        with on_disk(layout) as file:
            np.testing.assert_array_equal(np.concatenate(list(file.columns()), axis=1), values)


class Reluctant:
    """A file that takes at most five bytes at a time."""

    def __init__(self, file):
        self.file = file

    def write(self, data):
        return self.file.write(data[:5])

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_writes_until_all_is_written(monkeypatch):
    values = vectors(3, 7)
    with VectorFile() as file:
        monkeypatch.setattr(file, "_file", Reluctant(file._file))
        file.append(values)
        np.testing.assert_array_equal(file.kernel(), values @ values.T)


def test_leaves_no_file_behind(tmp_path):
    with on_disk(vectors(3, 8), folder=tmp_path) as file:
        inside = file._file
        assert not inside.closed
    assert inside.closed
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        VectorFile(tmp_path / "absent")


# --- unit length


def test_unit_kernel_by_hand():
    # The vectors (3, 4), (0, 2) and (0, 0).
    kernel = np.array([[25.0, 8, 0], [8, 4, 0], [0, 0, 0]])
    expected = np.array([[1, 0.8, 0], [0.8, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(unit_kernel(kernel), expected, rtol=1e-12)
    assert kernel[0, 0] == 25


@given(count=st.integers(1, 6), length=st.integers(1, 8), seed=st.integers(0, 2**16))
def test_unit_kernel_is_the_kernel_of_unit_vectors(count, length, seed):
    values = vectors(count, length, seed=seed).astype(np.float64)
    values[0] = 0
    unit = unit_kernel(values @ values.T)
    np.testing.assert_allclose(unit, normalize(values) @ normalize(values).T, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(unit), values.any(axis=1), atol=1e-12)
