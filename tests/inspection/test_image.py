"""What is said of an image's file."""

import json
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from crosspool.errors import ImageError
from crosspool.images import load_image
from crosspool.inspection.image import image_facts, inspect_image, pixel_hash
from crosspool.sound_metadata import broken_metadata
from tests.test_image_kinds import BROKEN_CHUNKS, BROKEN_SEGMENTS, chunk, segment, tiff
from tests.test_images import encode, photo, quarters

GREY = Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30))
SIXTEEN = Image.fromarray((np.arange(600, dtype=np.uint16) * 100).reshape(20, 30))


def srgb():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return encode(photo((40, 30)), "JPEG", exif=exif)


def animated(kind):
    return encode(photo((40, 30)), kind, save_all=True, append_images=[photo((40, 30)).rotate(180), photo((40, 30))])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode(photo((40, 30)), "JPEG"), ["JPEG, baseline", "RGB, 8 bits", "40×30"]),
        (encode(photo((40, 30)), "JPEG", progressive=True), ["JPEG, progressive", "RGB, 8 bits", "40×30"]),
        (turned(6), ["JPEG, baseline", "RGB, 8 bits", "30×40", "turned upright"]),
        (encode(GREY, "PNG"), ["PNG, not interlaced", "grey, 8 bits", "30×20"]),
        (encode(SIXTEEN, "PNG"), ["PNG, not interlaced", "grey, 16 bits", "30×20", "scaled from 16 bits"]),
        (
            encode(photo((40, 30)).convert("RGBA"), "PNG"),
            ["PNG, not interlaced", "RGB, 8 bits", "40×30", "transparency over white"],
        ),
        (
            encode(GREY.convert("1"), "PNG"),
            ["PNG, not interlaced", "black and white, 1 bit", "30×20", "scaled from 1 bit"],
        ),
        (encode(GREY.convert("P"), "PNG"), ["PNG, not interlaced", "palette, 8 bits", "30×20"]),
        (encode(GREY, "BMP"), ["BMP, 8 bits a pixel", "grey, 8 bits", "30×20"]),
        (animated("GIF"), ["GIF, 87a", "palette, 8 bits", "40×30", "the first of 3 frames"]),
        (encode(photo((40, 30)), "WEBP", lossless=True), ["WEBP, lossless", "RGB, 8 bits", "40×30"]),
        (encode(photo((40, 30)).convert("CMYK"), "JPEG"), ["JPEG, baseline", "CMYK, 8 bits", "40×30"]),
        (
            tiff(np.asarray(quarters()).astype(np.uint16) * 257, photometric=2, planar=True),
            ["TIFF, 3 bands of 16-bit whole numbers, in separate planes", "RGB, 16 bits",
             "64×48", "scaled from 16 bits"],
        ),
        (
            tiff(np.asarray(GREY)[..., None], photometric=0),
            ["TIFF, 1 band of 8-bit whole numbers", "grey, 8 bits", "30×20"],
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_an_image(works, tmp_path, data, expected):
    (tmp_path / "image").write_bytes(data)  # told by its content, not by its name
    sentence, _, _, _, *rows = works("inspect", tmp_path / "image").splitlines()
    values = {row[:19].strip(): row[19:].strip() for row in rows}
    assert [values["format"], values["colours"]] == expected[:2]
    size, *changes = expected[2:]
    assert sentence == ", ".join([f"Read as {size} pixels of 8-bit RGB", *changes]) + "."


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_turn_of_a_photo_is_named(orientation):
    report = inspect_image(turned(orientation), "photo.jpg")
    assert ("90°" in report.orientation or "270°" in report.orientation) == (report.read_size == (30, 40))
    assert (report.orientation == "upright") == (orientation == 1)


def test_twelve_bits_in_sixteen_are_suspected():
    twelve = Image.fromarray((np.arange(600, dtype=np.uint16) * 6)[::-1].reshape(20, 30).copy())  # at most 3594
    assert inspect_image(encode(twelve, "PNG"), "cells.png").sentence == (
        "Read as 30×20 pixels of 8-bit RGB, scaled from 16 bits. Its brightest value is only 5 % of white: if the "
        "camera uses fewer than 16 bits, spread its values over all of them first."
    )
    for image in (SIXTEEN, Image.new("I;16", (30, 20)), GREY.point(lambda value: value // 20)):
        assert "brightest" not in inspect_image(encode(image, "PNG"), "other.png").sentence


def test_json_has_all_of_it(works, tmp_path):
    path = tmp_path / "own.png"
    path.write_bytes(encode(GREY, "PNG", icc_profile=srgb()))
    assert json.loads(works("inspect", path, "--json")) == {
        "kind": "image", "file": str(path), "bytes": path.stat().st_size, "format": "PNG",
        "subformat": "not interlaced", "size": [30, 20], "mode": "grey", "depth": 8, "orientation": "upright",
        "profile": "sRGB built-in", "frames": 1, "alpha": False, "broken": [], "read_size": [30, 20],
        "brightest": 255, "read_as": "Read as 30×20 pixels of 8-bit RGB.",
    }  # fmt: skip


def test_colours_that_a_png_declares_in_numbers_are_named():
    data = encode(photo((40, 30)), "PNG")
    at = data.index(b"IDAT") - 4
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    assert inspect_image(data[:at] + gamma + data[at:], "x.png").profile == "From gamma and chromaticities"
    assert broken_metadata(data[:at] + 2 * gamma + data[at:]) == ("gAMA",)  # the first one counts


def test_a_profile_that_cannot_be_read_is_named():
    assert (
        inspect_image(encode(GREY, "PNG", icc_profile=b"nothing"), "x.png").profile == "cannot be read, and is not used"
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(
            (kind, kind[:4])
            for kind in BROKEN_CHUNKS
            if "called" not in kind and "TL" not in kind and "iTXt" not in kind
        ),
        *((kind, None) for kind in BROKEN_CHUNKS if "called" in kind),
    ],
)
def test_broken_metadata_of_a_png_is_named_and_needless_is_not(kind, name):
    data = encode(photo((40, 30)), "PNG")
    at = data.index(b"IDAT") - 4
    report = inspect_image(data[:at] + BROKEN_CHUNKS[kind] + data[at:], "x.png")
    assert report.broken == ((name,) if name else ())


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("JFIF, short", "JFIF"), ("Adobe, short", "Adobe"), ("profile, short", "ICC profile"),
        ("profile, part 5 of 2", "ICC profile"), ("list of images", None), ("comment, empty", None),
    ],
)  # fmt: skip
def test_broken_metadata_of_a_jpeg_is_named(kind, name):
    assert broken_metadata(segment(*BROKEN_SEGMENTS[kind])) == ((name,) if name else ())


