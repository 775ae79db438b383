import io
import math
import os
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import AvifImagePlugin, Image, ImageCms, ImageFile
from pillow_heif.as_plugin import HeifImageFile

from crosspool import framing as framing_module
from crosspool import images
from crosspool.backbones.torchvision_guard import torchvision
from crosspool.colours import upright_rgb
from crosspool.errors import ImageError, SettingError
from crosspool.framing import MAX_ASPECT, Preprocessing, frame_image, to_tensor
from crosspool.images import frame_count, load_image, upright_size
from tests.images import noise

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
LETTERS = {"R": RED, "G": GREEN, "B": BLUE, "W": WHITE}
LITE0 = Preprocessing(224, 0.875, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
ALEXNET = Preprocessing(224, 0.875, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# What Pillow says of a file whose end is missing.
CORRUPT_EXIF = pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "HEIC", "GIF", "TIFF", "BMP"]


def quarters(letters="RGBW", size=(64, 48)):
    """An image of four one-coloured quarters: top left, top right, bottom left, bottom right."""
    image = Image.new("RGB", (2, 2))
    image.putdata([LETTERS[letter] for letter in letters])
    return image.resize(size, Image.Resampling.NEAREST)


def photo(size, seed=0):
    """Smooth colours and noise, so that every wrongly read pixel shows."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def encode(image, kind, **options):
    data = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(data, quality=90, **options)
    else:
        if kind in ("JPEG", "WEBP", "AVIF"):
            options = {"quality": 95, **options}
        image.save(data, kind, **options)
    return data.getvalue()


def png(width, height, depth, colour_type, rows=b"", extra=b""):
    """A PNG written by hand, for what Pillow cannot write: `rows` are the unfiltered bytes of the pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body + chunk(b"IEND", b"")


def corners(image):
    """The colours well inside the four quarters."""
    width, height = image.size
    places = [(width // 4, height // 4), (3 * width // 4, height // 4)]
    places += [(x, 3 * height // 4) for x, _ in places]
    return [image.getpixel(place) for place in places]


def assert_quarters(image, letters="RGBW", tolerance=12):
    assert image.mode == "RGB"
    for colour, letter in zip(corners(image), letters, strict=True):
        assert max(abs(a - b) for a, b in zip(colour, LETTERS[letter], strict=True)) <= tolerance, colour


def pixel(data, place=(0, 0)):
    image = load_image(data)
    assert image.mode == "RGB"
    return image.getpixel(place)


# --- formats


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read(kind):
    image = load_image(encode(quarters(), kind))
    assert image.size == (64, 48)
    assert_quarters(image)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_lossless_formats_are_exact(kind):
    original = photo((40, 30))
    assert load_image(encode(original, kind)).tobytes() == original.tobytes()


def test_first_frame():
    frames = [quarters("RRRR"), quarters("GGGG"), quarters("BBBB")]
    for kind in ("GIF", "TIFF", "WEBP", "MPO", "PNG", "AVIF"):
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
        assert_quarters(load_image(data), "RRRR")


def test_a_format_that_is_not_listed():
    with pytest.raises(ImageError, match=r"^The image is not an image that can be read here; save it as JPEG"):
        load_image(encode(quarters(), "PPM"))


@pytest.mark.parametrize("sides", [(16, 5000), (5000, 16), (40, 30), (2000, 100)])
def test_shrunk_images_can_be_read_again(sides):
    shrunk = load_image(images.shrunk_file(photo(sides), 1000))
    assert max(shrunk.size) == min(1000, max(sides))
    assert min(shrunk.size) >= 16
    if min(sides) > 16:
        assert shrunk.width / shrunk.height == sides[0] / sides[1]


# --- modes


def test_greyscale_and_one_bit():
    assert pixel(encode(Image.new("L", (20, 20), 77), "PNG")) == (77, 77, 77)
    assert pixel(encode(Image.new("1", (20, 20), 1), "PNG")) == WHITE
    assert pixel(encode(Image.new("1", (20, 20), 0), "TIFF")) == BLACK


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 0), WHITE),
        ((0, 0, 0, 255), BLACK),
        ((0, 255, 255, 0), RED),
    ],
)
def test_cmyk(kind, ink, colour):
    data = encode(Image.new("CMYK", (32, 32), ink), kind)
    assert (b"Adobe" in data) == (kind == "JPEG")  # Adobe's JPEGs hold the inks inverted
    assert np.abs(np.subtract(pixel(data), colour)).max() <= 3


def test_sixteen_bit_grey_is_scaled_not_clipped():
    values = np.zeros((16, 16), np.uint16)
    values[0, :5] = [0, 257, 300, 128 * 257, 65535]
    for dtype, kind in (("<u2", "PNG"), ("<u2", "TIFF"), (">u2", "TIFF")):
        data = encode(Image.fromarray(values.astype(dtype)), kind)
        image = load_image(data)
        assert np.asarray(image)[0, :5, 0].tolist() == [0, 1, 1, 128, 255]


def test_sixteen_bit_colour():
    row = struct.pack(">3H", 65535, 128 * 257, 257) * 16
    assert pixel(png(16, 16, 16, 2, (b"\0" + row) * 16)) == (255, 128, 1)
    row = struct.pack(">4H", 65535, 0, 0, 65535) * 15 + struct.pack(">4H", 65535, 0, 0, 0)
    data = png(16, 16, 16, 6, (b"\0" + row) * 16)
    assert (pixel(data), pixel(data, (15, 15))) == (RED, WHITE)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("int32", [0, 257, 65535], [0, 1, 255]),
        ("int32", [0, 100, 255], [0, 100, 255]),
        ("int32", [-1000, 0, 1000], [0, 128, 255]),
        ("int32", [0, 500_000, 1_000_000], [0, 128, 255]),
        ("float32", [0.0, 0.5, 1.0], [0, 128, 255]),
        ("float32", [0.0, 100.0, 255.0], [0, 100, 255]),
        ("float32", [-3.0, 0.0, 3.0], [0, 128, 255]),
        ("float32", [math.nan, 0.2, 1.0], [0, 51, 255]),
        ("float32", [math.inf, 0.2, 1.0], [0, 51, 255]),
        ("float32", [1e-30, -1e-30, 0.0], [255, 0, 128]),
        ("float32", [3e38, -3e38, 0.0], [255, 0, 128]),
    ],
)
def test_wide_grey_values(dtype, values, expected):
    pixels = np.full((16, 16), values[-1], dtype)
    pixels[0, :3] = values
    image = load_image(encode(Image.fromarray(pixels), "TIFF"))
    assert np.asarray(image)[0, :3, 0].tolist() == expected


