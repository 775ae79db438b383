"""Maps as images: exact colours on maps small enough to work out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from crosspool.drawing.rendering import (
    COLOUR_MAPS,
    SIGNED_COLOUR_MAP,
    Look,
    cell_box,
    colour_range_of,
    colour_table,
    quantise,
    with_boxes,
)
from crosspool.errors import SettingError
from crosspool.receptive_field import Box

MAP = np.array([[0.0, 1.0], [2.0, 4.0]], np.float32)
STEPS = [[0, 64], [128, 255]]  # of 0 to 4: 63.75 and 127.5 are rounded


def photo(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def same(first, second):
    """Whether two images have the same pixels."""
    return np.array_equal(np.asarray(first), np.asarray(second))


# --- the range of the colours


def test_ranges_run_from_zero_to_the_largest_weight():
    assert colour_range_of(MAP) == (0.0, 4.0)
    assert colour_range_of(np.full((2, 2), 3.0)) == (0.0, 3.0)  # a flat map is not stretched


def test_signed_ranges_are_symmetric_about_zero():
    assert colour_range_of(np.array([[-5.0, 3.0]]), signed=True) == (-5.0, 5.0)
    assert colour_range_of(np.array([[-2.0, 3.0]]), signed=True) == (-3.0, 3.0)


def test_an_all_zero_map_still_has_a_range():
    assert colour_range_of(np.zeros((3, 3))) == (0.0, 1.0)
    assert colour_range_of(np.zeros((3, 3)), signed=True) == (-1.0, 1.0)


# --- 8-bit steps


def test_steps_by_hand():
    assert quantise(MAP, (0.0, 4.0)).tolist() == STEPS
    assert quantise(MAP, (-4.0, 4.0)).tolist() == [[128, 159], [191, 255]]  # 127.5, 159.375, 191.25
    assert quantise(MAP, (0.0, 8.0)).tolist() == [[0, 32], [64, 128]]
    assert quantise(MAP, (0.0, 4.0)).dtype == np.uint8


def test_weights_beyond_the_range_are_clipped_and_never_wrap():
    assert quantise(np.array([-7.0, -0.1, 1.1, 2.0, 1e9]), (0.0, 1.0)).tolist() == [0, 0, 255, 255, 255]


@given(arrays(np.float32, 12, elements=st.floats(-(2.0**100), 2.0**100, width=32)), st.booleans())
def test_steps_keep_the_order_of_the_weights(weights, signed):
    steps = quantise(weights, colour_range_of(weights, signed=signed)).astype(int)
    in_order = np.argsort(weights, kind="stable")
    assert (np.diff(steps[in_order]) >= 0).all()
    largest = np.abs(weights).max()
    if largest > 0:
        assert (steps[weights == largest] == 255).all()
        assert (steps[weights == -largest] == 0).all()
    else:
        assert set(steps.tolist()) == {128 if signed else 0}


# --- colours


@pytest.mark.parametrize("name", [*COLOUR_MAPS, SIGNED_COLOUR_MAP])
def test_tables_have_256_colours(name):
    table = colour_table(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8


def test_colours_by_hand():
    assert colour_table("gray")[[0, 128, 255]].tolist() == [[0, 0, 0], [128, 128, 128], [255, 255, 255]]
    assert colour_table("viridis")[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 36]]
    middle = colour_table(SIGNED_COLOUR_MAP)[127:129].astype(int)
    assert middle.min() > 240  # zero is nearly white
    assert colour_table(SIGNED_COLOUR_MAP)[0].argmax() == 2  # negative is blue
    assert colour_table(SIGNED_COLOUR_MAP)[255].argmax() == 0  # positive is red


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_sequential_colours_get_lighter_all_the_way(name):
    light = colour_table(name) @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(light) > -0.75).all()  # 8-bit rounding aside


def test_an_unknown_colour_map_is_refused():
    with pytest.raises(SettingError, match="no colour map 'jet'; choose viridis"):
        colour_table("jet")


# --- overlays


@pytest.mark.parametrize("smooth", [True, False])
def test_opacity_0_is_the_photo(smooth):
    framed = photo(9, 9)
    overlaid = Look(opacity=0.0, smooth=smooth).over(framed, MAP, (0.0, 4.0))
    assert same(overlaid, framed)


def test_opacity_1_is_the_maps_colours_in_exact_blocks():
    table = colour_table("magma")
    overlaid = np.asarray(Look("magma", opacity=1.0, smooth=False, overlay="even").over(photo(6, 6), MAP, (0.0, 4.0)))
    expected = np.repeat(np.repeat(table[np.array(STEPS)], 3, axis=0), 3, axis=1)
    assert np.array_equal(overlaid, expected)


def test_opacity_between_mixes():
    grey = Image.new("RGB", (2, 2), (100, 100, 100))
    overlaid = np.asarray(Look("gray", opacity=0.5, smooth=False, overlay="even").over(grey, MAP, (0.0, 4.0)))
    assert overlaid[..., 0].tolist() == [[50, 82], [114, 177]]
    assert np.array_equal(overlaid[..., 0], overlaid[..., 2])


def test_an_overlay_that_grows_covers_the_photo_in_proportion_to_the_weight():
    grey = Image.new("RGB", (2, 2), (100, 100, 100))
    overlaid = np.asarray(Look("gray", opacity=0.5, smooth=False).over(grey, MAP, (0.0, 4.0)))
    assert overlaid[..., 0].tolist() == [[100, 95], [107, 178]]  # 100 + (step - 100) * step / 255 / 2
    row = Image.new("RGB", (3, 1), (100, 100, 100))
    signed = Look(SIGNED_COLOUR_MAP, opacity=1.0, smooth=False).over(row, np.array([[-2.0, 0.0, 2.0]]), (-2.0, 2.0))
    blue, nothing, red = np.asarray(signed)[0].tolist()
    assert [blue, red] == colour_table(SIGNED_COLOUR_MAP)[[0, 255]].tolist()
    assert nothing == pytest.approx([100] * 3, abs=2)


def test_smooth_interpolates_between_cells_and_stays_in_their_range():
    line = np.array([[0.0, 1.0]])
    overlaid = np.asarray(Look("gray", opacity=1.0, smooth=True).over(Image.new("RGB", (8, 4)), line, (0.0, 1.0)))
    row = overlaid[0, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert (np.diff(row) >= 0).all()
    assert len(set(row.tolist())) > 2


@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.65, 1.0])
@pytest.mark.parametrize("smooth", [True, False])
def test_extremes_never_wrap(opacity, smooth):
    """White on white stays white, black on black black, also for weights far beyond the scale."""
    for value, weight in ((255, 1e6), (0, -1e6)):
        ground = Image.new("RGB", (16, 16), (value, value, value))
        overlaid = Look("gray", opacity, smooth).over(ground, np.full((3, 3), weight), (0.0, 1.0))
        assert np.asarray(overlaid).min() == np.asarray(overlaid).max() == value


def test_an_overlay_has_the_photos_size_and_changes_no_argument():
    framed, weights = photo(31, 17), MAP.copy()
    before = framed.copy()
    overlaid = Look().over(framed, weights, (0.0, 4.0))
    assert (overlaid.size, overlaid.mode) == ((31, 17), "RGB")
    assert same(framed, before)
    assert np.array_equal(weights, MAP)


# --- boxes


def test_a_box_is_a_coloured_line_with_a_dark_rim():
    white = Image.new("RGB", (20, 20), "white")
    marked = np.asarray(with_boxes(white, [(Box(left=4, top=2, right=16, bottom=12), (255, 0, 0))]))
    assert np.asarray(white).min() == 255  # the argument stays
    assert marked[2, 4].tolist() == [0, 0, 0]  # rim, and the last row and column that belong to the box
    assert marked[11, 15].tolist() == [0, 0, 0]
    assert marked[3, 5].tolist() == marked[4, 6].tolist() == [255, 0, 0]
    assert marked[5, 7].tolist() == [0, 0, 0]  # rim on the inner side
    assert marked[6, 8].tolist() == [255, 255, 255]
    outside = np.ones((20, 20), bool)
    outside[2:12, 4:16] = False
    assert (marked[outside] == 255).all()


@pytest.mark.parametrize("box", [Box(3, 3, 4, 4), Box(3, 3, 5, 5), Box(0, 0, 20, 20), Box(-5, -5, 40, 40)])
def test_boxes_of_any_size_can_be_drawn(box):
    marked = with_boxes(Image.new("RGB", (20, 20), "white"), [(box, (255, 176, 0))])
    assert marked.size == (20, 20)


def test_without_boxes_nothing_changes():
    image = photo(12, 12)
    marked = with_boxes(image, [])
    assert marked is not image
    assert same(marked, image)


def test_cells_by_hand():
    assert cell_box(0, 0, (4, 4), 8) == Box(left=0, top=0, right=2, bottom=2)
    assert cell_box(1, 2, (4, 4), 8) == Box(left=4, top=2, right=6, bottom=4)
    assert cell_box(1, 2, (2, 4), 8) == Box(left=4, top=4, right=6, bottom=8)  # 2 rows of 4 columns


@given(st.integers(1, 60), st.integers(1, 60), st.integers(60, 500))
def test_cells_cover_the_image_once(rows, columns, side):
    cover = np.zeros((side, side), int)
    for row in range(rows):
        for column in range(columns):
            box = cell_box(row, column, (rows, columns), side)
            cover[box.top : box.bottom, box.left : box.right] += 1
    assert (cover == 1).all()


# --- looks


@pytest.mark.parametrize(
    ("look", "colour_range"),
    [
        (Look(), (0, 2)),
        (Look(scale="layer"), (0, 4)),
        (Look(scale="fixed", top=3), (0, 3)),
        (Look(scale="fixed"), (0, 4)),  # the layer's, as long as no number is given
        (Look(signed=True), (-2, 2)),
        (Look(signed=True, scale="layer"), (-4, 4)),
        (Look(signed=True, scale="fixed", top=3), (-3, 3)),
    ],
)
def test_the_colour_range_of_a_look(look, colour_range):
    assert look.colour_range(np.array([-4.0, 2.0]), 1) == colour_range


def test_a_look_blends_the_colours_of_its_map_with_the_photo():
    colours = Image.fromarray(colour_table("magma")[quantise(MAP, (0, 5))]).resize((8, 8), Image.Resampling.NEAREST)
    overlaid = Look("magma", opacity=0.3, smooth=False, overlay="even").over(photo(8, 8), MAP, (0, 5))
    assert same(overlaid, Image.blend(photo(8, 8), colours, 0.3))