def test_broken_notes_of_a_tiff_are_named():
    data = tiff(np.asarray(quarters()).astype(np.uint8), photometric=2, t700=(10**9,))
    assert broken_metadata(data) == ("XMP",)
    assert inspect_image(data, "x.tif").broken == ("XMP",)
    assert broken_metadata(b"II*\0" + struct.pack("<I", 10**6)) == ()
    assert broken_metadata(b"words") == ()


def test_an_image_that_is_refused_is_the_sentence_of_the_reader(fails, tmp_path):
    cut = encode(photo((400, 300)), "JPEG")[:900]
    (tmp_path / "cut.jpg").write_bytes(cut)
    with pytest.raises(ImageError) as raised:
        load_image(tmp_path / "cut.jpg")
    assert fails("inspect", tmp_path / "cut.jpg") == f"crosspool: {raised.value}"
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert fails("inspect", tmp_path / "empty.jpg").endswith("empty.jpg is empty (0 bytes); choose another file.")


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (encode(SIXTEEN, "PNG"), "16-bit grey"),
        (encode(GREY.convert("P"), "PNG"), "palette"),
        (encode(photo((40, 30)).convert("RGBA"), "PNG"), "RGB with alpha"),
        (encode(GREY.convert("1"), "PNG"), "black and white"),
        (encode(GREY.convert("1"), "TIFF"), "black and white"),
        (encode(photo((40, 30)).convert("CMYK"), "TIFF"), "CMYK"),
    ],
)
def test_modes_in_words(data, mode):
    assert image_facts(data, load_image(data), "x").mode == mode


def test_pixels_are_hashed_in_strips(monkeypatch):
    image = photo((40, 30))
    whole = pixel_hash(image)
    monkeypatch.setattr("crosspool.inspection.image.STRIP_BYTES", 40 * 3 * 7)
    assert pixel_hash(image) != pixel_hash(image.rotate(180))
    assert pixel_hash(image) == whole
    assert pixel_hash(image) != pixel_hash(image.resize((30, 40)))