def test_a_constant_image_outside_every_convention():
    assert pixel(encode(Image.fromarray(np.full((16, 16), -7, np.int32)), "TIFF")) == BLACK


def test_alpha_lies_over_white():
    assert pixel(encode(Image.new("RGBA", (16, 16), (255, 0, 0, 255)), "PNG")) == RED
    assert pixel(encode(Image.new("RGBA", (16, 16), (255, 0, 0, 128)), "PNG")) == (255, 127, 127)
    assert pixel(encode(Image.new("RGBA", (16, 16), (255, 0, 0, 0)), "PNG")) == WHITE
    assert pixel(encode(Image.new("LA", (16, 16), (0, 128)), "PNG")) == (127, 127, 127)
    assert pixel(encode(Image.new("RGBA", (16, 16), (0, 0, 0, 0)), "WEBP", lossless=True)) == WHITE
    assert min(pixel(encode(Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "HEIC"))) >= 250
    assert min(pixel(encode(Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "AVIF"))) >= 250


def test_palette():
    indexed = Image.new("P", (16, 16), 1)
    indexed.putpalette([0, 0, 0, 10, 20, 30])
    for kind in ("PNG", "GIF", "TIFF", "BMP"):
        assert pixel(encode(indexed, kind)) == (10, 20, 30)
    for kind in ("PNG", "GIF"):
        assert pixel(encode(indexed, kind, transparency=1)) == WHITE
    assert pixel(encode(indexed, "PNG", transparency=bytes([255, 128]))) == (132, 137, 142)


def test_transparent_colour_key():
    key = struct.pack(">I", 6) + b"tRNS" + struct.pack(">3H", 1, 2, 3)
    key += struct.pack(">I", zlib.crc32(key[4:]))
    row = b"\0" + bytes([1, 2, 3]) * 15 + bytes([9, 9, 9])
    data = png(16, 16, 8, 2, row * 16, extra=key)
    assert (pixel(data), pixel(data, (15, 0))) == (WHITE, (9, 9, 9))


# --- orientation


