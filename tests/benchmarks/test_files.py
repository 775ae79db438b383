"""What `python -m benchmarks.robustness.files` notices: other sizes, turned images, other colours, faults and hangs."""

import io
import time

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from benchmarks.harness import odd_files, reference_decoders
from benchmarks.harness.images import encoded
from benchmarks.harness.odd_files import Reading, Result, readings, report
from benchmarks.harness.pictures import Picture, differences, is_image_file, kind_of_image
from crosspool.images import load_image
from tests.images import noise

PHOTO = noise(3, (90, 70), resample=Image.Resampling.BICUBIC)
TURNS = {
    Image.Transpose.FLIP_LEFT_RIGHT: "upright, mirrored",
    Image.Transpose.ROTATE_90: "turned left",
    Image.Transpose.ROTATE_180: "upside down",
    Image.Transpose.ROTATE_270: "turned right",
    Image.Transpose.FLIP_TOP_BOTTOM: "upside down, mirrored",
    Image.Transpose.TRANSPOSE: "turned right, mirrored",
    Image.Transpose.TRANSVERSE: "turned left, mirrored",
}


def words(image, reference=PHOTO):
    return differences(Picture.of(image), Picture.of(reference))


def test_an_image_and_its_jpeg_agree():
    jpeg = Image.open(io.BytesIO(encoded(PHOTO, "JPEG", quality=90)))
    assert words(jpeg.convert("RGB")) == []


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_image_is_noticed(turn):
    assert TURNS[turn] in words(PHOTO.transpose(turn))


def test_another_size_is_noticed():
    assert words(PHOTO.resize((180, 140))) == ["180×140 instead of 90×70"]


def test_brighter_and_negative_images_are_noticed():
    assert "means" in words(PHOTO.point(lambda value: value * 7 // 8))[0]
    assert "correlation -1.000" in words(PHOTO.point(lambda value: 255 - value))
    assert words(Image.new("RGB", (90, 70), "grey"))[-1] == "of one colour, only one of the two"


def test_where_black_and_white_are_left_open_only_the_correlation_counts():
    darker = Picture.of(PHOTO.point(lambda value: value // 2))
    assert differences(darker, Picture.of(PHOTO, is_relative=True)) == []


def test_tifffile_agrees_about_colours_transparency_and_orientation():
    images = [PHOTO, PHOTO.convert("L"), PHOTO.convert("1"), PHOTO.quantize(9), PHOTO.convert("RGBA")]
    images[-1].putalpha(Image.linear_gradient("L").resize(PHOTO.size))
    for image in images:
        for orientation in range(1, 9):
            data = encoded(image, "TIFF", tiffinfo={274: orientation})
            assert differences(Picture.of(load_image(data)), reference_decoders._by_tifffile(data)) == []


def test_pillow_heif_agrees_about_depth_and_transparency():
    image = PHOTO.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(PHOTO.size))
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=95)
    assert differences(Picture.of(load_image(file.getvalue())), reference_decoders._by_heif(file.getvalue())) == []


def test_files_are_known_by_their_content_or_name(tmp_path):
    for name, data in {"a": encoded(PHOTO), "b.heic": b"nonsense", "c.txt": b"words", "d.jxl": b"\xff\x0a"}.items():
        (tmp_path / name).write_bytes(data)
    assert [path.name for path in sorted(tmp_path.iterdir()) if is_image_file(path)] == ["a", "b.heic", "d.jxl"]
    kinds = ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "AVIF"]
    assert [kind_of_image(encoded(PHOTO, kind)[:16]).upper() for kind in kinds] == kinds
    assert kind_of_image(b"words") == "other"


def slow_reading(path):
    if path.name == "hang":
        time.sleep(60)
    return Reading(refusal=path.name)


def test_a_hang_is_a_fault_and_the_next_file_is_read(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in ("first", "hang", "last")]
    monkeypatch.setattr(odd_files, "reading_of", slow_reading)
    first, hang, last = readings(paths, limit=3)
    assert (first.refusal, hang.fault, last.refusal) == ("first", "It takes more than 3 s.", "last")


def test_the_report():
    picture, other = Picture.of(PHOTO), Picture.of(PHOTO.transpose(Image.Transpose.ROTATE_180))
    small = Picture(8, 8, np.zeros((64, 64, 3), np.float32))
    chromium = reference_decoders.Reference
    results = [
        Result("a.png", "PNG", Reading(picture), chromium("Chromium", picture)),
        Result("b.png", "PNG", Reading(picture), chromium("Chromium", other)),
        Result("c.gif", "GIF", Reading(refusal="c.gif is rare."), chromium("Chromium", picture)),
        Result("d.gif", "GIF", Reading(refusal="d.gif is small."), chromium("Chromium", small)),
        Result("e.gif", "GIF", Reading(fault="KeyError"), None),
    ]
    text = report(results)
    assert "| GIF | 3 | 0 | 2 | 1 | 0 | 0 | 1 |" in text
    assert "| PNG | 2 | 2 | 0 | 0 | 2 | 1 | 0 |" in text
    assert "| all | 5 | 2 | 2 | 1 | 2 | 1 | 1 |" in text
    assert "| b.png | Chromium | upside down," in text
    assert "| c.gif | Chromium | is rare. |" in text
    assert "| e.gif | KeyError |" in text
