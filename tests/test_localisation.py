"""Localisation: average precision and pointing of maps against masks, by hand, by scikit-learn, and end to end."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from crosspool.errors import DatasetError, SettingError
from crosspool.grids import cell_shares
from crosspool.localisation import find_best_channels, score_region

LEFT = np.array([[True, False], [True, False]])


def maps(*values):
    """2 x 2 maps from their values in row-major order."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 2, 2)


def test_by_hand():
    scores = score_region(maps([4, 1, 3, 2], [1, 4, 2, 3], [4, 3, 2, 1]), LEFT)
    # The region is found at ranks 1 and 2; at ranks 3 and 4; at ranks 1 and 3.
    assert scores.precision == pytest.approx([1, (1 / 3 + 2 / 4) / 2, (1 + 2 / 3) / 2])
    assert scores.pointing.tolist() == [1, 0, 1]
    assert scores.chance == 0.5


def test_an_uninformative_map_is_at_chance():
    mask = np.zeros((12, 12), bool)
    mask[2:5, 7:9] = True
    scores = score_region(torch.stack([torch.zeros(4, 4), torch.full((4, 4), 6.0)]), mask)
    assert scores.precision == pytest.approx([6 / 144] * 2)
    assert scores.pointing == pytest.approx([6 / 144] * 2)
    assert scores.chance == pytest.approx(6 / 144)


def test_peaks_that_are_tied_count_alike():
    """Wherever they lie: neither the first nor the last in reading order is taken."""
    scores = score_region(maps([6, 6, 6, 0], [0, 6, 6, 6], [6, 0, 6, 0], [0, 6, 0, 6]), LEFT)
    assert scores.pointing == pytest.approx([2 / 3, 1 / 3, 1, 0])


def test_a_cell_that_the_region_only_touches_counts_by_its_share():
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = True  # a quarter of the first of 2 x 2 cells
    assert cell_shares(mask, (2, 2)).tolist() == [[0.25, 0], [0, 0]]
    scores = score_region(maps([9, 0, 0, 0]), mask)
    assert scores.pointing.tolist() == [0.25]
    assert scores.precision == pytest.approx([0.25])


def test_cells_that_cut_through_pixels_share_them():
    mask = np.array([[True, True, False, False, False]] * 3)
    # Two cells of 2.5 pixels a row: the first has 2 of its 2.5; with three rows in two, each has the same share.
    assert cell_shares(mask, (2, 2)).numpy() == pytest.approx(np.array([[0.8, 0], [0.8, 0]]))
    assert score_region(torch.zeros(1, 2, 2), mask).chance == pytest.approx(mask.mean())


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_equals_scikit_learn_on_every_pixel(seed, rows, columns):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (3, rows, columns)).astype(np.float32)  # many ties
    mask = rng.random((3 * rows, 2 * columns)) < 0.3
    mask[0, 0] = True
    scores = score_region(torch.from_numpy(values), mask)
    for channel, precision in zip(values, scores.precision, strict=True):
        pixels = np.kron(channel, np.ones((3, 2)))
        assert precision == pytest.approx(average_precision_score(mask.ravel(), pixels.ravel()))


def test_an_empty_mask_is_an_error():
    with pytest.raises(SettingError, match="empty"):
        score_region(maps([1, 2, 3, 4]), np.zeros((2, 2), bool))


def examples(count, seed):
    """Images in which channel 2 of the layer "upper" lies on the part "bill", but for noise; "lower" is noise."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        mask = np.zeros((8, 8), bool)
        row, column = rng.integers(0, 4, 2)
        mask[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = True
        upper, lower = (torch.from_numpy(rng.random((4, 4, 4))) for _ in range(2))
        upper[2, row, column] += 1
        yield {"upper": upper, "lower": lower}, {"bill": mask, "hidden": np.zeros((8, 8), bool)}


def test_the_channel_is_chosen_on_training_images_and_measured_on_others():
    steps = []
    upper, lower = find_best_channels(examples(20, 0), examples(30, 1), lambda: steps.append(1))
    assert (upper.part, upper.layer, upper.channel, upper.images) == ("bill", "upper", 2, 30)
    assert upper.precision == upper.pointing == upper.training_precision == 1
    assert upper.chance == pytest.approx(1 / 16)
    assert lower.layer == "lower"
    # The best of four noisy channels looks better on the images that it was chosen on than it is.
    assert lower.training_precision > lower.precision
    assert lower.precision_interval is not None
    assert lower.precision_interval.low < lower.precision < lower.precision_interval.high < 0.5
    assert len(steps) == 50


def test_a_part_that_is_never_tested_is_an_error():
    with pytest.raises(DatasetError, match="bill"):
        find_best_channels(examples(3, 0), [])


def test_a_part_of_a_single_test_image_has_no_interval():
    upper, _ = find_best_channels(examples(3, 0), examples(1, 1))
    assert upper.precision_interval is upper.pointing_interval is None
