"""TIFF files of the kinds that Pillow refuses, or reads wrongly without a word: from scanners, microscopes, satellites.

Pillow takes apart the tags and the rarer compressions; what the numbers mean is decided here.
"""

import math
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from crosspool.colours import WHITES, WHITES_OF_FLOATS, eight_bit
from crosspool.tiff_layout import (
    BLACK_IS_0,
    CMYK,
    COLOURS,
    DEFLATE,
    FLOAT,
    ICC_PROFILE,
    LAB,
    PACKED_BY_LIBTIFF,
    PALETTE,
    RGB,
    SIGNED,
    UNPACKED,
    UNSIGNED,
    WHITE_IS_0,
    WHOLE_BYTES,
    TiffKindError,
    TiffLayout,
    tiff_layout,
)

ALPHA, PREMULTIPLIED = 2, 1  # what an extra band is
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class PlainTiff(ImageFile.ImageFile):
    """A TIFF file, opened by its tags, whose pixels become usual ones of 8 bits as they are loaded."""

    format = "TIFF"
    format_description = "TIFF that Pillow does not read"

    def _open(self) -> None:
        assert self.fp is not None
        self._data = self.fp.read()
        layout = tiff_layout(self._data)
        if layout is None:
            raise SyntaxError("not a TIFF file")
        if not layout.is_supported:
            raise TiffKindError(layout.kind)
        self._layout, self._mode, self._size = layout, "RGB", (layout.width, layout.height)

    def load(self) -> Any:
        """Read the pixels."""
        if self._im is None:
            image = decoded(self._data, self._layout)
            self.im, self._mode = image.im, image.mode
            self.info["icc_profile"] = bytes(self._layout.tags.get(ICC_PROFILE, ()))
            self.getexif()[274] = self._layout.tags.get(274, 1)
        return Image.Image.load(self)


def decoded(data: bytes, layout: TiffLayout) -> Image.Image:
    """The pixels as 8 bits, in the file's colours, not turned. Raises ValueError where they are not all there."""
    count = COLOURS[layout.photometric]
    extra = (layout.extra or (ALPHA,))[0] if layout.bands > count else None
    has_alpha = extra in (ALPHA, PREMULTIPLIED) and layout.photometric in (WHITE_IS_0, BLACK_IS_0, RGB, PALETTE)
    values = _values(data, layout, count + has_alpha)
    if layout.photometric == PALETTE:
        values = np.dstack((_palette(layout)[values[..., 0]], eight_bit(values, _whites(layout))[..., 1:]))
    elif layout.photometric != LAB:
        values = eight_bit(values, _whites(layout))
    if layout.photometric == WHITE_IS_0:
        values[..., 0] = 255 - values[..., 0]
    if layout.photometric == LAB:
        values = values ^ np.array([0, 128, 128], np.uint8)  # from signed numbers
    modes = {CMYK: "CMYK", LAB: "LAB", RGB: "RGB", PALETTE: "RGB"}
    mode = modes.get(layout.photometric, "L") + ("A" if has_alpha else "")
    if has_alpha and extra == PREMULTIPLIED and layout.photometric != PALETTE:
        return _merged(mode[:-1] + "a", values).convert(mode)
    return _merged(mode, values)


