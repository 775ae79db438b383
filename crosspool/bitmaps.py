"""Bitmaps that Pillow reads wrongly, or not at all, for what they say of their palette."""

import struct

_INDEXED = (1, 4, 8)  # bits of pixels that name a colour of the palette


def with_whole_palette(data: bytes) -> bytes:
    """The bitmap with a palette of as many colours as its pixels can name, if that is not plain; else the data.

    Pillow takes each bitmap with a palette of black and white for one of 1 bit a pixel, and refuses a palette with more
    colours than can be named.
    """
    if not data.startswith(b"BM") or len(data) < 54:
        return data
    pixels, header = struct.unpack_from("<II", data, 10)
    (bits,), (colours,) = struct.unpack_from("<H", data, 28), struct.unpack_from("<I", data, 46)
    if header < 40 or bits not in _INDEXED:
        return data
    start, most = 14 + header, 1 << bits
    if not (colours > most or (bits > 1 and colours in (1, 2))):
        return data
    palette = data[start : min(start + 4 * min(colours, most), pixels)].ljust(4 * most, b"\0")
    offset = struct.pack("<I", start + len(palette))
    return data[:10] + offset + data[14:46] + bytes(4) + data[50:start] + palette + data[pixels:]
