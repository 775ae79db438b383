"""How alike vectors are: cosines of packed vectors are those of the numbers, and their summands add up to them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspool.encoding import pack_ternary
from crosspool.shards.similarity import cosines, summands


def ternary(seed, count, length):
    return np.random.default_rng(seed).integers(-1, 2, (count, length)).astype(np.int8)


@given(st.integers(0, 2**32 - 1), st.integers(1, 100))
def test_packed_vectors_have_the_cosines_of_their_numbers(seed, length):
    """Of any length, whether it fills whole bytes and words or not."""
    values = ternary(seed, 4, length)
    found = cosines(pack_ternary(values), pack_ternary(values)[0])
    numbers = values.astype(np.float64)
    lengths = np.linalg.norm(numbers, axis=1) * np.linalg.norm(numbers[0])
    np.testing.assert_allclose(found * lengths, numbers @ numbers[0], atol=1e-12)


def test_by_hand():
    packed = pack_ternary(np.array([[1, -1, 0, 1], [1, 1, 1, 0], [-1, 1, 0, -1], [0, 0, 0, 0]], np.int8))
    np.testing.assert_allclose(cosines(packed, packed[0]), [1, 0, -1, 0], atol=1e-15)
    assert not cosines(packed, packed[3]).any()  # nothing is like an image that has no vector
    assert summands(packed[0], packed[1]).tolist() == [pytest.approx(1 / 3), pytest.approx(-1 / 3), 0, 0]
    assert not summands(packed[0], packed[3]).any()


@pytest.mark.parametrize("is_packed", [True, False])
def test_the_summands_add_up_to_the_cosine(is_packed):
    values = ternary(1, 5, 30)
    units = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    vectors = pack_ternary(values) if is_packed else units
    for vector, cosine in zip(vectors, cosines(vectors, vectors[2]), strict=True):
        parts = summands(vectors[2], vector)
        assert parts.sum() == pytest.approx(cosine, abs=1e-14)
        np.testing.assert_allclose(
            parts[:30], units[2] * units[list(map(bytes, vectors)).index(bytes(vector))], atol=1e-7
        )


def test_equal_vectors_are_equally_alike_wherever_they_stand():
    """A product of a matrix may round a row by its place in it."""
    generator = np.random.default_rng(2)
    vector, query = generator.standard_normal((2, 1283)).astype(np.float32)
    for count in (1, 2, 7, 33):
        assert len(set(cosines(np.tile(vector, (count, 1)), query).tolist())) == 1
    assert cosines(np.tile(vector, (33, 1)), query)[0] == cosines(vector[None], query)[0]
