"""Packed maps read again, step by step, as `mapset.py` says that they are laid out."""

import json
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Unpacked:
    header: dict
    peak: np.ndarray
    mean: np.ndarray
    energy: np.ndarray
    sparsity: np.ndarray
    place: np.ndarray
    steps: np.ndarray
    photo: bytes

    @property
    def id(self):
        return self.header["id"]

    @property
    def signed(self):
        return self.header["signed"]

    @property
    def weights(self):
        parts = (self.steps - 128.0) / 127 if self.signed else self.steps / 255.0
        return parts * np.abs(self.peak)[:, None, None]


def unpack(packed):
    length = int.from_bytes(packed[:4], "little")
    header = json.loads(packed[4 : 4 + length])
    at, count = 4 + length, header["channels"]

    def take(kind, size):
        nonlocal at
        part = np.frombuffer(packed, kind, size, at)
        at += part.nbytes
        return part

    peak, mean, energy, sparsity, place = (take(kind, count) for kind in ("<f4", "<f4", "<f4", "<u2", "<u2"))
    steps = take("u1", count * header["rows"] * header["columns"]).reshape(count, header["rows"], header["columns"])
    return Unpacked(header, peak, mean, energy, sparsity, place, steps, packed[at:])
