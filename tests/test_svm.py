"""Linear machines in the dual, and kernels of vectors on disk: equal to those in the primal and in memory."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.preprocessing import normalize
from sklearn.svm import SVC

from crosspool import svm
from crosspool.datasets import UNKNOWN
from crosspool.encoding import pack_ternary
from crosspool.errors import DatasetError
from crosspool.svm import DualLinearSVM, VectorFile, unit_kernel


def clouds(count=30, classes=3, length=6, seed=0):
    """Vectors around a point for each class, mingled a little; and their classes."""
    generator = np.random.default_rng(seed)
    y = np.arange(count) % classes
    return generator.standard_normal((classes, length))[y] + 0.8 * generator.standard_normal((count, length)), y


X, Y = clouds()
NEW, _ = clouds(seed=1)
K, K_NEW = X @ X.T, NEW @ X.T


def test_two_points_by_hand():
    """Of -1 and +1 the widest margin is that of the score x itself."""
    machine = DualLinearSVM().fit(np.array([[1.0, -1], [-1, 1]]), np.array([0, 1]))
    np.testing.assert_allclose(machine.coef_, [[0.5, -0.5], [-0.5, 0.5]], atol=1e-6)
    np.testing.assert_allclose(machine.intercept_, [0, 0], atol=1e-6)
    # The point 3 has the inner products -3 and 3 with the two.
    np.testing.assert_allclose(machine.decision_function(np.array([[-3.0, 3]])), [[-3, 3]], atol=1e-5)


def test_c_bounds_the_coefficients():
    machine = DualLinearSVM(C=0.125).fit(np.array([[1.0, -1], [-1, 1]]), np.array([0, 1]))
    np.testing.assert_allclose(machine.coef_, [[0.125, -0.125], [-0.125, 0.125]], atol=1e-9)


@pytest.mark.parametrize("C", [0.01, 1.0, 10.0])
def test_each_class_against_the_rest_as_in_the_primal(C):
    machine = DualLinearSVM(C).fit(K, Y)
    scores = machine.decision_function(K_NEW)
    assert scores.shape == (len(NEW), 3)
    weights = machine.coef_ @ X
    np.testing.assert_allclose(NEW @ weights.T + machine.intercept_, scores, atol=1e-9)
    for k in range(3):
        primal = SVC(kernel="linear", C=C, tol=1e-6).fit(X, k == Y)
        np.testing.assert_allclose(scores[:, k], primal.decision_function(NEW), atol=2e-2)
        np.testing.assert_allclose(weights[k], primal.coef_[0], atol=1e-2)
    np.testing.assert_array_equal(machine.predict(K_NEW), scores.argmax(axis=1))


def test_separable_classes_are_recognised():
    assert (DualLinearSVM().fit(K, Y).predict(K) == Y).mean() > 0.9


def test_two_classes_score_opposite():
    some = Y < 2
    scores = DualLinearSVM().fit(K[np.ix_(some, some)], Y[some]).decision_function(K_NEW[:, some])
    np.testing.assert_allclose(scores[:, 0], -scores[:, 1], atol=1e-2)


def test_classes_without_examples_are_left_out():
    some = Y != 1
    machine = DualLinearSVM().fit(K[np.ix_(some, some)], Y[some])
    assert machine.classes_.tolist() == [0, 2]
    assert machine.coef_.shape == (2, some.sum())
    assert set(machine.predict(K_NEW[:, some])) == {0, 2}


def test_labels_are_trained_one_by_one():
    labels = np.stack([Y == 0, Y != 1, X[:, 0] > 0], axis=1).astype(int)
    machine = DualLinearSVM().fit(K, labels)
    assert machine.classes_.tolist() == [0, 1, 2]
    scores = machine.decision_function(K_NEW)
    for label in range(3):
        alone = DualLinearSVM().fit(K, labels[:, [label]])
        np.testing.assert_allclose(scores[:, [label]], alone.decision_function(K_NEW), atol=1e-12)
    np.testing.assert_array_equal(machine.predict(K_NEW), scores > 0)


def test_unknown_entries_are_as_if_absent():
    labels = np.stack([Y == 0, Y == 1], axis=1).astype(int)
    unknown = np.arange(len(Y)) % 4 == 1
    labels[unknown, 1] = UNKNOWN
    machine = DualLinearSVM().fit(K, labels)
    known = ~unknown
    without = DualLinearSVM().fit(K[np.ix_(known, known)], labels[known][:, [1]])
    expected = without.decision_function(K_NEW[:, known])[:, 0]
    np.testing.assert_allclose(machine.decision_function(K_NEW)[:, 1], expected, atol=1e-12)
    assert not machine.coef_[1, unknown].any()
    assert machine.coef_[0, unknown].any()  # the other label knows of them
    # Neither as counterexamples nor as examples.
    assert not np.allclose(expected, DualLinearSVM().fit(K, abs(labels)).decision_function(K_NEW)[:, 1])
    assert not np.allclose(expected, DualLinearSVM().fit(K, labels.clip(0)).decision_function(K_NEW)[:, 1])


@pytest.mark.parametrize(
    ("targets", "label"),
    [
        (np.zeros(30, int), 0),
        (np.full(30, 4), 4),
        (np.stack([Y == 0, Y >= 0], axis=1).astype(int), 1),
        (np.stack([Y == 0, Y < 0], axis=1).astype(int), 1),
        (np.where(Y == 0, UNKNOWN, 1)[:, None], 0),
        (np.full((30, 1), UNKNOWN), 0),
    ],
    ids=["one class", "another class", "no counterexample", "no example", "the rest unknown", "all unknown"],
)
def test_a_label_that_cannot_be_learned(targets, label):
    with pytest.raises(DatasetError, match=f"Label {label} has no examples or no counterexamples"):
        DualLinearSVM().fit(K, targets)


def test_in_threads_as_one_by_one(monkeypatch):
    """And as scikit-learn's machine for each class by itself."""
    alone = DualLinearSVM().fit(K, Y)
    monkeypatch.setattr(svm, "THREADED_IMAGES", 0)
    machine = DualLinearSVM().fit(K, Y)
    np.testing.assert_array_equal(machine.coef_, alone.coef_)
    scores = machine.decision_function(K_NEW)
    for k in range(3):
        reference = SVC(C=10, kernel="precomputed").fit(K, k == Y)
        np.testing.assert_allclose(scores[:, k], reference.decision_function(K_NEW), rtol=0, atol=1e-12)


