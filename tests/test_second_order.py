"""Second-order poolings against their definitions: products, roots of matrices, and sketches of outer products."""

import numpy as np
import pytest
import torch

from crosspool import second_order
from crosspool.encoding import CrossLayerPooling
from crosspool.layer_pairs import Geometry
from crosspool.pooling import local_features
from crosspool.second_order import BilinearPooling, ISqrtCovariance, TensorSketch

THREE_BY_THREE: Geometry = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}


def random_map(channels, side, seed=0):
    return torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def record_of(**maps):
    return {name: values.numpy() for name, values in maps.items()}


def test_bilinear_by_hand():
    """Positions (1, 3) and (2, 4): the products are (1 + 4, 3 + 8, 9 + 16), of which the mean is half."""
    record = {"map": np.array([[[[1.0, 2.0]], [[3.0, 4.0]]]], np.float32)}
    assert BilinearPooling("map").transform([record]).tolist() == [[2.5, 5.5, 5.5, 12.5]]


def triangle(matrix):
    return matrix[torch.triu_indices(*matrix.shape).unbind()].numpy()


def covariance(values):
    units = values[0].flatten(1)
    return torch.cov(units, correction=0)


def test_many_iterations_are_the_square_root_of_the_covariance():
    values = random_map(6, 9)
    eigenvalues, axes = torch.linalg.eigh(covariance(values))
    root = axes @ torch.diag(eigenvalues.sqrt()) @ axes.T
    (pooled,) = ISqrtCovariance("map", iterations=30).transform([record_of(map=values)])
    np.testing.assert_allclose(pooled, triangle(root), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("iterations", [0, 1, 5])
def test_few_iterations_are_newtons_of_each_eigenvalue(iterations):
    """Also where the covariance has no full rank, as with more channels than positions."""
    values = random_map(12, 3)
    matrix = covariance(values)
    eigenvalues, axes = torch.linalg.eigh(matrix / matrix.trace())
    root, inverse = eigenvalues, torch.ones_like(eigenvalues)
    for _ in range(iterations):
        step = (3 - inverse * root) / 2
        root, inverse = root * step, step * inverse
    expected = matrix.trace().sqrt() * axes @ torch.diag(root) @ axes.T
    (pooled,) = ISqrtCovariance("map", iterations).transform([record_of(map=values)])
    np.testing.assert_allclose(pooled, triangle(expected), rtol=1e-9, atol=1e-12)


def test_a_map_without_variance_has_no_covariance():
    assert not ISqrtCovariance("map").transform([{"map": np.ones((1, 3, 4, 4), np.float32)}]).any()


def counts_of(channels, length, counts):
    return counts.integers(length, size=channels), counts.choice([-1.0, 1.0], channels)


@pytest.mark.parametrize("geometry", [None, THREE_BY_THREE], ids=["the map itself", "3x3 patches"])
def test_a_sketch_adds_each_product_to_its_place(geometry):
    """Product k, j stands at the sum of the places of k and of j, around the end, with the product of their signs."""
    length, upper, lower = 37, random_map(5, 4, seed=1), random_map(3, 4, seed=2)
    features = lower.flatten(2) if geometry is None else local_features(lower, **geometry)
    weights = upper if geometry is None else upper.clamp_min(0)
    products = weights.flatten(2)[0] @ features[0].T
    counts = np.random.default_rng(7)
    (places, signs), (more_places, more_signs) = (counts_of(size, length, counts) for size in products.shape)
    expected = np.zeros(length)
    for (k, j), product in np.ndenumerate(products.numpy()):
        expected[(places[k] + more_places[j]) % length] += signs[k] * more_signs[j] * product
    sketch = TensorSketch("upper", "lower", geometry, length, random_state=7)
    np.testing.assert_allclose(sketch.transform([record_of(upper=upper, lower=lower)])[0], expected, atol=1e-9)


@pytest.mark.parametrize("at_once", [1, 3, 7])
def test_a_sketch_is_the_same_however_many_positions_are_held_at_once(monkeypatch, at_once):
    record = record_of(upper=random_map(5, 4, seed=1), lower=random_map(3, 4, seed=2))
    sketch = TensorSketch("upper", "lower", THREE_BY_THREE, length=37)
    expected = sketch.transform([record])
    monkeypatch.setattr(second_order, "MOST_NUMBERS", 37 * at_once)
    np.testing.assert_allclose(sketch.transform([record]), expected, rtol=1e-12, atol=1e-12)


def assert_equal_on_average(first, second, sketch_of):
    """Sketches' inner products are these vectors' on average, within the variance that Pham and Pagh give."""
    length = 64
    products = [np.dot(*sketch_of(length, seed)) for seed in range(400)]
    bound = np.sqrt(8 / length) * np.linalg.norm(first) * np.linalg.norm(second)
    assert np.std(products) <= bound
    assert abs(np.mean(products) - first @ second) <= 4 * bound / np.sqrt(len(products))


def test_inner_products_of_sketches_are_those_of_p_on_average():
    geometry: Geometry = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
    records = [record_of(upper=random_map(6, 5, seed), lower=random_map(4, 5, seed + 10)) for seed in (0, 1)]
    first, second = CrossLayerPooling("lower", "upper", geometry).transform(records)
    assert_equal_on_average(
        first, second, lambda length, seed: TensorSketch("upper", "lower", geometry, length, seed).transform(records)
    )


def test_inner_products_of_sketches_of_a_signed_map_are_those_of_bilinear_pooling_on_average():
    records = [record_of(map=random_map(6, 5, seed) - 1) for seed in (0, 1)]
    first, second = 25 * BilinearPooling("map").transform(records)  # the sketch sums 25 positions
    assert_equal_on_average(
        first, second, lambda length, seed: TensorSketch("map", "map", None, length, seed).transform(records)
    )
