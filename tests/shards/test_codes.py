"""Short codes: how many bits differ says how large the angle is, and thresholds halve what they are learned from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspool.encoding import pack_ternary
from crosspool.shards import codes
from crosspool.shards.codes import Sketch, as_codes, as_numbers, distances, likenesses

LENGTH, BITS = 2000, 1024
PLAIN = Sketch(LENGTH, 5, np.zeros(BITS, np.float32))


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, np.pi))
def test_as_many_bits_differ_as_the_angle_says(seed, angle):
    """The share is angle / pi, within five standard errors of a binomial one and three bits, as planes are sparse."""
    first, other = np.linalg.qr(np.random.default_rng(seed).standard_normal((LENGTH, 2)))[0].T
    second = np.cos(angle) * first + np.sin(angle) * other
    code, turned = PLAIN.codes(np.stack([first, second]).astype(np.float32))
    share = angle / np.pi
    error = np.sqrt(share * (1 - share) / BITS)
    assert distances(code[None], turned)[0] / BITS == pytest.approx(share, abs=5 * error + 3 / BITS)


def test_learned_thresholds_halve_the_sample():
    """Whatever is common to all vectors, of which half of the bits would say nothing otherwise."""
    vectors = np.random.default_rng(0).standard_normal((101, 300)).astype(np.float32) + 5
    learned = Sketch.learned(vectors, 300, 128, seed=1)
    bits = np.unpackbits(learned.codes(vectors).view(np.uint8), axis=1)
    assert (bits.sum(axis=0) == 50).all()  # the median itself is not above it
    plain = np.unpackbits(Sketch(300, 1, np.zeros(128, np.float32)).codes(vectors).view(np.uint8), axis=1)
    assert np.abs(plain.mean(axis=0) - 0.5).mean() > 0.3


def test_the_same_seed_gives_the_same_code_alone_or_among_others():
    vectors = np.random.default_rng(0).standard_normal((7, LENGTH)).astype(np.float32)
    together = PLAIN.codes(vectors)
    assert together.shape == (7, BITS // 64)
    for vector, code in zip(vectors, together, strict=True):
        np.testing.assert_array_equal(Sketch(LENGTH, 5, PLAIN.thresholds).codes(vector[None])[0], code)
    other = Sketch(LENGTH, 6, PLAIN.thresholds).codes(vectors)
    assert not (together == other).all(axis=1).any()


@pytest.mark.filterwarnings("error::UserWarning")  # scikit-learn's, that the vectors are not made shorter
def test_there_may_be_more_bits_than_numbers():
    assert Sketch(5, 0, np.zeros(64, np.float32)).codes(np.eye(5, dtype=np.float32)).shape == (5, 1)


def test_distances_are_counted_bit_by_bit(monkeypatch):
    """Also across the chunks that are compared at a time."""
    monkeypatch.setattr(codes, "CHUNK", 3)
    given_codes = np.random.default_rng(0).integers(0, 2**64, (8, 2), np.uint64)
    expected = [sum(int(word).bit_count() for word in row ^ given_codes[4]) for row in given_codes]
    assert distances(given_codes, given_codes[4]).tolist() == expected


def test_likenesses_are_sums_over_planes():
    """Each counts by how far the vector is from it, for codes on its side and against the others."""
    above = np.zeros(64, np.float32)
    above[[0, 7, 63]] = 1, -2, 3
    code = np.array([[0b1], [1 << 63], [0b10000001], [(1 << 63) | 1]], np.uint64)
    assert likenesses(code, above).tolist() == [1 + 2 - 3, -1 + 2 + 3, 1 - 2 - 3, 1 + 2 + 3]
    assert as_codes(above[None])[0] == (1 << 63) | 1


def test_packed_vectors_become_numbers_of_unit_length():
    packed = pack_ternary(np.array([[1, 0, -1, 1, 1], [0, 0, 0, 0, 0]], np.int8))
    np.testing.assert_array_equal(as_numbers(packed, 5), [[0.5, 0, -0.5, 0.5, 0.5], [0, 0, 0, 0, 0]])
    floats = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(as_numbers(floats, 3), floats)
