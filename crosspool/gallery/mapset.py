"""All weighting maps of one image as bytes for a browser: 16 bits per weight, a scale for each map, and the image.

Layout: the header's length (uint32, little endian) and the header (JSON); the rest is compressed (zlib). It holds,
little endian, for D maps: peaks, how many cells have them, means and shares of energy (float32 each), sparsity (uint16,
65535 is 1), the first cell of the peak (uint16), the maps (uint16, D x rows x columns), and the image (JPEG).
`mapset.js` reads it, and draws with 8 of the 16 bits.
"""

import base64
import hashlib
import io
import json
import zlib
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from PIL import Image

from crosspool.drawing.rendering import COLOUR_MAPS, SIGNED_COLOUR_MAP, colour_table
from crosspool.gallery import LARGEST_TOP, MAX_PINS
from crosspool.receptive_field import Fields
from crosspool.statistics import ChannelStatistics
from crosspool.strict_json import json_text

MAX_CELLS = 112  # per side: a tile is about that many pixels wide
IMAGE_SIDE = 448  # at most
IMAGE_QUALITY = 80
SPARSITY_TOP = 65535
ZLIB_LEVEL = 1  # higher ones take much longer, for less than 5 % fewer bytes

Bits = Literal[8, 16]


def pack_maps(
    upper: np.ndarray, statistics: ChannelStatistics, framed: Image.Image, *, signed: bool, fields: Fields,
    ceiling: float | None = None,
) -> bytes:  # fmt: skip
    """The maps of one image, (D, H, W), with their statistics and what the network saw.

    `fields` are the receptive fields: for each row of the maps the rows of `framed` that it can depend on, and for each
    column the columns, in pixels. Maps with more than 112 cells per side are averaged down. `ceiling` is where the
    activation clips weights.
    """
    packed = all_averaged_down(upper, MAX_CELLS)
    rows, columns = packed.shape[1:]
    sizes = {"rows": rows, "columns": columns, "mapRows": upper.shape[1], "mapColumns": upper.shape[2]}
    header: dict[str, Any] = {
        "channels": len(packed),
        **sizes,
        "signed": signed,
        "side": framed.width,
        "ceiling": ceiling,
    }
    header |= {"fieldRows": [list(span) for span in fields[0]], "fieldColumns": [list(span) for span in fields[1]]}
    peak_row = statistics.peak_row * rows // upper.shape[1]
    peak_column = statistics.peak_column * columns // upper.shape[2]
    numbers = np.stack([statistics.peak, statistics.peak_positions, statistics.mean, statistics.energy_share]).astype(
        "<f4"
    )
    sparsity = np.rint(statistics.sparsity * SPARSITY_TOP).astype("<u2")
    peak_cells = (peak_row * columns + peak_column).astype("<u2")
    levels = quantised_maps(packed, statistics.peak, 16, signed=signed).astype("<u2")
    blobs = b"".join(part.tobytes() for part in (numbers, sparsity, peak_cells, levels)) + _jpeg(framed)
    # The set's name: a browser that has a set of this name need not read it again.
    header["id"] = hashlib.sha256(repr(header).encode() + blobs).hexdigest()[:32]
    text = json_text(header, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "little") + text + zlib.compress(blobs, ZLIB_LEVEL)


def packed_name(packed: bytes) -> str:
    """The name that `pack_maps` gave a set."""
    length = int.from_bytes(packed[:4], "little")
    return str(json.loads(packed[4 : 4 + length])["id"])


def quantised_maps(upper: np.ndarray, peak: np.ndarray, bits: Bits, *, signed: bool) -> np.ndarray:
    """Maps (D, H, W) in 8 or 16 bits: with 8, 0 to 255 for zero to the map's peak, or 1 to 255 for minus to plus it."""
    size = np.abs(peak)[:, None, None]
    parts = np.clip(upper / np.where(size > 0, size, 1), -1 if signed else 0, 1)
    zero, reach = zero_and_reach(bits, signed=signed)
    return np.asarray(np.rint(parts * reach + zero), np.uint8 if bits == 8 else np.uint16)


def zero_and_reach(bits: Bits, *, signed: bool) -> tuple[int, int]:
    """The level that stands for a weight of zero, and how many levels above it the peak is."""
    return (2 ** (bits - 1), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def all_averaged_down(upper: np.ndarray, cells: int) -> np.ndarray:
    """Maps, (D, H, W), each as `averaged_down`."""
    if max(upper.shape[1:]) <= cells:
        return upper
    return np.stack([averaged_down(weights, cells) for weights in upper])


def averaged_down(weights: np.ndarray, cells: int) -> np.ndarray:
    """A map averaged down to `cells` cells per side; smaller maps as they are."""
    if max(weights.shape) <= cells:
        return weights
    size = (min(weights.shape[1], cells), min(weights.shape[0], cells))
    return np.asarray(Image.fromarray(weights).resize(size, Image.Resampling.BOX))


def _jpeg(framed: Image.Image) -> bytes:
    buffer = io.BytesIO()
    side = min(IMAGE_SIDE, framed.width)
    small = framed.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    small.save(buffer, "JPEG", quality=IMAGE_QUALITY)
    return buffer.getvalue()


def gallery_limits(*, signed: bool) -> dict[str, Any]:
    """What the gallery's script offers: colour maps with their tables, the number of pins, the end of a fixed scale."""
    colour_maps = [SIGNED_COLOUR_MAP] if signed else list(COLOUR_MAPS)
    return {"colourMaps": colour_maps, "tables": colour_tables(), "mostPins": MAX_PINS, "largestTop": LARGEST_TOP}


@lru_cache(maxsize=1)
def colour_tables() -> dict[str, str]:
    """All colour maps, 256 RGB colours each, as base64."""
    return {name: base64.b64encode(colour_table(name).tobytes()).decode() for name in (*COLOUR_MAPS, SIGNED_COLOUR_MAP)}
