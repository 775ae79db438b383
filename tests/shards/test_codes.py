"""Short codes: how many bits differ says how large the angle is, and thresholds halve what they are learned from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspool.encoding import pack_ternary
from crosspool.shards import codes
from crosspool.shards.codes import Sketch, as_codes, as_numbers, distances, likenesses

LENGTH, BITS = 200, 1024
EVERY, ZEROS = np.eye(LENGTH, dtype=np.float32), np.zeros(BITS, np.float32)
PLAIN = Sketch(EVERY, ZEROS, seed=5)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, np.pi))
def test_as_many_bits_differ_as_the_angle_says(seed, angle):
    """The share is angle / pi, within five standard errors of a binomial one and three bits."""
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
    alone = np.concatenate([learned.codes(vector[None]) for vector in vectors])
    bits = np.unpackbits(alone.view(np.uint8), axis=1)
    assert set(bits.sum(axis=0)) <= {50, 51}  # rounding puts the median itself on either side
    plain = np.unpackbits(Sketch(learned.directions, ZEROS[:128], 1).codes(vectors).view(np.uint8), axis=1)
    assert np.abs(plain.mean(axis=0) - 0.5).mean() > 0.3


def test_the_same_seed_gives_the_same_code_alone_or_among_others():
    vectors = np.random.default_rng(0).standard_normal((7, LENGTH)).astype(np.float32)
    together = PLAIN.codes(vectors)
    assert together.shape == (7, BITS // 64)
    for vector, code in zip(vectors, together, strict=True):
        np.testing.assert_array_equal(Sketch(EVERY, ZEROS, 5).codes(vector[None])[0], code)
    other = Sketch(EVERY, ZEROS, 6).codes(vectors)
    assert not (together == other).all(axis=1).any()


def test_the_directions_are_those_in_which_the_sample_differs_most(monkeypatch):
    """Those of an eigendecomposition of its covariance; what differs less is left out."""
    monkeypatch.setattr(codes, "DIRECTIONS", 3)
    generator = np.random.default_rng(0)
    spread = np.array([0, 9, 1, 7, 0.5, 8, 0.2])
    sample = (generator.standard_normal((50, 7)) * spread + 100).astype(np.float32)
    learned = Sketch.learned(sample, 7, 64, seed=0)
    _, vectors = np.linalg.eigh(np.cov(sample.astype(np.float64).T))
    within = np.abs(learned.directions @ vectors[:, -1:-4:-1])
    np.testing.assert_allclose(within, np.eye(3), atol=1e-3)


def test_a_sample_is_cut_to_what_fits_into_memory(monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((20, 10)).astype(np.float32)
    monkeypatch.setattr(codes, "MOST_NUMBERS", 129)
    cut, few = (Sketch.learned(iter(each), 10, 64, 0) for each in (vectors, vectors[:12]))
    np.testing.assert_array_equal(cut.thresholds, few.thresholds)


@pytest.mark.parametrize(("count", "length"), [(1, 5), (2, 5), (5, 1), (3, 3)])
def test_a_sample_may_be_as_small_as_one_vector(count, length):
    vectors = np.random.default_rng(0).standard_normal((count, length)).astype(np.float32)
    learned = Sketch.learned(vectors, length, 64, 0)
    assert np.isfinite(learned.directions).all()
    assert learned.codes(vectors).shape == (count, 1)


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
