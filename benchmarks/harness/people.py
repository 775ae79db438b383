"""Visitors who can be told apart: names that occur once in the world, and pictures that nobody else has."""

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

NAME = re.compile(rb"vq[0-9a-f]{16}")  # how every visitor is called, wherever it stands
SHA256 = re.compile(rb"[0-9a-f]{64}")
SMALL = ((640, 480), (900, 1200))
SIZES = ((4032, 3024), *SMALL)  # a phone's photo, and two small ones
CLASSES, EACH = 2, 4  # of a visitor's labelled pictures


@dataclass(frozen=True)
class File:
    """A picture's file; `key` is the SHA-256 of its bytes."""

    title: str
    data: bytes

    @cached_property
    def key(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Person:
    """A visitor with files of their own, all drawn from these two numbers."""

    number: int
    seed: int
    sizes: tuple[tuple[int, int], ...] = SIZES  # of the pictures

    @cached_property
    def name(self) -> str:
        return "vq" + hashlib.sha256(f"{self.seed} {self.number}".encode()).hexdigest()[:16]

    @cached_property
    def pictures(self) -> tuple[File, ...]:
        """One of each size."""
        return tuple(File(f"{self.name}-{i}.jpg", self._picture(i, size)) for i, size in enumerate(self.sizes))

    @cached_property
    def zipped(self) -> File:
        """Two classes of small pictures, which carry the visitor's name, too."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for label in range(CLASSES):
                for i in range(EACH):
                    data = self._picture(100 + label * EACH + i, (96, 96))
                    archive.writestr(f"{self.name}-class-{label}/{self.name}-{i}.jpg", data)
        return File(f"{self.name}.zip", file.getvalue())

    @property
    def keys(self) -> set[bytes]:
        """The pictures' keys, as they would stand in a message."""
        return {file.key.encode() for file in self.pictures}

    def _picture(self, number: int, size: tuple[int, int]) -> bytes:
        """Blurred blocks of colour."""
        colours = np.random.default_rng([self.seed, self.number, number]).integers(0, 256, (9, 12, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        return file.getvalue()


class Watch:
    """Looks through all that is sent to one visitor for what belongs to others."""

    def __init__(self, person: Person, keys: dict[bytes, int]) -> None:
        self._name, self._number, self._keys = person.name.encode(), person.number, keys
        self.foreign: set[str] = set()
        self.bytes = 0

    def __call__(self, raw: bytes) -> None:
        self.bytes += len(raw)
        names = {name for name in NAME.findall(raw) if name != self._name}
        keys = {key for key in SHA256.findall(raw) if self._keys.get(key, self._number) != self._number}
        self.foreign |= {found.decode() for found in names | keys}
