"""Encodings by a codebook that is learned on training images alone: Fisher vectors of two models, and VLAD.

All are steps of an encoder, as those of `crosspool.encoding`: from records to vectors that are not normalised yet.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from crosspool.encoding import (
    PCA_SAMPLE_SIZE,
    LearnedArray,
    ProjectedStep,
    Record,
    Records,
    ShapeOf,
    Vectors,
    columns_of,
    principal_components,
    sampled_features,
)
from crosspool.errors import SettingError
from crosspool.layer_pairs import Geometry

CODE_STEPS = 20_000  # at most, of looking for a sparse code
LEAST = 1e-9  # of the weights and variances of Gaussians; scikit-learn adds 1e-6 to variances
LONGEST = 2.0  # atom of a dictionary; learned ones have at most unit length, up to rounding

Points = NDArray[np.float64]
"""Projected local features, in double precision: their sums cancel, and a root would magnify the error."""


class Codebook(ProjectedStep, ABC):
    """Records to what `encode` makes of each image's local features, projected on principal components.

    Components and codebook are fitted on one seeded sample of at most `sample` local features.

    Raises SettingError if the sample has fewer local features than `words`, or than components.
    """

    mean_: NDArray[np.float32]
    components_: NDArray[np.float32]
    codebook_: NDArray[np.float64]
    n_components: int

    def __init__(
        self,
        lower: Hashable,
        geometry: Geometry,
        words: int,
        n_components: int,
        sample: int = PCA_SAMPLE_SIZE,
        random_state: int = 0,
    ) -> None:
        self.lower = lower
        self.geometry = geometry
        self.words = words
        self.n_components = n_components
        self.sample = sample
        self.random_state = random_state

    def fit(self, X: Records, y: Any = None) -> Self:
        if not len(X):
            raise SettingError("A codebook needs at least one image to be fitted on.")
        blocks = list(sampled_features(X, self.lower, self.geometry, self.sample, self.random_state))
        count = sum(map(len, blocks))
        if count < self.words:
            raise SettingError(f"A codebook of {self.words} words cannot be learned from {count} local features.")
        self.mean_, self.components_ = principal_components(blocks, self.n_components)
        self.codebook_ = self.learn(np.concatenate([self._projected(block) for block in blocks]))
        return self

    def transform(self, X: Records) -> Vectors:
        check_is_fitted(self)
        return np.stack([self.encode(self._points(record)) for record in X]).astype(np.float32)

    def _points(self, record: Record) -> Points:
        """An image's local features, projected: (N, n_components)."""
        return self._projected(columns_of(record, self.lower, self.geometry).T.cpu().numpy())

    def _projected(self, features: Vectors) -> Points:
        return np.asarray((features - self.mean_.astype(np.float64)) @ self.components_.T, np.float64)

    @abstractmethod
    def learn(self, points: Points) -> Points:
        """The codebook, (words, columns), of projected local features, (n, n_components)."""

    @abstractmethod
    def encode(self, points: Points) -> Points:
        """The vector of an image's projected local features, (N, n_components)."""

    @property
    @abstractmethod
    def columns(self) -> int:
        """How many numbers the codebook has for each word."""

    def learned_arrays(self, shape_of: ShapeOf) -> dict[str, LearnedArray]:
        codebook = LearnedArray((self.words, self.columns), 1e8, np.float64)
        return super().learned_arrays(shape_of) | {"codebook_": codebook}


