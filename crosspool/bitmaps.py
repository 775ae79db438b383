"""Bitmaps that Pillow reads wrongly: it takes each one with a palette of black and white for one of 1 bit a pixel."""

import struct


def with_whole_palette(data: bytes) -> bytes:
    """The bitmap with a palette of as many colours as its pixels can name, if it had two at most; else the data."""
    if not data.startswith(b"BM") or len(data) < 54:
        return data
    pixels, header = struct.unpack_from("<II", data, 10)
    (bits,), (colours,) = struct.unpack_from("<H", data, 28), struct.unpack_from("<I", data, 46)
    if header < 40 or bits not in (4, 8) or colours not in (1, 2):
        return data
    start = 14 + header
    palette = data[start : start + 4 * colours].ljust(4 << bits, b"\0")
    offset = struct.pack("<I", start + len(palette))
    return data[:10] + offset + data[14:46] + bytes(4) + data[50:start] + palette + data[pixels:]
