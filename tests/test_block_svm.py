"""Linear machines trained block by block: those of liblinear, whatever the blocks."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from crosspool import block_svm
from crosspool.block_svm import BlockLinearSVM, Pass
from crosspool.errors import DatasetError
from tests.test_svm import clouds

X, Y = clouds(count=60, length=8)
X = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


def blocks_of(vectors, size):
    """Blocks of so many rows, in another order in each pass."""

    def blocks(number):
        order = np.random.default_rng(number).permutation(len(vectors))
        for start in range(0, len(vectors), size):
            part = order[start : start + size]
            yield part, vectors[part]

    return blocks


def fitted(size, *, vectors=X, y=Y, each=lambda done: None, **settings):
    return BlockLinearSVM(**settings).fit(blocks_of(vectors, size), y, vectors.shape[1], each)


def test_two_points_by_hand():
    """The widest margin between -1 and +1, whose intercept is zero, is that of the score x."""
    machine = fitted(1, vectors=np.array([[-1.0], [1]], np.float32), y=np.array([0, 1]))
    np.testing.assert_allclose(machine.weights_, [[-1], [1]], atol=1e-3)
    np.testing.assert_allclose(machine.intercept_, [0, 0], atol=1e-3)
    np.testing.assert_allclose(machine.scores(np.array([[3.0]], np.float32)), [[-3, 3]], atol=1e-2)


@pytest.mark.parametrize("size", [1, 7, 60])
def test_liblinear_finds_the_same(monkeypatch, size):
    monkeypatch.setattr(block_svm, "LEAST_GAIN", 1e-7)
    machine = fitted(size, C=1.0)
    slow = LinearSVC(C=1.0, loss="hinge", intercept_scaling=block_svm.INTERCEPT_SCALE, tol=1e-8, max_iter=100_000)
    slow.fit(X, Y)
    np.testing.assert_allclose(machine.weights_, slow.coef_, atol=0.02 * np.abs(slow.coef_).max())
    np.testing.assert_allclose(machine.intercept_, slow.intercept_, atol=0.02 * np.abs(slow.coef_).max())


def test_every_pass_raises_the_objective_by_less_until_it_is_little():
    passes: list[Pass] = []
    fitted(7, each=passes.append)
    assert [done.number for done in passes] == list(range(len(passes)))
    assert passes[0].gain == 1
    assert all(done.gain > 0 for done in passes)
    assert [done.is_last for done in passes] == [False] * (len(passes) - 1) + [True]


def test_passes_end_at_last(monkeypatch):
    monkeypatch.setattr(block_svm, "MOST_PASSES", 2)
    passes: list[Pass] = []
    fitted(7, each=passes.append)
    assert len(passes) == 2


def test_a_seed_gives_the_same_bits():
    first, again, other = (fitted(7, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.weights_, again.weights_)
    np.testing.assert_array_equal(first.intercept_, again.intercept_)
    assert (first.weights_ != other.weights_).any()


def test_a_class_without_examples_has_no_machine():
    machine = fitted(7, y=np.where(Y == 1, 5, Y))
    assert machine.classes_.tolist() == [0, 2, 5]
    assert machine.scores(X).shape == (60, 3)


def test_a_single_class_is_named():
    with pytest.raises(DatasetError, match="only images of wren to train on; add images of another class"):
        fitted(7, y=np.zeros(60, int), names=["wren"])