class FisherVector(Codebook):
    """Records to Fisher vectors, (n, 2 * words * n_components), of a mixture of Gaussians.

    The gradients of the log-likelihood by the means and by the standard deviations of diagonal Gaussians, scaled by the
    inverse root of the Fisher information, averaged over the local features (Perronnin, Sanchez and Mensink, ECCV 2010,
    Eq. 3 to 5; the signed square root and unit length of its section 3 are further steps).
    """

    @property
    def columns(self) -> int:
        return 1 + 2 * self.n_components  # the weight, the mean and the variances of a Gaussian

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().restore(arrays)
        weights, variances = self.codebook_[:, :1], self.codebook_[:, 1 + self.n_components :]
        if min(weights.min(), variances.min()) < LEAST:
            raise SettingError(f"A Gaussian of the codebook has a weight or a variance below {LEAST}.")

    def learn(self, points: Points) -> Points:
        mixture = GaussianMixture(self.words, covariance_type="diag", random_state=self.random_state).fit(points)
        return np.column_stack([mixture.weights_.clip(LEAST), mixture.means_, mixture.covariances_])

    def encode(self, points: Points) -> Points:
        weights, means, variances = np.split(self.codebook_, [1, 1 + self.n_components], axis=1)  # (K, 1), (K, d) twice
        shares = _shares(points, weights, means, variances) / len(points)  # (N, K)
        mass, first, second = shares.sum(axis=0)[:, None], shares.T @ points, shares.T @ points**2
        by_means = (first - mass * means) / np.sqrt(variances)
        by_deviations = (second - 2 * means * first + mass * means**2) / variances - mass
        gradients: Points = np.stack([by_means / np.sqrt(weights), by_deviations / np.sqrt(2 * weights)])
        return gradients.ravel()


def _shares(points: Points, weights: Points, means: Points, variances: Points) -> Points:
    """How likely each Gaussian made each point: (N, K)."""
    quadratic = points**2 @ (1 / variances).T - 2 * points @ (means / variances).T + (means**2 / variances).sum(axis=1)
    shares: Points = softmax(np.log(weights[:, 0]) - (np.log(variances).sum(axis=1) + quadratic) / 2, axis=1)
    return shares


class SparseFisherVector(Codebook):
    """Records to Fisher vectors, (n, words * n_components), of a sparse coding model.

    A local feature is a combination of few atoms, x = u B + noise. The gradient of its log-likelihood by the dictionary
    B, at the likeliest code u, is u^T (x - u B), up to a factor; these are summed over the local features (Liu, Shen,
    Wang, van den Hengel and Wang, NIPS 2014, section 3). Projected local features are scaled to unit length first, so
    that one weight of |u| suits all networks: 1.2 over the root of their length, after Mairal et al., ICML 2009.
    """

    @property
    def columns(self) -> int:
        return self.n_components

    @property
    def sparsity(self) -> float:
        """The weight of |u|."""
        return float(1.2 / np.sqrt(self.n_components))

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().restore(arrays)
        if np.linalg.norm(self.codebook_, axis=1).max() > LONGEST:
            raise SettingError(f"An atom of the dictionary is longer than {LONGEST}.")

    def learn(self, points: Points) -> Points:
        learning = MiniBatchDictionaryLearning(
            self.words, alpha=self.sparsity, batch_size=256, max_iter=20, fit_algorithm="cd",
            transform_max_iter=CODE_STEPS, random_state=self.random_state,
        )  # fmt: skip
        return np.asarray(learning.fit(normalize(points)).components_)

    def encode(self, points: Points) -> Points:
        units, atoms = normalize(points), self.codebook_
        codes = sparse_encode(units, atoms, algorithm="lasso_cd", alpha=self.sparsity, max_iter=CODE_STEPS)
        gradient: Points = codes.T @ (units - codes @ atoms)
        return gradient.ravel()


class Vlad(Codebook):
    """Records to VLAD, (n, words * n_components): for each centre the sum of the differences of its local features.

    Jegou, Douze, Schmid and Perez, CVPR 2010. Each centre's part is then scaled to unit length, the intra-normalisation
    of Arandjelovic and Zisserman, CVPR 2013, as a further step.
    """

    @property
    def columns(self) -> int:
        return self.n_components

    def learn(self, points: Points) -> Points:
        means = KMeans(self.words, n_init=1, random_state=self.random_state).fit(points)
        return np.asarray(means.cluster_centers_)

    def encode(self, points: Points) -> Points:
        centres = self.codebook_
        distances = np.square(centres).sum(axis=1) - 2 * points @ centres.T  # up to |x|^2
        nearest = np.eye(self.words)[distances.argmin(axis=1)]  # (N, K)
        sums: Points = nearest.T @ points - nearest.sum(axis=0)[:, None] * centres
        return sums.ravel()
