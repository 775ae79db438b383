"""Eq. 1 position by position: on maps small enough to add up by hand, and compared with the library on larger ones."""

import numpy as np
import pytest
import torch
from PIL import Image

from crosspool.layer_pairs import LayerPair
from crosspool.pooling import cross_layer_pool, local_features
from crosspool.statistics import channel_statistics
from crosspool.ui.equation.building import (
    construct_block,
    counted_weights,
    entries_of_patches,
    pooled_positions,
    summed_plainly,
)
from crosspool.ui.equation.worked_example import positions_written_out
from crosspool.ui.runtime.maps import ImageMaps


def maps_of(lower, upper, border="zero", **geometry):
    """Maps as a page has them, by default with 1x1 patches."""
    lower, upper = (torch.as_tensor(values, dtype=torch.float32) for values in (lower, upper))
    geometry = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)} | geometry
    pair = LayerPair("u", "u", "x", "a", len(lower), len(upper), **geometry, activation="ReLU")
    pooled = cross_layer_pool(lower[None], upper[None], **pair.geometry, border=border)[0]
    statistics = channel_statistics(upper, pooled)
    return ImageMaps(pair, Image.new("RGB", (8, 8)), lower.numpy(), upper.numpy(), statistics, False, border)


LOWER = [[[1, 2], [3, 4]], [[10, 0], [0, 5]]]
UPPER = [[[0, 1], [3, 2]], [[0, 0], [0, 0]]]
SMALL = maps_of(LOWER, UPPER)  # P_0 = (1*2 + 3*3 + 2*4, 2*5) = (19, 10)


def strided(border):
    """Maps with 3 x 2 patches, stride, padding and dilation; some patches reach over the border."""
    generator = torch.Generator().manual_seed(0)
    geometry = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    upper = torch.randn(4, 4, 8, generator=generator)
    return maps_of(torch.randn(3, 7, 6, generator=generator), upper, border, **geometry)


def test_a_block_row_by_row():
    built = construct_block(SMALL, 0, "zero", "rows", 5)
    assert built.entries.tolist() == [0, 1]
    assert built.features.tolist() == [[1, 10], [2, 0], [3, 0], [4, 5]]
    assert built.products.tolist() == [[0, 0], [2, 0], [9, 0], [8, 10]]
    assert built.sums.tolist() == [[0, 0], [2, 0], [11, 0], [19, 10]]
    assert built.step_of(1, 0) == 3


def test_a_block_with_the_heaviest_positions_first():
    built = construct_block(SMALL, 0, "zero", "strongest", 1)
    assert built.order.tolist() == [2, 3, 1, 0]
    assert built.sums.tolist() == [[9], [17], [19], [19]]
    assert built.step_of(0, 1) == 3


def test_signed_weights_are_ordered_by_magnitude():
    built = construct_block(maps_of(LOWER, [[[0, 1], [-3, 2]]]), 0, "zero", "strongest", 1)
    assert built.order.tolist() == [2, 3, 1, 0]


def test_the_block_of_a_dead_map_stays_zero():
    built = construct_block(SMALL, 1, "zero", "strongest", 2)
    assert not built.sums.any()


def test_positions_whose_patch_reaches_over_the_border_do_not_count():
    maps = maps_of(np.ones((1, 3, 3)), np.ones((1, 3, 3)), "valid", kernel_size=(3, 3), padding=(1, 1))
    assert pooled_positions(maps, "valid").tolist() == [[False] * 3, [False, True, False], [False] * 3]
    assert pooled_positions(maps, "zero").all()
    assert counted_weights(maps, 0, "valid").sum() == 1
    assert construct_block(maps, 0, "valid", "rows", 9).sums[-1].tolist() == [1] * 9


@pytest.mark.parametrize("border", ["zero", "valid"])
def test_any_geometry_agrees_with_the_library(border):
    maps = strided(border)
    weights = np.stack([counted_weights(maps, channel, border) for channel in range(4)])
    assert summed_plainly(maps, weights) == pytest.approx(maps.pooled(), rel=1e-4, abs=1e-5)
    patches = local_features(torch.from_numpy(maps.lower)[None], **maps.pair.geometry)[0].T
    entries = np.array([0, 17, 5])
    assert (entries_of_patches(maps, entries) == patches[:, entries].numpy()).all()
    built = construct_block(maps, 2, border, "strongest", 6)
    assert built.sums[-1] == pytest.approx(maps.block(2)[built.entries], rel=1e-4, abs=1e-5)
    assert (np.abs(maps.block(2)) <= np.abs(maps.block(2)[built.entries[0]])).all()


def test_written_out_are_heavy_positions_with_different_weights():
    weights = np.array([[6, 6, 1], [6, 2, 0], [3, 3, 5]], np.float32)
    assert [weights[cell] for cell in positions_written_out(weights)] == [6, 5, 3, 2, 1, 0]
    assert positions_written_out(np.ones((2, 2))) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    alike = np.array([[1.6412, 1.6408, 1.5]])  # the first two are both written as 1.64
    assert positions_written_out(alike)[:2] == [(0, 0), (0, 1)]
    many = np.array([[1.6412, 1.6408, *np.linspace(1, 0.5, 6)]])
    assert (0, 1) not in positions_written_out(many)
    few = np.minimum(weights, 3)
    assert [few[cell] for cell in positions_written_out(few)] == [3, 3, 3, 2, 1, 0]
