"""Packed maps read again, step by step, as `crosspool.gallery.mapset` says that they are laid out."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Unpacked:
    """A set of maps; the arrays have an entry for each channel."""

    header: dict[str, Any]
    peak: np.ndarray
    mean: np.ndarray
    energy: np.ndarray
    sparsity: np.ndarray
    place: np.ndarray
    steps: np.ndarray
    photo: bytes

    @property
    def id(self) -> str:
        return str(self.header["id"])

    @property
    def signed(self) -> bool:
        return bool(self.header["signed"])

    @property
    def weights(self) -> np.ndarray:
        parts = (self.steps - 128.0) / 127 if self.signed else self.steps / 255.0
        weights: np.ndarray = parts * np.abs(self.peak)[:, None, None]
        return weights


def unpack(packed: bytes) -> Unpacked:
    """Read the header, the numbers of each channel, the maps in 8 bits, and the photo."""
    offset = 4 + int.from_bytes(packed[:4], "little")
    header = json.loads(packed[4:offset])
    count, rows, columns = header["channels"], header["rows"], header["columns"]

    def take(kind: str, size: int) -> np.ndarray:
        nonlocal offset
        part = np.frombuffer(packed, kind, size, offset)
        offset += part.nbytes
        return part

    peak, mean, energy, sparsity, place = (take(kind, count) for kind in ("<f4", "<f4", "<f4", "<u2", "<u2"))
    steps = take("u1", count * rows * columns).reshape(count, rows, columns)
    return Unpacked(header, peak, mean, energy, sparsity, place, steps, packed[offset:])
