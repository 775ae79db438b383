"""The bytes that a browser gets: the same maps, in 8 bits, and little else."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.harness.mapsets import unpack
from crosspool.gallery.mapset import pack_maps, packed_name, quantised_maps
from crosspool.statistics import channel_statistics


def packed(upper, *, signed=False, side=64):
    upper = np.asarray(upper, np.float32)
    pooled = torch.ones(len(upper), 2)
    rows, columns = ([(i, i + 2) for i in range(count)] for count in upper.shape[1:])
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))
    return pack_maps(
        upper, channel_statistics(torch.tensor(upper), pooled), photo, signed=signed, fields=(rows, columns)
    )


def test_a_map_is_stored_in_65535_levels_up_to_its_peak():
    maps = unpack(packed([[[0, 1], [2, 4]], [[0, 0], [0, 0]]]))
    assert maps.levels.tolist() == [[[0, 16384], [32768, 65535]], [[0, 0], [0, 0]]]
    assert maps.peak.tolist() == [4, 0]
    assert maps.place.tolist() == [3, 0]
    assert maps.peak_cells.tolist() == [1, 4]
    assert maps.sparsity.tolist() == [16384, 65535]  # a quarter, and all
    assert maps.energy.tolist() == [0.5, 0.5]
    assert maps.header["fieldRows"] == maps.header["fieldColumns"] == [[0, 2], [1, 3]]
    assert maps.header["side"] == 64


def test_signed_maps_keep_their_zero():
    maps = unpack(packed([[[0, 1], [-4, 2]]], signed=True))
    assert maps.levels.tolist() == [[[32768, 40960], [1, 49152]]]
    assert maps.peak.tolist() == [-4]
    assert maps.weights[0, 0, 0] == 0
    assert maps.weights[0, 1, 0] == -4


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40)
def test_no_weight_is_off_by_more_than_half_a_step(seed, signed):
    upper = np.random.default_rng(seed).normal(0, 10, (5, 3, 4)).astype(np.float32)
    upper = upper if signed else np.maximum(upper, 0)
    maps = unpack(packed(upper, signed=signed))
    step = np.abs(upper).max(axis=(1, 2), keepdims=True) / (32767 if signed else 65535)
    assert (np.abs(maps.weights - upper) <= step * 0.501).all()


def test_the_photo_is_what_the_network_saw():
    for side, sent in ((64, 64), (512, 448)):
        photo = Image.open(io.BytesIO(unpack(packed(np.ones((1, 2, 2)), side=side)).photo))
        assert (photo.format, photo.size) == ("JPEG", (sent, sent))


def test_only_equal_maps_have_equal_names():
    maps, same, other = packed(np.ones((1, 2, 2))), packed(np.ones((1, 2, 2))), packed(np.full((1, 2, 2), 2))
    assert packed_name(maps) == packed_name(same) == unpack(maps).id
    assert packed_name(maps) != packed_name(other)


@pytest.mark.parametrize("shape", [(2048, 14, 14), (512, 28, 28)])
def test_little_is_sent_in_addition_to_the_maps(shape):
    upper = np.random.default_rng(0).random(shape, np.float32)
    assert len(packed(upper, side=224)) <= 2.2 * upper.size  # even with a photo of pure noise
    assert len(packed(np.maximum(upper - 0.9, 0), side=224)) <= 0.6 * upper.size  # nine of ten are zero, as is usual


def test_large_maps_are_averaged_down():
    upper = np.zeros((1, 448, 448), np.float32)
    upper[0, 300:304, 100:104] = 8
    maps = unpack(packed(upper))
    assert maps.levels.shape == (1, 112, 112)
    assert (maps.header["mapRows"], maps.header["mapColumns"]) == (448, 448)
    assert divmod(int(maps.place[0]), 112) == (75, 25)
    assert maps.levels[0, 75, 25] == 65535


def test_weights_above_the_peak_are_clipped_to_it():
    """Averages may exceed the peak by a rounding error."""
    assert quantised_maps(np.array([[[1.0000001]]]), np.array([1.0]), 16, signed=False).tolist() == [[[65535]]]


def test_maps_to_be_looked_at_have_8_bits():
    maps, peak = np.array([[[0, 1], [2, -4]]], np.float32), np.array([-4.0])
    assert quantised_maps(maps, peak, 8, signed=True).tolist() == [[[128, 160], [192, 1]]]
    assert quantised_maps(-maps, peak, 8, signed=False).tolist() == [[[0, 0], [0, 255]]]
