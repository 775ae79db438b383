"""Images of the collection as tiles: where the frame around a peak lies."""

import pytest

from crosspool.ui.maps.collection_tiles import peak_box, plain_tiles, short_name, strongest_tiles, tile_mark
from crosspool.ui.runtime.collection import StoreMaps
from crosspool.ui.widgets.thumbnails import Mark

SQUASHED = StoreMaps("efficientnet_lite0", "pretrained", "conv_head", 224, "squash", (7, 7))


@pytest.mark.parametrize(
    ("size", "box", "mark"),
    [
        ((100, 100), (0.25, 0.5, 0.5, 0.75), Mark(0.25, 0.5, 0.25, 0.25, (0.5, 0.5))),
        ((200, 100), (0.0, 0.0, 0.25, 0.5), Mark(0, 0, 0.5, 0.5, (0, 0.5))),  # at the left end, which is shown
        ((200, 100), (0.75, 0.5, 1.0, 1.0), Mark(0.5, 0.5, 0.5, 0.5, (1, 0.5))),
        ((100, 400), (0.0, 0.375, 1.0, 0.625), Mark(0, 0, 1, 1, (0.5, 0.5))),
        ((100, 200), (0.0, 0.0, 1.0, 1.0), Mark(0, 0, 1, 1, (0.5, 0.5))),  # a box higher than the tile
    ],
)
def test_the_tile_shows_the_square_around_the_box(size, box, mark):
    assert tile_mark(size, box) == mark


def test_a_peaks_patch_on_the_whole_image(ready, monkeypatch):
    """Three of seven cells, in parts of a stretched image; of a cropped one within the part that is seen."""
    monkeypatch.setattr(type(ready.collection), "peak", lambda self, channel, place: (1.0, 3 * 7 + 3))
    middle = 64 / 224, 64 / 224, 160 / 224, 160 / 224
    assert peak_box(ready, SQUASHED, 0, 0, (300, 100)) == pytest.approx(middle)
    left, top, right, bottom = peak_box(ready, ready.maps, 0, 0, (300, 100))
    assert (left + right, top + bottom) == pytest.approx((1, 1))
    assert (300 * (right - left), 100 * (bottom - top)) == pytest.approx((0.875 * 100 * 96 / 224,) * 2)


def test_tiles_say_what_they_show(ready):
    channel = int(ready.collection.telling.argmax())
    (strongest,) = strongest_tiles(ready, channel, ready.collection.strongest(channel, count=1).tolist())
    assert strongest.mark is not None
    assert f"map {channel}" in strongest.alt
    (plain,) = plain_tiles(ready, [(1, "")])
    assert (plain.id, plain.title, plain.mark) == ("1", "Kind 1", None)
    assert plain.alt == "001.Kind_1/image 0000001.jpg, Kind 1"
    assert plain.image.startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(("path", "name"), [("a/b.jpg", "b.jpg"), ("s3://x/y/", "y"), ("b.jpg", "b.jpg")])
def test_the_last_part_of_a_path_is_its_name(path, name):
    assert short_name(path) == name
