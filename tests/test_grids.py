"""Values over an image on another grid: means stay means, and sums stay sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspool.grids import average_over_cells, largest_cells, spread_over_cells

sides = st.integers(1, 9)


def test_by_hand():
    values = np.array([[1.0, 3.0], [5.0, 7.0]])
    assert average_over_cells(values, (1, 2)).tolist() == [[3, 5]]
    assert average_over_cells(values, (4, 2)).tolist() == [[1, 3], [1, 3], [5, 7], [5, 7]]
    assert spread_over_cells(values, (1, 2)).tolist() == [[6, 10]]
    assert spread_over_cells(values, (4, 2)).tolist() == [[0.5, 1.5], [0.5, 1.5], [2.5, 3.5], [2.5, 3.5]]
    # Three cells to two: the middle one lies half in either.
    assert average_over_cells(np.array([[0.0, 6.0, 3.0]]), (1, 2)) == pytest.approx(np.array([[2, 4]]))
    assert spread_over_cells(np.array([[0.0, 6.0, 3.0]]), (1, 2)) == pytest.approx(np.array([[3, 6]]))


@given(sides, sides, sides, sides, st.integers(0, 99))
def test_spreading_keeps_the_sum_and_averaging_the_mean(rows, columns, new_rows, new_columns, seed):
    values = np.random.default_rng(seed).random((rows, columns))
    size = (new_rows, new_columns)
    assert spread_over_cells(values, size).sum() == pytest.approx(values.sum())
    assert average_over_cells(values, size).mean() == pytest.approx(values.mean())
    np.testing.assert_allclose(average_over_cells(np.full((rows, columns), 0.7), size), 0.7)
    np.testing.assert_allclose(spread_over_cells(values, (rows, columns)), values)


def test_where_values_are_largest():
    assert largest_cells(np.array([[1.0, 6.0], [6.0 - 1e-7, 2.0]])) == [(0, 1), (1, 0)]
    assert largest_cells(np.array([[1.0, 2.0], [-3.0, 2.0]])) == [(1, 0)]
