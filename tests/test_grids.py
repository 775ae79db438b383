"""Values over a picture on another grid: means stay means, and sums stay sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspool.grids import averaged, spread

sides = st.integers(1, 9)


def test_by_hand():
    values = np.array([[1.0, 3.0], [5.0, 7.0]])
    assert averaged(values, (1, 2)).tolist() == [[3, 5]]
    assert averaged(values, (4, 2)).tolist() == [[1, 3], [1, 3], [5, 7], [5, 7]]
    assert spread(values, (1, 2)).tolist() == [[6, 10]]
    assert spread(values, (4, 2)).tolist() == [[0.5, 1.5], [0.5, 1.5], [2.5, 3.5], [2.5, 3.5]]
    # Three cells to two: the middle one lies half in either.
    assert averaged(np.array([[0.0, 6.0, 3.0]]), (1, 2)) == pytest.approx(np.array([[2, 4]]))
    assert spread(np.array([[0.0, 6.0, 3.0]]), (1, 2)) == pytest.approx(np.array([[3, 6]]))


@given(sides, sides, sides, sides, st.integers(0, 99))
def test_spreading_keeps_the_sum_and_averaging_the_mean(rows, columns, new_rows, new_columns, seed):
    values = np.random.default_rng(seed).random((rows, columns))
    size = (new_rows, new_columns)
    assert spread(values, size).sum() == pytest.approx(values.sum())
    assert averaged(values, size).mean() == pytest.approx(values.mean())
    np.testing.assert_allclose(averaged(np.full((rows, columns), 0.7), size), 0.7)
    np.testing.assert_allclose(spread(values, (rows, columns)), values)
