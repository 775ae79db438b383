"""Slides of weighting maps: pixels where they belong, and texts as they are."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from crosspool.drawing.page import HEIGHT, WIDTH
from crosspool.drawing.rendering import Look, colour_range_of
from crosspool.drawing.slides import slide
from crosspool.drawing.style import UNWRITTEN, figure_bytes
from crosspool.drawing.tiles import SMALLEST_TILE
from crosspool.errors import SettingError
from crosspool.statistics import channel_statistics


@pytest.fixture(scope="module")
def maps():
    """Six weighting maps of 3 x 3; number 4 is zero everywhere, number 5 is partly negative."""
    generator = torch.Generator().manual_seed(0)
    upper = torch.rand(6, 3, 3, generator=generator)
    upper[4] = 0
    upper[5] -= 0.8
    pooled = upper.flatten(1) @ torch.rand(9, 8, generator=generator)
    return upper.numpy(), channel_statistics(upper, pooled)


FRAMED = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))


def drawn(maps, channels, caption="cat.jpg · Tiny", **look):
    upper, statistics = maps
    return slide(FRAMED, upper, channels, statistics, caption=caption, look=Look(**look))


def same(one, other):
    """Whether two images have the same pixels."""
    return np.array_equal(np.asarray(one), np.asarray(other))


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def pixels(figure):
    with Image.open(io.BytesIO(figure_bytes(figure, "png", {}))) as image:
        return np.asarray(image.convert("RGB"))


def images(figure):
    """The images on the ground of a slide, each with its left, right, bottom and top."""
    return [
        (np.asarray(shown.get_array()), [round(end) for end in shown.get_extent()]) for shown in figure.axes[0].images
    ]


@pytest.mark.parametrize("channels", [[3], [5, 0, 4], [0] * 23])
def test_a_slide_has_1920_by_1080_pixels_and_its_images_keep_theirs(maps, channels):
    figure = drawn(maps, channels)
    found = pixels(figure)
    assert found.shape == (HEIGHT, WIDTH, 3) == (1080, 1920, 3)
    for image, (left, right, bottom, top) in images(figure):
        filled = (image < 255).any(axis=2)  # between a sheet's tiles are their labels
        assert np.array_equal(found[top:bottom, left:right][filled], image[filled])


@pytest.mark.parametrize(
    ("look", "colour_range"),
    [
        ({}, (0, "own")),
        ({"scale": "layer"}, (0, "layer")),
        ({"scale": "fixed", "top": 2.5}, (0, 2.5)),
        ({"signed": True, "colour_map": "RdBu_r", "smooth": False}, ("-own", "own")),
    ],
)
def test_one_map_is_large_beside_what_the_network_saw(maps, look, colour_range):
    upper, statistics = maps
    own, layer = float(upper[2].max()), float(np.abs(upper).max())
    low, high = ({"own": own, "-own": -own, "layer": layer}.get(limit, limit) for limit in colour_range)
    figure = drawn(maps, [2], opacity=0.4, **look)
    (seen, _), (over, _) = images(figure)
    side = len(seen)
    assert side > 700
    photo = FRAMED.resize((side, side), Image.Resampling.BICUBIC)
    assert same(seen, photo)
    expected = Look(look.get("colour_map", "viridis"), 0.4, look.get("smooth", True)).over(photo, upper[2], (low, high))
    assert same(over, expected)
    bar = figure.axes[1]
    assert bar.get_ylim() == pytest.approx((low, high))
    scale = {"layer": "the scale of this layer", "fixed": "a fixed scale"}.get(
        look.get("scale"), "the scale of this map"
    )
    assert bar.get_ylabel() == f"weight, on {scale}"
    assert texts(figure)[0] == "Map 2"
    assert f"at row {statistics.peak_row[2]}, column {statistics.peak_column[2]}" in texts(figure)[1]


@pytest.mark.parametrize("scale", ["map", "layer", "fixed"])
def test_several_maps_are_tiles_with_their_numbers(maps, scale):
    upper, statistics = maps
    figure = drawn(maps, [5, 2], scale=scale, top=0.7, signed=True, colour_map="RdBu_r", smooth=False)
    ((tiles, _),) = images(figure)
    side = len(np.flatnonzero(~(tiles == 255).all(axis=(1, 2))))  # one row of tiles below their labels
    small = FRAMED.resize((side, side), Image.Resampling.LANCZOS)
    row = tiles[-side:]
    assert same(row[:, :side], small)
    for place, channel in enumerate((5, 2), 1):
        top = {"map": np.abs(upper[channel]).max(), "layer": np.abs(upper).max(), "fixed": 0.7}[scale]
        expected = Look("RdBu_r", smooth=False).over(small, upper[channel], (-top, top))
        left = (tiles.shape[1] - side) // 2 * place
        assert same(row[:, left : left + side], expected)
        label = texts(figure).index(str(channel))
        peak = f"{statistics.peak[channel]:.3g}".replace("-", "−")
        assert texts(figure)[label + 1] == f"{peak} · {100 * statistics.energy_share[channel]:.2g} %"
    assert texts(figure)[0] == "2 of 6 weighting maps"
    bar = figure.axes[1]
    assert bar.get_ylim()[1] == pytest.approx({"map": 1, "layer": colour_range_of(upper)[1], "fixed": 0.7}[scale])
    assert (
        bar.get_ylabel()
        == {
            "map": "weight, as a share of each map's own peak",
            "layer": "weight, on the scale of this layer",
            "fixed": "weight, on a fixed scale",
        }[scale]
    )


def test_a_dead_map_is_labelled_as_dead(maps):
    assert "zero everywhere on this image" in texts(drawn(maps, [4]))
    assert "dead: zero everywhere" in texts(drawn(maps, [4, 0]))


def test_more_maps_than_a_slide_has_room_for_make_a_larger_one(maps):
    figure = drawn(maps, [0] * 150)
    width, height = figure.get_size_inches() * figure.dpi
    assert width / height == pytest.approx(16 / 9)
    assert width > WIDTH
    ((tiles, _),) = images(figure)
    blank = (tiles == 255).all(axis=(0, 2))
    assert np.flatnonzero(blank)[0] == SMALLEST_TILE  # the first tile ends there


@pytest.mark.parametrize("channels", [[3], [0, 1, 2]])
def test_captions_are_shown_letter_for_letter_and_stay_on_the_slide(maps, channels):
    parts = [r"$x_{1}$ \frac <b>&amp;</b>", *(f"a part of the caption, number {n}" for n in range(9)), "W" * 300]
    figure = drawn(maps, channels, caption=" · ".join(parts))
    shown = " · ".join(texts(figure))
    assert all(part in shown for part in parts[:-1])
    assert "WWW…" in shown
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(box.x0 >= 0 and box.x1 <= WIDTH and box.y0 >= 0 and box.y1 <= HEIGHT for box in boxes)
    bottom = HEIGHT - max(extent[2] for _, extent in images(figure))
    captions = [box for text, box in zip(figure.axes[0].texts, boxes, strict=True) if "caption" in text.get_text()]
    assert len(captions) > 1
    assert all(box.y1 < bottom for box in captions)


def test_a_note_on_characters_without_a_font(maps):
    assert UNWRITTEN in texts(drawn(maps, [0], caption="\U000e0fff\U0001f9ff\U00013000 · Tiny"))
    assert UNWRITTEN not in texts(drawn(maps, [0]))


def test_a_slide_of_nothing_is_refused(maps):
    with pytest.raises(SettingError, match="at least one channel"):
        drawn(maps, [])


@pytest.mark.parametrize("channels", [[-1], [0, 6]])
def test_a_slide_of_a_channel_that_there_is_not_is_refused(maps, channels):
    """Python would show the last one for -1."""
    with pytest.raises(SettingError, match=r"There is no channel (-1|6): the channels are 0 to 5\."):
        drawn(maps, channels)


def test_a_slide_leaves_the_maps_alone(maps):
    before = maps[0].copy()
    drawn(maps, [0, 4], scale="layer")
    assert np.array_equal(maps[0], before)
