"""Correlations of maps over the places of an image: literal ones, and those of a slow reference."""

import numpy as np
import pytest

from crosspool import map_matching
from crosspool.map_matching import MapMatch, best_by_chance, best_matches, map_correlations

LEFT = np.array([[1, 0], [0, 0]], np.float32)  # strong in the upper left corner


def resampled(weights, rows, columns):
    """Bilinear, one cell at a time: cells have their values at their centres, and beyond the outer ones the same."""
    result = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            places = [
                min(max((index + 0.5) * own / new - 0.5, 0), own - 1)
                for index, own, new in ((row, weights.shape[0], rows), (column, weights.shape[1], columns))
            ]
            for down in range(weights.shape[0]):
                for across in range(weights.shape[1]):
                    share = max(1 - abs(places[0] - down), 0) * max(1 - abs(places[1] - across), 0)
                    result[row, column] += share * weights[down, across]
    return result


def slowly(weights, other):
    rows, columns = max(weights.shape[0], other.shape[0]), max(weights.shape[1], other.shape[1])
    if np.ptp(weights) == 0 or np.ptp(other) == 0:
        return 0.0
    return np.corrcoef(*(resampled(each, rows, columns).ravel() for each in (weights, other)))[0, 1]


def test_maps_of_one_grid():
    others = np.array([[[5, 1], [1, 1]], [[0, 2], [2, 2]], [[0, 1], [0, 0]], [[3, 3], [3, 3]]], np.float32)
    assert map_correlations(LEFT, others) == pytest.approx([1, -1, -1 / 3, 0])


@pytest.mark.parametrize(("own", "theirs"), [((2, 3), (5, 4)), ((6, 6), (2, 2)), ((4, 4), (4, 4)), ((1, 5), (3, 1))])
def test_the_slow_reference_says_the_same(monkeypatch, own, theirs):
    random = np.random.default_rng(0)
    weights = random.random(own, np.float32)
    others = random.random((7, *theirs), np.float32)
    others[2] = 0.25
    expected = [slowly(weights, other) for other in others]
    assert map_correlations(weights, others) == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr(map_matching, "BLOCK_NUMBERS", 60)  # a few maps at a time
    assert map_correlations(weights, others) == pytest.approx(expected, abs=1e-6)


def test_the_same_map_at_twice_the_size_is_found():
    others = np.random.default_rng(1).random((6, 8, 8), np.float32)
    others[4] = resampled(LEFT, 8, 8)
    (best, _) = best_matches(map_correlations(LEFT, others), 2)
    assert best.channel == 4
    assert best.correlation == pytest.approx(1.0)


def test_equal_matches_come_in_the_order_of_channels():
    found = best_matches(np.array([0.5, 0.75, 0.5, -1.0]), 3)
    assert found == [MapMatch(1, 0.75), MapMatch(0, 0.5), MapMatch(2, 0.5)]
    assert best_matches(np.zeros(0), 5) == []


def test_the_best_by_chance_grows_with_the_number_of_maps_and_is_that_of_shuffled_cells():
    rng = np.random.default_rng(1)
    weights, others = rng.random((4, 4), np.float32), rng.random((300, 4, 4), np.float32)
    chance = best_by_chance(weights, others)
    shuffled = [rng.permutation(weights.ravel()).reshape(4, 4) for _ in range(200)]
    assert chance == pytest.approx(np.mean([map_correlations(each, others).max() for each in shuffled]), abs=0.04)
    assert best_by_chance(weights, others[:3]) < chance - 0.2
    assert best_by_chance(weights, others) == chance  # the same each time
    assert best_by_chance(np.ones((4, 4), np.float32), others) == 0
