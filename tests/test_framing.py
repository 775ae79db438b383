"""The images that go through the network: the whole, tiles of it, crops, rotations and mirror images."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageOps

from crosspool.errors import SettingError
from crosspool.framing import Preprocessing, Source, fractions_of, frame_image, framed_part, image_views
from tests.images import noise
from tests.networks import PLAIN, sample

GREY = Preprocessing(128, 1.0, "bicubic", (0.2, 0.4, 0.6), (1.0, 1.0, 1.0))
SIZE = 128
COUNTS = {"whole": 1, "mirror": 1, "tiles": 4, "jitter": 10, "augmented": 16, "regions": 51}


def same(first, second):
    return np.array_equal(np.asarray(first), np.asarray(second))


def views(kind, image=None, *, preprocessing=PLAIN, size=SIZE, framing="squash"):
    return image_views(image or sample(), preprocessing, size, kind, framing)


@pytest.mark.parametrize("kind", COUNTS)
@pytest.mark.parametrize("framing", ["crop", "squash"])
def test_the_number_and_size_of_views(kind, framing):
    images = views(kind, sample("rocket"), size=160, framing=framing)
    assert len(images) == COUNTS[kind]
    side = 80 if kind == "tiles" else 160
    assert {(image.mode, image.size) for image in images} == {("RGB", (side, side))}


@pytest.mark.parametrize("framing", ["crop", "squash"])
@pytest.mark.parametrize("size", [128, 192])
def test_the_whole_view_is_the_framed_image(framing, size):
    image = sample("rocket")
    assert image.width != image.height
    (whole,) = views("whole", image, preprocessing=GREY, size=size, framing=framing)
    assert same(whole, frame_image(image, GREY, size, framing))
    assert not same(whole, frame_image(image, GREY, size, "crop" if framing == "squash" else "squash"))


@pytest.mark.parametrize("framing", ["crop", "squash"])
def test_tiles_put_together_are_the_whole(framing):
    tiles = [np.asarray(tile) for tile in views("tiles", framing=framing)]
    together = np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])
    assert same(together, views("whole", framing=framing)[0])


@pytest.mark.parametrize("kind", ["jitter", "augmented"])
def test_the_second_half_are_the_mirror_images_of_the_first(kind):
    images = views(kind)
    half = len(images) // 2
    for image, mirrored in zip(images[:half], images[half:], strict=True):
        assert same(ImageOps.mirror(image), mirrored)
        assert not same(image, mirrored)


def test_crops_are_cut_from_the_corners_and_the_centre():
    """Of the image at 146 pixels, 128 / 0.875, as sharp as at 128: its top left 128 begin at 0, its last at 18."""
    crops = [np.asarray(crop) for crop in views("jitter")[:5]]
    enlarged = np.asarray(frame_image(sample(), PLAIN, 146, "squash"))
    for crop, (x, y) in zip(crops, [(0, 0), (18, 0), (0, 18), (18, 18), (9, 9)], strict=True):
        assert np.array_equal(crop, enlarged[y : y + SIZE, x : x + SIZE])


def test_augmented_are_the_whole_the_crops_and_two_turned():
    images = views("augmented")
    assert same(images[0], views("whole")[0])
    enlarged = frame_image(sample(), PLAIN, 192, "squash")  # each crop has two thirds of either side
    for crop, (x, y) in zip(images[1:6], [(0, 0), (64, 0), (0, 64), (64, 64), (32, 32)], strict=True):
        assert same(crop, enlarged.crop((x, y, x + SIZE, y + SIZE)))
    assert len({image.tobytes() for image in images}) == 16


def test_regions_overlap_by_half_at_each_scale():
    images = views("regions")
    assert same(images[0], views("whole")[0])
    first = 1
    for count, side in ((3, 256), (4, 320), (5, 384)):  # of the image that they are cut from
        enlarged = np.asarray(frame_image(sample(), PLAIN, side, "squash"))
        starts = [64 * place for place in range(count)]
        places = [(x, y) for y in starts for x in starts]
        for image, (x, y) in zip(images[first : first + count**2], places, strict=True):
            assert np.array_equal(np.asarray(image), enlarged[y : y + SIZE, x : x + SIZE])
        first += count**2
    assert first == len(images)


def test_turned_by_fifteen_degrees_either_way():
    """A white mark above the centre of a black image goes to the right and to the left by sin 15 of its distance."""
    image = Image.new("RGB", (SIZE, SIZE))
    image.paste((255, 255, 255), (62, 22, 66, 26))  # centred at (64, 24), 40 above the centre
    black = Preprocessing(128, 1.0, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    right, left = views("augmented", image, preprocessing=black)[6:8]
    for turned, sign in ((right, 1), (left, -1)):
        weights = np.asarray(turned.convert("L"), float)
        rows, columns = (np.arange(SIZE) + 0.5,) * 2
        x, y = (weights @ columns).sum() / weights.sum(), (rows @ weights).sum() / weights.sum()
        assert x == pytest.approx(64 + sign * 40 * np.sin(np.pi / 12), abs=0.3)
        assert y == pytest.approx(64 - 40 * np.cos(np.pi / 12), abs=0.3)


def test_corners_of_a_turned_image_have_the_mean_colour():
    """So that they are zero for the network."""
    for turned in views("augmented", Image.new("RGB", (40, 40), "white"), preprocessing=GREY)[6:8]:
        pixels = np.asarray(turned)
        assert pixels[0, 0].tolist() == pixels[-1, -1].tolist() == [51, 102, 153]
        assert pixels[64, 64].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", COUNTS)
def test_leaves_the_image_alone(kind):
    image = noise(0)
    before = image.tobytes()
    for view in views(kind, image):
        view.paste((0, 0, 0), (0, 0, *view.size))
    assert image.tobytes() == before


def test_impossible_sizes():
    with pytest.raises(SettingError, match="from 128 to 896, not 64"):
        views("whole", size=64)


def test_sources_can_be_compared_sorted_and_kept_in_sets():
    source = Source("relu", 128, "whole", "squash")
    assert {source, Source("relu", 128, "whole", "squash")} == {source}
    others = [dataclasses.replace(source, **change) for change in ({"size": 256}, {"views": "tiles"}, {"node": "conv"})]
    assert len({source, *others}) == 4
    assert sorted([source, *others])[0].node == "conv"


# --- what the network sees of a part of an image


def test_the_framed_part_is_the_whole_or_the_middle():
    assert framed_part((60, 40), GREY, "squash") == (0, 0, 60, 40)
    assert framed_part((60, 40), GREY, "crop") == (10, 0, 50, 40)
    narrow = dataclasses.replace(GREY, crop_fraction=0.5)
    assert framed_part((60, 40), narrow, "crop") == (20, 10, 40, 30)
    assert framed_part((40, 80), narrow, "crop") == (10, 30, 30, 50)


@pytest.mark.parametrize("framing", ["crop", "squash"])
@pytest.mark.parametrize("crop_fraction", [0.75, 1.0])
@pytest.mark.parametrize("size", [(300, 200), (150, 400)])
def test_a_coloured_box_is_where_its_fractions_say(framing, crop_fraction, size):
    """In the pixels that the network gets, to a pixel and a half, as edges fall between pixels."""
    preprocessing = dataclasses.replace(GREY, crop_fraction=crop_fraction)
    box = (size[0] * 2 // 5, size[1] * 2 // 5, size[0] * 4 // 5, size[1] // 2)
    image = Image.new("RGB", size)
    image.paste((255, 255, 255), box)
    white = np.asarray(frame_image(image, preprocessing, SIZE, framing))[..., 0] > 127
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    shown = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    fractions = fractions_of(box, framed_part(size, preprocessing, framing))
    assert fractions is not None
    assert np.multiply(fractions, SIZE) == pytest.approx(shown, abs=1.5)


def test_a_part_is_cut_off_at_the_frame_or_absent():
    frame = (10.0, 0.0, 50.0, 40.0)
    assert fractions_of((20, 10, 30, 40), frame) == (0.25, 0.25, 0.5, 1.0)
    assert fractions_of((0, -8, 30, 90), frame) == (0.0, 0.0, 0.5, 1.0)
    assert fractions_of((0, 0, 10, 40), frame) is None  # beside it
    assert fractions_of((50, 41, 60, 60), frame) is None
