"""Packed maps read again, step by step, as `crosspool.gallery.mapset` says that they are laid out."""

import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Unpacked:
    """A set of maps; the arrays have an entry for each channel."""

    header: dict[str, Any]
    photo: bytes
    peak: np.ndarray
    peak_cells: np.ndarray
    mean: np.ndarray
    energy: np.ndarray
    sparsity: np.ndarray
    place: np.ndarray
    levels: np.ndarray

    @property
    def id(self) -> str:
        return str(self.header["id"])

    @property
    def weights(self) -> np.ndarray:
        shares = (self.levels - 32768.0) / 32767 if self.header["signed"] else self.levels / 65535.0
        return np.asarray(shares * np.abs(self.peak)[:, None, None])


def unpack(packed: bytes) -> Unpacked:
    """Read the header, the numbers of each channel, the maps in 16 bits, and the photo."""
    start = 4 + int.from_bytes(packed[:4], "little")
    header = json.loads(packed[4:start])
    count = header["channels"]
    numbers = [(name, "<f4", count) for name in ("peak", "peak_cells", "mean", "energy")]
    places = [(name, "<u2", count) for name in ("sparsity", "place")]
    layout = np.dtype([*numbers, *places, ("levels", "<u2", (count, header["rows"], header["columns"]))])
    body = zlib.decompress(packed[start:])
    return Unpacked(header, body[layout.itemsize :], *np.frombuffer(body, layout, 1)[0])
