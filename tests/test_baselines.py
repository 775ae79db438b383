"""Fully-connected activations over views, and maps pooled by themselves, against slow loops."""

from math import ceil, floor

import numpy as np
import pytest
from sklearn.base import clone

from crosspool.backbones import load_backbone
from crosspool.baselines import (
    PYRAMID_LEVELS,
    GeneralizedMean,
    MapPooling,
    MeanOverViews,
    SelectedPooling,
    TurnNormalizer,
)
from crosspool.framing import Source
from crosspool.fully_connected import fully_connected_layers
from crosspool.records import compute_record
from tests.images import random_record
from tests.networks import sample


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu")


# --- vectors over views


def array_of(backbone, node, views="whole", size=128):
    source = Source(node, size, views, "squash")
    return compute_record(backbone, sample(), [source])[source]


def test_mean_over_views_by_hand():
    records = [{"fc": np.array([[1, -4], [3, 0]], np.float32)}, {"fc": np.array([[5, 5]], np.float32)}]
    assert MeanOverViews("fc").transform(records).tolist() == [[2, -2], [5, 5]]
    # Signed roots (1, -2) and (sqrt 3, 0), each of unit length, and then their mean.
    expected = [[(1 / np.sqrt(5) + 1) / 2, -2 / np.sqrt(5) / 2], [np.sqrt(0.5), np.sqrt(0.5)]]
    np.testing.assert_allclose(MeanOverViews("fc", 0.5).transform(records), expected, rtol=1e-6)


def test_a_jittered_vector_is_the_mean_of_its_views_vectors(lite0):
    node = fully_connected_layers(lite0.architecture.layout())[0].node
    jittered = array_of(lite0, node, "jitter")
    assert jittered.shape == (10, 1280)
    (vector,) = MeanOverViews("views").transform([{"views": jittered}])
    np.testing.assert_allclose(vector, jittered.sum(0) / 10, rtol=1e-4, atol=1e-6)


def test_a_single_view_is_its_own_mean():
    record = {"fc": np.random.default_rng(0).standard_normal((1, 6)).astype(np.float32)}
    np.testing.assert_array_equal(MeanOverViews("fc").transform([record]), record["fc"])


# --- one map by itself


def pool_by_loop(views, how, levels):
    """Cells (D, sum of levels^2), channel by channel, from the floor of each one's start to the ceiling of its end."""
    rows, columns = views.shape[2:]
    pooled = []
    for channel in range(views.shape[1]):
        for level in levels:
            for i in range(level):
                for j in range(level):
                    cell = views[
                        :,
                        channel,
                        floor(i * rows / level) : ceil((i + 1) * rows / level),
                        floor(j * columns / level) : ceil((j + 1) * columns / level),
                    ]
                    pooled.append(cell.max() if how == "max" else cell.sum())
    return pooled


def maps(side=8, views=1):
    return random_record(0, ("map",), channels=(3,), side=side, views=views)


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("how", ["sum", "max"])
@pytest.mark.parametrize("levels", [(1,), (2,), PYRAMID_LEVELS, (4, 1)])
def test_equals_the_loop(how, levels, views):
    record = maps(views=views)
    pooled = MapPooling("map", how, levels).transform([record])
    np.testing.assert_allclose(pooled[0], pool_by_loop(record["map"], how, levels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [1, 3, 5, 7, 13])
def test_maps_that_cannot_be_divided_evenly(side):
    record = maps(side)
    pooled = MapPooling("map", "max", PYRAMID_LEVELS).transform([record])
    np.testing.assert_array_equal(pooled[0], np.array(pool_by_loop(record["map"], "max", PYRAMID_LEVELS), np.float32))
    summed = MapPooling("map", "sum").transform([record])
    np.testing.assert_allclose(summed[0], record["map"].sum((0, 2, 3)), rtol=1e-4, atol=1e-4)


def test_pooling_by_hand():
    record = {"map": np.array([[[[1, 2], [3, 4]], [[-1, -5], [0, -2]]]], np.float32)}
    assert MapPooling("map", "sum").transform([record]).tolist() == [[10, -8]]
    assert MapPooling("map", "max").transform([record]).tolist() == [[4, 0]]
    assert MapPooling("map", "max", (1, 2)).transform([record]).tolist() == [[4, 1, 2, 3, 4, 0, -1, -5, 0, -2]]


@pytest.mark.parametrize("side", [7, 8])
def test_a_pyramids_levels_hold_each_other(side):
    record = maps(side)
    pyramid = MapPooling("map", "max", PYRAMID_LEVELS).transform([record]).reshape(3, 21)
    direct = MapPooling("map", "max").transform([record])[0]
    np.testing.assert_array_equal(pyramid[:, 0], direct)
    np.testing.assert_array_equal(pyramid[:, 1:5].max(axis=1), direct)
    np.testing.assert_array_equal(pyramid[:, 5:].max(axis=1), direct)


def test_generalised_means_by_hand():
    record = {"map": np.array([[[[1, 2], [2, -3]], [[0, 0], [0, 0]]]], np.float32)}
    np.testing.assert_allclose(GeneralizedMean("map", 3).transform([record]), [[(17 / 4) ** (1 / 3), 0]], rtol=1e-6)


@pytest.mark.parametrize("views", [1, 3])
def test_generalised_means_go_from_the_mean_to_the_maximum(views):
    record = {"map": np.abs(maps(views=views)["map"])}
    means = np.stack([GeneralizedMean("map", p).transform([record])[0] for p in (1, 1.5, 3, 20)])
    np.testing.assert_allclose(means[0], record["map"].mean(axis=(0, 2, 3)), rtol=1e-5)
    most = record["map"].max(axis=(0, 2, 3))
    assert (np.diff(means, axis=0) > 0).all()
    assert (means[-1] < most).all()
    np.testing.assert_allclose(means[-1], most, rtol=0.3)


def test_the_selected_region_is_the_largest_connected_one():
    """Two cells of the upper left hang together at a corner; the brightest, at the lower right, stands alone."""
    first = np.array([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 9]], np.float32)
    second = np.array([[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 7, 0, 0]], np.float32)
    record = {"map": np.stack([first, second])[None]}
    second[3, 1] = 0
    assert SelectedPooling("map").transform([record]).tolist() == [[3, 3, 1.5, 2]]


def test_an_even_map_is_selected_whole():
    record = {"map": np.full((1, 2, 3, 3), 2, np.float32)}
    assert SelectedPooling("map").transform([record]).tolist() == [[2, 2, 2, 2]]


def test_vectors_that_take_turns_get_unit_length():
    vectors = np.array([[3, 0, 4, 0, 0, 0]], np.float32)  # (3, 4, 0) and (0, 0, 0)
    assert TurnNormalizer(2).transform(vectors).tolist() == [[0.6000000238418579, 0, 0.800000011920929, 0, 0, 0]]


@pytest.mark.parametrize(
    "transformer",
    [
        MeanOverViews("map"),
        MeanOverViews("map", 0.5),
        MapPooling("map", "max"),
        GeneralizedMean("map"),
        SelectedPooling("map"),
    ],
)
def test_leaves_records_alone_and_can_be_cloned(transformer):
    record = maps(views=2) if isinstance(transformer, MapPooling) else {"map": maps(views=2)["map"].reshape(2, -1)}
    copy = record["map"].copy()
    first = transformer.fit([record]).transform([record])
    np.testing.assert_array_equal(record["map"], copy)
    assert not np.shares_memory(first, record["map"])
    np.testing.assert_array_equal(clone(transformer).transform([record]), first)
