"""Fisher vectors and VLAD against slow references, learned on a seeded sample of training images."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.mixture import GaussianMixture

from crosspool.codebooks import FisherVector, SparseFisherVector, Vlad
from crosspool.errors import SettingError
from crosspool.layer_pairs import Geometry
from crosspool.pooling import local_features
from tests.images import random_record

ONE_BY_ONE: Geometry = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
KINDS = [FisherVector, SparseFisherVector, Vlad]
RECORDS = [random_record(seed) for seed in range(6)]


def fitted(kind, **parameters):
    return kind("lower", ONE_BY_ONE, words=3, n_components=2, **parameters).fit(RECORDS[:5])


def points_of(step, record):
    """An image's local features, projected."""
    patches = local_features(torch.from_numpy(record["lower"]), **ONE_BY_ONE)
    units = np.concatenate([view.T.numpy() for view in patches]).astype(np.float64)
    return (units - step.mean_) @ step.components_.T.astype(np.float64)


def gaussians_of(step):
    """Weights, means and variances."""
    return step.codebook_[:, 0], *np.split(step.codebook_[:, 1:], 2, axis=1)


def test_fisher_vectors_are_scaled_gradients_of_the_likelihood():
    """Point by point and Gaussian by Gaussian, as the paper writes them."""
    step = fitted(FisherVector)
    points, (weights, means, variances) = points_of(step, RECORDS[5]), gaussians_of(step)
    deviations = np.sqrt(variances)
    by_means, by_deviations = np.zeros_like(means), np.zeros_like(means)
    for point in points:
        likely = [
            weight * multivariate_normal.pdf(point, mean, np.diag(deviation**2))
            for weight, mean, deviation in zip(weights, means, deviations, strict=True)
        ]
        for k, share in enumerate(np.array(likely) / sum(likely)):
            apart = (point - means[k]) / deviations[k]
            by_means[k] += share * apart / np.sqrt(weights[k]) / len(points)
            by_deviations[k] += share * (apart**2 - 1) / np.sqrt(2 * weights[k]) / len(points)
    expected = np.concatenate([by_means.ravel(), by_deviations.ravel()])
    np.testing.assert_allclose(step.transform([RECORDS[5]])[0], expected, rtol=1e-4, atol=1e-5)


def test_fisher_vectors_are_scikit_images():
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is not installed")
    step = fitted(FisherVector)
    mixture = GaussianMixture(step.words, covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = gaussians_of(step)
    mixture.precisions_cholesky_ = 1 / np.sqrt(mixture.covariances_)
    theirs = feature.fisher_vector(points_of(step, RECORDS[5]), mixture)[step.words :]  # without that by the weights
    theirs[len(theirs) // 2 :] *= -1  # it has the derivatives by the deviations with the opposite sign
    np.testing.assert_allclose(step.transform([RECORDS[5]])[0], theirs, rtol=1e-4, atol=1e-5)


def test_vlad_sums_the_differences_from_the_nearest_centre():
    step = fitted(Vlad)
    expected = np.zeros((3, 2))
    for point in points_of(step, RECORDS[5]):
        k = np.linalg.norm(step.codebook_ - point, axis=1).argmin()
        expected[k] += point - step.codebook_[k]
    np.testing.assert_allclose(step.transform([RECORDS[5]])[0], expected.ravel(), rtol=1e-4, atol=1e-4)


def log_likelihood(points, codes, atoms):
    """Of local features given their codes, up to constants."""
    return -0.5 * np.square(points - codes @ atoms).sum()


def test_sparse_fisher_vectors_are_gradients_by_the_dictionary():
    """By differences, with every code the minimum of |x - u B|^2 / 2 + weight |u|: each number of it is looked for."""
    step = fitted(SparseFisherVector)
    points, atoms, weight = points_of(step, RECORDS[5]), step.codebook_, step.sparsity
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    codes = np.zeros((len(points), len(atoms)))
    for _ in range(500):  # coordinate descent, one number at a time
        for k, atom in enumerate(atoms):
            without = points - codes @ atoms + codes[:, [k]] * atom
            product = without @ atom
            codes[:, k] = np.sign(product) * np.maximum(np.abs(product) - weight, 0) / (atom @ atom)
    small, expected = 1e-5, np.zeros_like(atoms)
    for place in np.ndindex(atoms.shape):
        moved = [atoms.copy(), atoms.copy()]
        moved[0][place] += small
        moved[1][place] -= small
        ahead, behind = (log_likelihood(points, codes, each) for each in moved)
        expected[place] = (ahead - behind) / (2 * small)
    assert (codes == 0).any()
    np.testing.assert_allclose(step.transform([RECORDS[5]])[0], expected.ravel(), atol=2e-3)


def test_a_vector_for_each_region_is_a_local_feature():
    vectors = [np.random.default_rng(seed).random((7, 4)).astype(np.float32) for seed in range(5)]
    flat = [{"lower": each} for each in vectors]
    maps = [{"lower": each.T[None, :, :, None].copy()} for each in vectors]
    made = [SparseFisherVector("lower", ONE_BY_ONE, words=3, n_components=2).fit(each) for each in (flat, maps)]
    assert made[0].transform(flat).shape == (5, 6)
    np.testing.assert_allclose(np.abs(made[0].mean_), np.abs(made[1].mean_), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_codebook_is_learned_again_alike(kind):
    first = fitted(kind)
    np.testing.assert_array_equal(first.transform(RECORDS), clone(first).fit(RECORDS[:5]).transform(RECORDS))
    assert not np.array_equal(first.transform(RECORDS), clone(first).fit(RECORDS[1:]).transform(RECORDS))


@pytest.mark.parametrize("kind", KINDS)
def test_too_little_to_learn_from_is_refused(kind):
    with pytest.raises(SettingError, match="at least one image"):
        kind("lower", ONE_BY_ONE, 3, 2).fit([])
    with pytest.raises(SettingError, match="codebook of 3 words cannot be learned from 2 local features"):
        kind("lower", ONE_BY_ONE, 3, 2, sample=2).fit(RECORDS)


@pytest.mark.parametrize(("place", "least"), [(0, 1e-300), (0, 0.0), (-1, 1e-300), (-1, -1.0)])
def test_gaussians_that_give_no_finite_vectors_are_refused(place, least):
    step = fitted(FisherVector)
    step.restore(step.learned())
    codebook = step.codebook_.copy()
    codebook[0, place] = least
    with pytest.raises(SettingError, match="a weight or a variance below 1e-09"):
        step.restore(step.learned() | {"codebook_": codebook})


def test_atoms_have_at_most_unit_length_and_longer_ones_are_refused():
    step = fitted(SparseFisherVector)
    assert np.linalg.norm(step.codebook_, axis=1).max() <= 1 + 1e-6
    step.restore(step.learned())
    with pytest.raises(SettingError, match="longer than 2"):
        step.restore(step.learned() | {"codebook_": 3 * step.codebook_ + 1})
