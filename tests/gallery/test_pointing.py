"""Maps sorted by a box on the server as in the browser, where tests/browser/test_gallery.py compares the same."""

import numpy as np
import pytest
import torch

from crosspool.gallery.mapset import quantised_maps
from crosspool.gallery.pointing import match_box
from crosspool.localisation import score_region
from crosspool.statistics import channel_statistics


@pytest.mark.parametrize("signed", [False, True])
def test_maps_are_sorted_by_how_well_they_pick_out_a_box(signed):
    upper = np.random.default_rng(0).normal(size=(40, 7, 5)).astype(np.float32)
    upper = upper if signed else np.maximum(upper, 0)
    peak = channel_statistics(torch.tensor(upper), torch.ones(40, 2)).peak
    steps = quantised_maps(upper, peak, signed=signed)
    mask = np.zeros((70, 50), bool)
    mask[7:38, 12:40] = True
    order = match_box(steps, peak, (0.24, 0.1, 0.8, 38 / 70), signed=signed)
    precision = score_region(torch.tensor(steps.astype(np.float64)), mask).precision
    assert precision[order] == pytest.approx(np.sort(precision)[::-1], abs=1e-12)


def test_of_equal_matches_the_larger_contrast_comes_first():
    maps = np.zeros((3, 2, 2), np.float32)
    maps[0, 0, 0], maps[1, 0, 0], maps[2, 1, 1] = 1, 3, 9
    steps = quantised_maps(maps, np.array([1.0, 3, 9]), signed=False)
    assert match_box(steps, np.array([1.0, 3, 9]), (0, 0, 0.5, 0.5), signed=False).tolist() == [1, 0, 2]