def _palette(layout: TiffLayout) -> np.ndarray:
    """The colours in 8 bits: colours x RGB."""
    colours = np.reshape(layout.tags[320], (3, -1)).T
    eight: np.ndarray = (colours if colours.max() < 256 else colours // 256).astype(np.uint8)
    return eight


def _merged(mode: str, values: np.ndarray) -> Image.Image:
    bands = [Image.fromarray(np.ascontiguousarray(values[..., band])) for band in range(values.shape[2])]
    return bands[0] if mode == "L" else Image.merge(mode, bands)


def _whites(layout: TiffLayout) -> tuple[float, ...]:
    """Which values may mean white."""
    bits = layout.bits[0]
    if layout.form == FLOAT:
        return WHITES_OF_FLOATS
    return (2.0**bits - 1,) if layout.form == UNSIGNED and bits <= 16 else WHITES


# --- numbers


def _values(data: bytes, layout: TiffLayout, count: int) -> np.ndarray:
    """The first `count` bands: height x width x bands."""
    groups = range(count) if layout.is_planar else (0,)
    values = np.concatenate([_plane(data, layout, group) for group in groups], axis=2)
    return values[..., :count]


def _plane(data: bytes, layout: TiffLayout, number: int) -> np.ndarray:
    """One plane of several, or all bands together."""
    bands, tags = 1 if layout.is_planar else layout.bands, layout.tags
    is_tiled = 322 in tags
    width, height = (tags[322], tags[323]) if is_tiled else (layout.width, tags.get(278, layout.height))
    height = height if is_tiled else min(height, layout.height)
    across, down = math.ceil(layout.width / width), math.ceil(layout.height / height)
    offsets = tags[324 if is_tiled else 273]
    lengths = tags.get(325 if is_tiled else 279) or (len(data),) * len(offsets)
    row_bytes, rows = math.ceil(width * bands * layout.bits[0] / 8), []
    for row in range(down):
        count = height if is_tiled else min(height, layout.height - row * height)
        start = (number * down + row) * across
        places = zip(offsets[start : start + across], lengths[start : start + across], strict=True)
        strips = [_unpacked(data, place, layout, row_bytes, count) for place in places]
        if len(strips) < across:
            raise ValueError("a part of the image is missing")
        pieces = [_numbers(strip, layout, width, bands) for strip in strips]
        rows.append(np.concatenate(pieces, axis=1)[:, : layout.width])
    return np.concatenate(rows)[: layout.height]


def _numbers(packed: np.ndarray, layout: TiffLayout, width: int, bands: int) -> np.ndarray:
    """The numbers in rows of bytes: rows x width x bands."""
    bits, form, predictor = layout.bits[0], layout.form, layout.tags.get(317, 1)
    if bits not in WHOLE_BYTES:
        ones = np.unpackbits(packed, axis=1)[:, : width * bands * bits].reshape(-1, width, bands, bits)
        numbers = np.zeros(ones.shape[:3], np.uint16)
        for place in range(bits):
            numbers = 2 * numbers + ones[..., place]
        return numbers
    letter = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}[form]
    if predictor == 3:  # differences of bytes, the most significant of all numbers first
        sums = packed.reshape(len(packed), -1, bands).cumsum(axis=1, dtype=np.uint8)
        planes = sums.reshape(len(packed), bits // 8, width * bands)
        whole, order = np.ascontiguousarray(planes.swapaxes(1, 2)).reshape(len(packed), -1), ">"
    else:
        whole, order = packed, layout.order
    if predictor == 2:
        differences = whole.view(f"{order}u{bits // 8}").reshape(len(packed), width, bands)
        native = f"u{bits // 8}"
        sums = differences.astype(native).cumsum(axis=1, dtype=native)
        return sums.view(f"{letter}{bits // 8}")
    return whole.view(f"{order}{letter}{bits // 8}").reshape(len(packed), width, bands)


def _unpacked(data: bytes, place: tuple[int, int], layout: TiffLayout, row_bytes: int, rows: int) -> np.ndarray:
    """The bytes of a strip or a tile, in rows; `place` is where it begins, and its length."""
    (start, length), size = place, row_bytes * rows
    data = data[start : start + (size if layout.compression == UNPACKED else length)]
    if layout.tags.get(266) == 2:  # bits from the lowest to the highest
        data = data.translate(_REVERSED)
    if layout.compression in DEFLATE:
        data = zlib.decompressobj().decompress(data, size)
    elif layout.compression in PACKED_BY_LIBTIFF:
        data = _unpacked_by_libtiff(data, layout.compression, row_bytes, rows)
    if len(data) < size:
        raise ValueError("a part of the image is cut short")
    return np.frombuffer(data, np.uint8, size).reshape(rows, row_bytes)


def _unpacked_by_libtiff(data: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    """The bytes of a strip, read as a grey image of its own, whose numbers are these bytes."""
    tags = {256: row_bytes, 257: rows, 258: 8, 259: compression, 262: BLACK_IS_0, 277: 1, 278: rows, 279: len(data)}
    place = 8 + 2 + 12 * (len(tags) + 1) + 4
    entries = b"".join(_entry(tag, value) for tag, value in sorted({**tags, 273: place}.items()))
    head = b"II*\0" + struct.pack("<IH", 8, len(tags) + 1)
    try:
        with Image.open(BytesIO(head + entries + bytes(4) + data), formats=("TIFF",)) as image:
            return image.tobytes()
    except Image.DecompressionBombError as error:
        raise MemoryError from error


def _entry(tag: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, 4, 1, value)