STORED = {1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "GWRB", 7: "WGBR", 8: "BRWG"}
"""How a camera stores the upright quarters RGBW under each EXIF orientation."""


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIC", "TIFF"])
def test_exif_orientation(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = quarters(STORED[orientation], (48, 64) if orientation >= 5 else (64, 48))
    file = encode(stored, kind, exif=exif.tobytes())
    image = load_image(file)
    assert upright_size(file, "photo") == image.size
    assert image.size == (64, 48)
    assert_quarters(image)


@CORRUPT_EXIF
@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\xff", b"Exif\0\0", b"x" * 50])
def test_broken_exif_does_not_fail_the_image(exif):
    assert_quarters(load_image(encode(quarters(), "JPEG", exif=exif)))


def test_a_nonsensical_orientation_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 77
    assert_quarters(load_image(encode(quarters(), "JPEG", exif=exif.tobytes())))


def test_metadata_is_gone_so_that_saving_does_not_turn_or_colour_twice():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = load_image(encode(quarters(), "JPEG", exif=exif.tobytes(), icc_profile=swapped_profile()))
    assert type(image) is Image.Image
    assert not image.info
    assert not image.getexif()
    assert load_image(encode(image, "PNG")).tobytes() == image.tobytes()


# --- colour profiles


def swapped_profile():
    """sRGB with its red and blue swapped: a profile whose effect is plain to see."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = data.replace("sRGB".encode("utf-16-be"), "sBGR".encode("utf-16-be"))
    return data.replace(b"rXYZ", b"----", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"----", b"bXYZ", 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"])
def test_an_embedded_profile_is_converted_to_srgb(kind):
    image = load_image(encode(quarters(), kind, icc_profile=swapped_profile()))
    assert_quarters(image, "BGRW", tolerance=16)


def test_a_profile_under_alpha_and_in_a_palette():
    half = Image.new("RGBA", (16, 16), (255, 0, 0, 128))
    assert np.abs(np.subtract(pixel(encode(half, "PNG", icc_profile=swapped_profile())), (127, 127, 255))).max() <= 2
    indexed = quarters().quantize(4)
    assert_quarters(load_image(encode(indexed, "PNG", icc_profile=swapped_profile())), "BGRW")


def test_an_rgb_profile_on_a_grey_image():
    grey = encode(Image.new("L", (16, 16), 77), "PNG", icc_profile=swapped_profile())
    assert np.abs(np.subtract(pixel(grey), 77)).max() <= 1


def test_srgb_itself_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    original = photo((40, 30))
    assert load_image(encode(original, "PNG", icc_profile=srgb)).tobytes() == original.tobytes()


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 128, swapped_profile()[:200]])
def test_a_broken_profile_does_not_fail_the_image(profile):
    original = photo((40, 30))
    assert load_image(encode(original, "PNG", icc_profile=profile)).tobytes() == original.tobytes()


def test_a_profile_of_another_colour_space_is_ignored():
    cmyk = encode(Image.new("CMYK", (32, 32), (255, 0, 0, 0)), "TIFF", icc_profile=swapped_profile())
    assert pixel(cmyk) == (0, 255, 255)


# --- sources


def test_paths(tmp_path):
    path = tmp_path / "quarters é.png"
    path.write_bytes(encode(quarters(), "PNG"))
    assert_quarters(load_image(path))
    assert_quarters(load_image(str(path)))


def test_the_name_of_a_file_does_not_matter(tmp_path):
    path = tmp_path / "quarters.txt"
    path.write_bytes(encode(quarters(), "HEIC"))
    assert_quarters(load_image(path))


def test_a_file_object_keeps_its_position_and_stays_open():
    stream = io.BytesIO(encode(quarters(), "PNG"))
    stream.seek(5)
    assert_quarters(load_image(stream))
    assert stream.tell() == 5
    broken = io.BytesIO(b"not an image at all")
    broken.seek(3)
    with pytest.raises(ImageError):
        load_image(broken)
    assert broken.tell() == 3


def test_a_stream_that_cannot_seek():
    reader, writer = os.pipe()
    data = encode(photo((400, 300)), "PNG")

    def write():
        with os.fdopen(writer, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        assert load_image(pipe).size == (400, 300)
    thread.join()


def test_bytes_like():
    data = encode(quarters(), "PNG")
    assert_quarters(load_image(bytearray(data)))
    assert_quarters(load_image(memoryview(data)))


# --- errors


def message(source, **options):
    with pytest.raises(ImageError) as caught:
        load_image(source, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def image_or_message(source, **options):
    try:
        return load_image(source, **options), ""
    except ImageError as error:
        return None, str(error)


def test_missing_files_and_folders_are_refused(tmp_path):
    missing = tmp_path / "no.jpg"
    assert message(missing) == f"{missing} was not found; check the name and the folder."
    assert message(tmp_path) == f"{tmp_path} is a folder, not an image; name a file inside it."
    assert message("a\0b.jpg").startswith("a\0b.jpg cannot be opened (embedded null byte)")
    assert "cannot be opened (File name too long)" in message("x" * 5000)
    assert message("") == "A file without a name was not found; check the name and the folder."


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(encode(quarters(), "PNG"))
    path.chmod(0)
    assert "cannot be opened (Permission denied)" in message(path)


def test_empty(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert message(tmp_path / "empty.jpg").endswith("empty.jpg is empty (0 bytes); choose another file.")
    assert message(b"", name="photo.png") == "photo.png is empty (0 bytes); choose another file."
    assert message(io.BytesIO()) == "The image is empty (0 bytes); choose another file."


def test_not_an_image():
    expected = (
        "notes.txt is not an image that can be read here; save it as JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP."
    )
    assert message(b"Dear diary, today", name="notes.txt") == expected
    video = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0" * 200
    assert message(video).startswith("The image is not an image")
    assert message(b"<svg xmlns='http://www.w3.org/2000/svg'/>").startswith("The image is not an image")
    assert message(b"%!PS-Adobe-3.0 EPSF-3.0\n").startswith("The image is not an image")


def test_files_opened_in_the_wrong_mode(tmp_path):
    path = tmp_path / "quarters.png"
    path.write_bytes(encode(quarters(), "PNG"))
    with open(path, encoding="latin-1") as text:
        assert "was opened as text; open it in binary mode" in message(text)
    with open(path, "rb") as closed:
        pass
    assert message(closed) == f"{path} cannot be read (I/O operation on closed file); open it again."


def test_a_file_that_never_ends(monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 2 * 2**20)
    text = message("/dev/zero") if os.path.exists("/dev/zero") else message(b"")
    assert text == "/dev/zero is larger than 2 MB; scale the image down and try again."


def test_too_small():
    assert message(encode(quarters(size=(15, 300)), "PNG"), name="strip.png") == (
        "strip.png has only 15×300 pixels; choose one of at least 16×16."
    )
    assert load_image(encode(quarters(size=(16, 16)), "PNG")).size == (16, 16)


@CORRUPT_EXIF
@pytest.mark.parametrize("kind", FORMATS)
def test_cut_short_at_every_length(kind):
    """What is left of a file is either refused or, where only padding is missing, the same image."""
    data = encode(photo((40, 32)), kind)
    whole = load_image(data).tobytes()
    lengths = range(1, len(data)) if len(data) < 3000 else [*range(1, 600), *range(600, len(data), 7)]
    refused = 0
    for length in lengths:
        image, text = image_or_message(data[:length], name="cut")
        if image is None:
            refused += 1
            assert text.startswith("cut ")
            assert length < 20 or "damaged or cut short" in text, (length, text)
        else:
            assert image.tobytes() == whole, length
            assert length > len(data) - 32, (length, len(data))
    assert refused > 0.9 * len(lengths)


def test_the_cause_is_kept():
    with pytest.raises(ImageError) as caught:
        load_image(encode(photo((64, 64)), "JPEG")[:900])
    assert isinstance(caught.value.__cause__, OSError)


# --- too many pixels


def bombs():
    """Headers that claim enormous images, with next to nothing behind them."""
    size = 60_000, 60_000
    yield "PNG", png(*size, 8, 2)
    yield "GIF", encode(quarters(), "GIF").replace(struct.pack("<HH", 64, 48), struct.pack("<HH", *size))
    jpeg = encode(quarters(), "JPEG")
    yield "JPEG", jpeg.replace(struct.pack(">HH", 48, 64), struct.pack(">HH", *size))
    bmp = encode(quarters(), "BMP")
    yield "BMP", bmp.replace(struct.pack("<ii", 64, 48), struct.pack("<ii", *size))
    large = encode(Image.new("1", (8000, 8000)), "TIFF", compression="group4")
    yield "TIFF", large
    canvas = struct.pack("<I", 16000 - 1)[:3] * 2
    vp8x = b"VP8X" + struct.pack("<IBBBB", 10, 2, 0, 0, 0) + canvas
    body = b"WEBP" + vp8x + encode(Image.new("RGB", (64, 48)), "WEBP")[12:]
    yield "WEBP", b"RIFF" + struct.pack("<I", len(body)) + body
    for kind in ("AVIF", "HEIC"):
        boxes = encode(quarters(size=(64, 64)), kind)
        at = boxes.index(b"ispe") + 8
        yield kind, boxes[:at] + struct.pack(">II", *size) + boxes[at + 8 :]


@pytest.mark.parametrize("data", [data for _, data in bombs()], ids=[kind for kind, _ in bombs()])
def test_bombs_are_refused_without_decoding(data, monkeypatch):
    decoded: list[Image.Image] = []
    for decoder in (ImageFile.ImageFile, AvifImagePlugin.AvifImageFile, HeifImageFile):
        monkeypatch.setattr(decoder, "load", decoded.append)
    text = message(data, name="bomb")
    assert not decoded
    assert text.startswith("bomb has ")
    assert text.endswith("scale it down and try again.")


def test_the_limit_on_pixels():
    assert message(png(10_000, 6_000, 8, 2), name="poster.png") == (
        "poster.png has 10,000×6,000 pixels, 60.0 million of at most 50 million; scale it down and try again."
    )
    data = encode(photo((2000, 1000)), "PNG")
    assert load_image(data, max_pixels=2_000_000).size == (2000, 1000)
    assert message(data, max_pixels=1_999_999) == (
        "The image has 2,000×1,000 pixels, 2.0 million of at most 1.999999 million; scale it down and try again."
    )


# --- any bytes at all

SEEDS = {
    kind: encode(photo((24, 20)), kind, **({"exif": b"Exif\0\0MM\0*\0\0\0\x08"} if kind == "JPEG" else {}))
    for kind in FORMATS
}


def assert_image_or_error(data):
    image, text = image_or_message(data, max_pixels=1_000_000)
    if image is None:
        assert text.endswith(".")
    else:
        assert image.mode == "RGB"
        assert min(image.size) >= images.MIN_SIDE
        assert math.prod(image.size) <= 1_000_000


@CORRUPT_EXIF
@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([b"", *(data[:16] for data in SEEDS.values())]))
def test_random_bytes(tail, head):
    assert_image_or_error(head + tail)


@settings(max_examples=600)
@given(st.sampled_from(FORMATS), st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_files(kind, data):
    damaged = bytearray(SEEDS[kind])
    places = st.integers(0, len(damaged) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(places) :]
    assert_image_or_error(bytes(damaged))


# --- framing


def torchvision_crop(image, preprocessing, size):
    mode = torchvision.transforms.InterpolationMode(preprocessing.interpolation)
    resize = torchvision.transforms.Resize(round(size / preprocessing.crop_fraction), mode)
    return torchvision.transforms.CenterCrop(size)(resize(image))


@settings(max_examples=60)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.sampled_from([128, 131, 224, 299]),
    st.sampled_from([0.875, 0.8, 224 / 232, 1.0]),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_crop_is_torchvision_s_up_to_rounding(width, height, size, fraction, interpolation):
    assume(max(width, height) <= MAX_ASPECT * min(width, height))
    preprocessing = Preprocessing(size, fraction, interpolation, (0.5,) * 3, (0.5,) * 3)
    image = soft_photo((width, height), seed=width)
    levels = steps_between(frame_image(image, preprocessing), torchvision_crop(image, preprocessing, size))
    assert levels.max() <= 2
    assert levels.mean() < 0.1


@settings(max_examples=60)
@given(st.integers(16, 900), st.integers(16, 900), st.sampled_from(["bilinear", "bicubic"]))
def test_squash_is_pillow_s_up_to_rounding(width, height, interpolation):
    preprocessing = Preprocessing(224, 1.0, interpolation, (0.5,) * 3, (0.5,) * 3)
    image = soft_photo((width, height), seed=width)
    expected = image.resize((224, 224), Image.Resampling[interpolation.upper()])
    levels = steps_between(frame_image(image, preprocessing, framing="squash"), expected)
    assert levels.max() <= 2
    assert levels.mean() < 0.1


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_hard_edges_are_framed_as_pillow_frames_them_nearly_everywhere(interpolation):
    """Overshoot beyond black and white is cut off between two passes, whose order is not the same."""
    preprocessing = Preprocessing(224, 1.0, interpolation, (0.5,) * 3, (0.5,) * 3)
    image = noise(5, (640, 420), shape=(70, 110))
    expected = image.resize((224, 224), Image.Resampling[interpolation.upper()])
    levels = steps_between(frame_image(image, preprocessing, framing="squash"), expected)
    assert (levels > 1).mean() < 0.01
    assert levels.mean() < 0.1


def test_an_image_in_several_pieces_is_framed_as_one_in_one_piece():
    """Pillow keeps at most 16 MB in a piece, unless it is told otherwise, as `load_image` does for what it reads."""
    pixels = np.random.default_rng(0).integers(0, 256, (2100, 2000, 3), np.uint8)
    Image.core.set_use_block_allocator(0)  # type: ignore[attr-defined]
    in_pieces = Image.fromarray(pixels)
    assert not in_pieces.im.isblock()
    in_one_piece = load_image(encode(in_pieces, "BMP"))
    assert in_one_piece.im.isblock()
    framed = [frame_image(image, LITE0, 448) for image in (in_pieces, in_one_piece)]
    assert framed[0].tobytes() == framed[1].tobytes()


def test_pixels_in_place_outlive_the_image():
    Image.core.set_use_block_allocator(0)  # type: ignore[attr-defined]  # as only this way pieces are counted

    def freed():
        return Image.core.get_stats()["freed_blocks"]  # type: ignore[attr-defined]

    image, before = Image.new("RGB", (200, 100)), freed()
    pixels = framing_module._memory_of(image)
    assert pixels.shape == (100, 200, 4)  # no copy
    del image
    assert freed() == before
    del pixels
    assert freed() == before + 1


def soft_photo(size, seed):
    """A photo without black and white, of which nothing is cut off however it is resized."""
    return photo(size, seed).point(lambda value: 64 + value // 2)


def steps_between(image, other):
    return np.abs(np.asarray(image, np.int16) - np.asarray(other, np.int16))


def test_the_tensor_is_torchvision_s():
    framed = [frame_image(image, ALEXNET) for image in (photo((300, 200)), photo((200, 301), seed=1))]
    transforms = torchvision.transforms
    normalise = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(ALEXNET.mean, ALEXNET.std)],
    )
    expected = torch.stack([normalise(image) for image in framed])
    actual = to_tensor(framed, ALEXNET)
    assert actual.dtype == torch.float32
    assert actual.shape == (2, 3, 224, 224)
    assert actual.is_contiguous()
    assert torch.equal(actual, expected)


def test_sizes_and_framings():
    image = quarters(size=(400, 300))
    for size in (128, 448, 896):
        for framing in ("crop", "squash"):
            framed = frame_image(image, LITE0, size, framing)
            assert framed.size == (size, size)
            assert_quarters(framed)
    assert frame_image(image, LITE0).size == (224, 224)


def test_squash_shows_the_whole_image():
    thirds = Image.new("RGB", (900, 100), WHITE)
    thirds.paste(RED, (0, 0, 300, 100))
    thirds.paste(BLUE, (600, 0, 900, 100))
    squashed, cropped = frame_image(thirds, LITE0, framing="squash"), frame_image(thirds, LITE0)
    assert [squashed.getpixel((x, 112)) for x in (5, 112, 219)] == [RED, WHITE, BLUE]
    assert [cropped.getpixel((x, 112)) for x in (0, 112, 223)] == [WHITE, WHITE, WHITE]


def test_a_network_s_own_size_may_lie_outside_the_range():
    tiny = Preprocessing(32, 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3)
    assert frame_image(quarters(), tiny).size == (32, 32)
    assert frame_image(quarters(), tiny, 32).size == (32, 32)


@pytest.mark.parametrize("size", [127, 897, 0, -224, True, 224.5, "224"])
def test_wrong_sizes(size):
    with pytest.raises(SettingError, match=r"^The input size must be a whole number from 128 to 896, not "):
        frame_image(quarters(), LITE0, size)


def test_wrong_settings():
    with pytest.raises(SettingError, match="framing must be crop or squash, not 'stretch'"):
        frame_image(quarters(), LITE0, framing="stretch")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="crop fraction"):
        Preprocessing(224, 0.0, "bilinear", (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(SettingError, match="bilinear or bicubic"):
        Preprocessing(224, 0.875, "lanczos", (0.5,) * 3, (0.5,) * 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(16, 600_000), (600_000, 16)])
def test_an_extreme_strip_is_never_enlarged_whole(size, monkeypatch):
    resized = []
    resize = framing_module.resized

    def watched(image, target, interpolation):
        resized.append(target)
        return resize(image, target, interpolation)

    monkeypatch.setattr(framing_module, "resized", watched)
    strip = Image.new("RGB", size, RED)
    middle = tuple(side // 2 for side in size)
    strip.paste(BLUE, (middle[0] - 8, middle[1] - 8, middle[0] + 8, middle[1] + 8))
    framed = frame_image(strip, LITE0, 896)
    assert framed.getpixel((448, 448)) == BLUE
    assert resized == [(1024, 16 * 1024) if size[0] == 16 else (16 * 1024, 1024)]


def test_shortening_a_strip_hardly_changes_the_crop(monkeypatch):
    strip = photo((1001, 50))
    shortened = np.asarray(frame_image(strip, LITE0), dtype=int)
    monkeypatch.setattr(framing_module, "MAX_ASPECT", 100)
    assert np.abs(shortened - np.asarray(frame_image(strip, LITE0), dtype=int)).max() <= 8


def test_framing_takes_any_image_and_does_not_change_it():
    clear = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    assert frame_image(clear, LITE0).getpixel((100, 100)) == WHITE
    assert clear.getpixel((100, 100)) == (0, 0, 0, 0)
    original = photo((300, 200))
    before = original.tobytes()
    frame_image(original, LITE0)
    assert original.tobytes() == before
    assert upright_rgb(original) is original


def test_to_tensor_literally():
    framed = [Image.new("RGB", (2, 2), (255, 0, 51)), Image.new("RGB", (2, 2), BLACK)]
    preprocessing = Preprocessing(2, 1.0, "bilinear", (0.5, 0.25, 0.0), (0.5, 0.25, 0.1))
    tensor = to_tensor(framed, preprocessing)
    assert tensor.shape == (2, 3, 2, 2)
    torch.testing.assert_close(tensor[0, :, 0, 0], torch.tensor([1.0, -1.0, 2.0]))
    torch.testing.assert_close(tensor[1, :, 1, 1], torch.tensor([-1.0, -1.0, 0.0]))


def test_to_tensor_refuses_images_that_do_not_form_a_batch():
    same = Image.new("RGB", (4, 4))
    for wrong in ([], [same, Image.new("RGB", (5, 5))], [Image.new("L", (4, 4))]):
        with pytest.raises(SettingError, match="at least one image"):
            to_tensor(wrong, LITE0)


# --- the module and the samples


def test_importing_the_module_leaves_pillow_alone():
    code = (
        "import sys; from PIL import Image; Image.init(); before = dict(Image.OPEN)\n"
        "import crosspool.images\n"
        "assert 'pillow_heif' not in sys.modules and 'streamlit' not in sys.modules\n"
        "assert 'torchvision' not in sys.modules\n"
        "import io, pathlib\n"
        "crosspool.images.load_image(sys.stdin.buffer)\n"
        "assert 'pillow_heif' in sys.modules and Image.OPEN == before\n"
    )
    subprocess.run([sys.executable, "-c", code], input=encode(quarters(), "HEIC"), check=True)


def test_the_samples_are_read():
    folder = Path(__file__).parents[1] / "assets" / "samples"
    paths = sorted(folder.glob("*.jpg"))
    assert len(paths) == 8
    for path in paths:
        image = load_image(path)
        assert max(image.size) <= 640
        with Image.open(path) as stored:
            assert not stored.getexif()
            assert set(stored.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(("kind", "expected"), [("GIF", 5), ("PNG", 5), ("WEBP", 5), ("TIFF", 5), ("MPO", 1)])
def test_frames_are_counted_but_not_the_other_images_in_a_photo(kind, expected):
    first, *others = (Image.new("RGB", (40, 30), (50 * step, 0, 90)) for step in range(5))
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=others)
    assert frame_count(file.getvalue()) == expected


def test_a_still_image_and_one_that_is_cut_short_have_one_frame():
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "PNG")
    assert [frame_count(data) for data in (file.getvalue(), file.getvalue()[:60], b"words")] == [1, 1, 1]
