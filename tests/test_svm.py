"""Linear machines in the dual: equal to those in the primal, for classes and for labels that are partly unknown."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.svm import SVC

from crosspool.datasets import UNKNOWN
from crosspool.errors import DatasetError
from crosspool.svm import DualLinearSVM


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


def test_recognises_what_is_plain():
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
