"""One-vs-rest linear support vector machines, trained in the dual on a precomputed kernel."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC

from crosspool.datasets import UNKNOWN
from crosspool.errors import DatasetError

Kernel = NDArray[np.floating[Any]]


class DualLinearSVM(ClassifierMixin, BaseEstimator):
    """One linear SVM for each class, or for each label, on kernel matrices.

    As linear kernels need only inner products, training costs n^2 numbers however long the vectors are. The classes'
    scores of a vector x are `coef_ @ K(training vectors, x) + intercept_`, so the primal weights are `coef_ @ X_train`.

    `names` are the classes' names, for error sentences. `coef_` is (L, n), zero where a training vector supports
    nothing; `intercept_` is (L,).
    """

    classes_: NDArray[np.int64]
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]

    def __init__(self, C: float = 10.0, names: Sequence[str] | None = None) -> None:
        self.C = C
        self.names = names

    def fit(self, K: Kernel, y: NDArray[np.integer[Any]]) -> Self:
        """Train on K, (n, n), with y (n,) class indices, or (n, L) labels 1, 0 and UNKNOWN (left out for that label).

        Raises DatasetError for a label without both examples and counterexamples, by its name or number.
        """
        self.multi_label_ = y.ndim == 2
        self.classes_ = np.arange(y.shape[1]) if self.multi_label_ else np.unique(y)
        targets = y if self.multi_label_ else (y[:, None] == self.classes_).astype(np.int64)
        self.coef_ = np.zeros((len(self.classes_), len(K)))
        self.intercept_ = np.zeros(len(self.classes_))
        for index, target in enumerate(targets.T):
            labelled = np.flatnonzero(target != UNKNOWN)
            if len(np.unique(target[labelled])) < 2:
                number = self.classes_[index]
                label = f"Label {number}" if self.names is None else self.names[number]
                raise DatasetError(
                    f"{label} has no examples or no counterexamples to train on; leave it out, or add images."
                )
            kernel = K if len(labelled) == len(K) else K[np.ix_(labelled, labelled)]
            machine = SVC(C=self.C, kernel="precomputed").fit(kernel, target[labelled])
            self.coef_[index, labelled[machine.support_]] = machine.dual_coef_[0]
            self.intercept_[index] = machine.intercept_[0]
        return self

    def decision_function(self, K: Kernel) -> NDArray[np.float64]:
        """Scores (m, L) from the inner products (m, n) with the training vectors."""
        scores: NDArray[np.float64] = K @ self.coef_.T + self.intercept_
        return scores

    def predict(self, K: Kernel) -> NDArray[np.int64]:
        """The class with the highest score, (m,); of several labels those with a positive score, (m, L)."""
        scores = self.decision_function(K)
        return (scores > 0).astype(np.int64) if self.multi_label_ else self.classes_[scores.argmax(axis=1)]