def test_leaves_its_arguments_alone():
    kernel, labels = K.copy(), np.stack([Y == 0, Y == 1], axis=1).astype(int)
    labels[0] = UNKNOWN
    copy = labels.copy()
    DualLinearSVM().fit(kernel, labels).predict(kernel)
    np.testing.assert_array_equal(kernel, K)
    np.testing.assert_array_equal(labels, copy)


def test_is_an_estimator_of_scikit_learn():
    machine = DualLinearSVM(3.0).fit(K, Y)
    copy = clone(machine)
    assert copy.get_params() == {"C": 3.0, "names": None}
    assert not hasattr(copy, "coef_")
    np.testing.assert_array_equal(copy.fit(K, Y).coef_, machine.coef_)
    assert copy.set_params(C=1.0).C == 1.0


# --- vectors on disk


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


PRODUCTS = pytest.mark.parametrize("integers", [False, True], ids=["floats", "bytes"])


@PRODUCTS
@pytest.mark.parametrize("rows", [1, 3, 5, 16, 37])
def test_kernels_are_the_same_in_blocks_of_any_size(rows, integers, monkeypatch):
    """Whatever multiplies them: sums of -1, 0 and 1 are exact either way."""
    monkeypatch.setattr(svm, "KERNEL_ROWS", rows)
    monkeypatch.setattr(svm, "multiplies_bytes", lambda: integers)
    for packed, count, length in itertools.product([False, True], [1, 16, 37], [1, 63, 1025]):
        values = vectors(count, length, packed=packed)
        with on_disk(values, packed=packed, buffer=4096) as file:
            np.testing.assert_array_equal(file.kernel(), values.astype(np.float64) @ values.T)


@PRODUCTS
def test_products_of_long_ternary_vectors_are_exact(integers, monkeypatch):
    """Of all ones, where 16 bits would overflow, and of opposite signs."""
    monkeypatch.setattr(svm, "multiplies_bytes", lambda: integers)
    length = 409_600
    values = np.ones((3, length), np.int8)
    values[1] = -1
    values[2, ::2] = 0
    with VectorFile() as file:
        file.append(pack_ternary(values))
        half = length // 2
        np.testing.assert_array_equal(
            file.kernel(), [[length, -length, half], [-length, length, -half], [half, -half, half]]
        )


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
    assert unit_kernel(kernel) is kernel
    np.testing.assert_allclose(kernel, expected, rtol=1e-12)


@given(count=st.integers(1, 6), length=st.integers(1, 8), seed=st.integers(0, 2**16))
def test_unit_kernel_is_the_kernel_of_unit_vectors(count, length, seed):
    values = vectors(count, length, seed=seed).astype(np.float64)
    values[0] = 0
    unit = unit_kernel(values @ values.T)
    np.testing.assert_allclose(unit, normalize(values) @ normalize(values).T, atol=1e-12)
    np.testing.assert_allclose(np.diagonal(unit), values.any(axis=1), atol=1e-12)
