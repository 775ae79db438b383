"""Colour profiles of files that say in a few numbers what their colours are, as PNGs do."""

import struct
from collections.abc import Sequence

import numpy as np

SRGB_GAMMA = 1 / 2.2
SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # x and y of white, red, green and blue
_D50 = np.array([0.9642, 1.0, 0.8249])  # the white of profiles
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_NEAR_GAMMA, _NEAR = 0.05, 0.01  # shares of gamma, as in libpng, and differences of coordinates that do not count


def plain_profile(gamma: float | None, chromaticities: Sequence[float] | None) -> bytes | None:
    """The ICC profile of RGB values that are light to the power of `gamma`; None where that is sRGB, or makes no sense.

    What is not given is taken from sRGB.
    """
    gamma, places = gamma or SRGB_GAMMA, np.array(chromaticities or SRGB_CHROMATICITIES).reshape(4, 2)
    is_srgb = abs(gamma / SRGB_GAMMA - 1) <= _NEAR_GAMMA
    if is_srgb and np.abs(places.ravel() - SRGB_CHROMATICITIES).max() <= _NEAR:
        return None
    if not 0.1 <= gamma <= 10 or (places[:, 1] <= 0).any():
        return None
    white, *primaries = (np.array([x, y, 1 - x - y]) / y for x, y in places)
    matrix = np.column_stack(primaries)
    if np.linalg.cond(matrix) > 1e4:  # the three are no triangle
        return None
    amounts = np.linalg.solve(matrix, white)
    if amounts.min() <= 0:  # white lies outside of it
        return None
    adapted = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white)) @ _BRADFORD
    colours = adapted @ matrix * amounts
    curve = b"para" + struct.pack(">IHH", 0, 0, 0) + _fixed(1 / gamma)
    tags = {
        b"desc": _text("From gamma and chromaticities"), b"cprt": _text("None"), b"wtpt": _xyz(_D50),
        **{name: _xyz(colour) for name, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours.T, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }  # fmt: skip
    return _profile(tags)


def _profile(tags: dict[bytes, bytes]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4xI", start + len(body), 0x04300000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    return (head + bytes(28) + b"".join(map(_fixed, _D50))).ljust(128, b"\0") + table + body


def _text(words: str) -> bytes:
    encoded = words.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(encoded), 28) + encoded


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
