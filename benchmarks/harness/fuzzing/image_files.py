"""One small image file of every accepted format and kind. All are made here, none copied."""

import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from benchmarks.harness.images import encoded, noise

SIDES = (44, 36)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TIFF_COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")
MODES = {
    "png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "bmp": ("1", "L", "P", "RGB", "RGBA"),
    "tiff": ("L", "I;16", "I", "F", "CMYK", "LAB", "YCbCr"),
}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@cache
def valid_files() -> dict[str, bytes]:
    """One small file of each format and kind."""
    image = small_image()
    frames = [image.rotate(20 * turn) for turn in range(1, 6)]
    animated = {"save_all": True, "append_images": frames, "duration": 40, "loop": 0}
    profile, exif = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = 6, "A camera", "Nobody"
    labels = {"exif": exif.tobytes(), "icc_profile": profile}
    files = {
        "jpeg": saved(image, "JPEG", quality=90, subsampling=0),
        "jpeg progressive": saved(image, "JPEG", progressive=True),
        "jpeg grey": saved(image.convert("L"), "JPEG"),
        "jpeg cmyk": saved(image.convert("CMYK"), "JPEG", restart_marker_blocks=4),
        "jpeg labelled": saved(image, "JPEG", **labels, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", comment=b"!"),
        "mpo": saved(image, "MPO", save_all=True, append_images=frames[:1]),
        "png 16 bits": png(16, 2, np.random.default_rng(1).integers(0, 256, (36, 44 * 6), np.uint8)),
        "png interlaced": _interlaced_png(),
        "png animated": saved(image, "PNG", **animated),
        "png labelled": saved(image, "PNG", **labels),
        "webp": saved(image, "WEBP", quality=80),
        "webp lossless": saved(image.convert("RGBA"), "WEBP", lossless=True, **labels),
        "webp animated": saved(image, "WEBP", **animated),
        "avif": saved(image, "AVIF", quality=60, speed=10, **labels),
        "avif animated": saved(image, "AVIF", speed=10, save_all=True, append_images=frames[:2]),
        "heic": _heic(image),
        "heic several": _heic(image, *frames[:2]),
        "gif": saved(image.convert("P"), "GIF", transparency=3),
        "gif animated": saved(image.convert("P"), "GIF", **{**animated, "append_images": 8 * frames}),
        "bmp rle": _run_length_bmp(),
        "tiff big": saved(image, "TIFF", big_tiff=True),
        "tiff pages": saved(image, "TIFF", save_all=True, append_images=frames),
        "tiff fax": saved(image.convert("1"), "TIFF", compression="group4"),
        "tiff labelled": saved(image, "TIFF", **labels),
    }
    for kind, modes in MODES.items():
        files |= {f"{kind} {mode}": saved(_in_mode(image, mode), kind.upper()) for mode in modes}
    return files | {f"tiff {name}": saved(image, "TIFF", compression=name) for name in TIFF_COMPRESSIONS}


def small_image() -> Image.Image:
    return noise(0, SIDES, resample=Image.Resampling.BICUBIC)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        return transform.apply(image)
    return image.convert("L").convert(mode) if mode in ("I", "F") else image.convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of an image's file, saved from a copy, as Pillow leaves an encoder's settings on the image."""
    others = [other.copy() for other in options.pop("append_images", ())]
    return encoded(image.copy(), kind, **options, append_images=others)


def _heic(*images: Image.Image) -> bytes:
    heif, file = pillow_heif.from_pillow(images[0]), BytesIO()
    for image in images[1:]:
        heif.add_from_pillow(image)
    heif.save(file, quality=60)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth: int, colours: int, rows: np.ndarray, extra: bytes = b"") -> bytes:
    """A PNG by hand, for what Pillow does not write; `rows` are bytes, (height, bytes of a row)."""
    lines = np.pad(rows, ((0, 0), (1, 0))).tobytes()  # no filter
    return png_of(struct.pack(">IIBBBBB", *SIDES, depth, colours, 0, 0, 0), zlib.compress(lines, 1), extra)


def png_of(header: bytes, data: bytes, extra: bytes = b"") -> bytes:
    return PNG_SIGNATURE + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _interlaced_png() -> bytes:
    """Adam7: seven small images one after the other."""
    pixels, passes = np.asarray(small_image()), b""
    for left, top, right, down in ADAM7:
        part = pixels[top::down, left::right]
        passes += np.pad(part.reshape(len(part), -1), ((0, 0), (1, 0))).tobytes()
    return png_of(struct.pack(">IIBBBBB", *SIDES, 8, 2, 0, 0, 1), zlib.compress(passes))


def _run_length_bmp() -> bytes:
    palette, lines = bytes(range(256)) * 4, b"".join(bytes((SIDES[0], row, 0, 0)) for row in range(SIDES[1])) + b"\0\1"
    info = struct.pack("<IiiHHIIiiII", 40, *SIDES, 1, 8, 1, len(lines), 2835, 2835, 256, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + 1024 + len(lines), 0, 0, 54 + 1024) + info + palette + lines
