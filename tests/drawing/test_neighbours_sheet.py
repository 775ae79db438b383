"""The slide of an image's neighbours."""

import numpy as np
import pytest
from PIL import Image

from crosspool.drawing.neighbours_sheet import Tile, neighbours_sheet
from tests.drawing.test_evidence_sheet import boxes_of_texts, texts

IMAGE = Image.new("RGB", (224, 224), "grey")
TITLE = "cat.jpg: the nearest of 1,000 images · gem@224 · EfficientNet-Lite0"


def tiles(count, *, located=True):
    random = np.random.default_rng(0)
    picture = Image.new("RGB", (160, 90), "red")
    places = [random.standard_normal((7, 7)) / 49 if located else None for _ in range(count)]
    return [Tile(picture, f"{k}-" * 20, "a label " * 5, 0.5, places[k]) for k in range(count)]


def sheet(count, **settings):
    return neighbours_sheet(IMAGE, tiles(count, **settings), title=TITLE, caption="They add up. " * 8)


@pytest.mark.parametrize("count", [1, 10, 30])
@pytest.mark.parametrize("located", [True, False])
def test_all_texts_are_apart(count, located):
    boxes = boxes_of_texts(sheet(count, located=located))
    assert len(boxes) > 2 * count * (1 + located)
    overlaps = [(a, b) for place, a in enumerate(boxes) for b in boxes[:place] if a.padded(-2).overlaps(b.padded(-2))]
    assert overlaps == []


def test_a_picture_keeps_its_shape_and_the_scale_is_shared():
    figure = sheet(2)
    shown = texts(figure)
    assert sum(text == "where in the image" for text in shown) == 2
    assert any(text.startswith("1 · 0-0-") for text in shown)
    (drawn,) = figure.axes[0].images
    pixels = drawn.get_array()
    is_red = (pixels[..., 0] > 200) & (pixels[..., 1:] < 60).all(axis=2)
    rows, columns = (is_red.any(axis=axis).sum() for axis in (1, 0))
    assert rows / columns == pytest.approx(90 / 160, abs=0.02)  # of two pictures, in other rows and columns


def test_without_places_there_is_no_scale():
    figure = sheet(3, located=False)
    assert "where in the image" not in texts(figure)
    assert len(figure.axes) == 1
