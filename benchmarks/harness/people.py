"""Visitors who can be told apart: by names that occur only once, and images that nobody else has."""

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from PIL import Image

from benchmarks.harness.images import encoded, noise
from benchmarks.harness.tab import Tab

NAME = re.compile(rb"vq[0-9a-f]{16}")  # of any visitor
SHA256 = re.compile(rb"[0-9a-f]{64}")
SMALL = ((640, 480), (900, 1200))
SIZES = ((4032, 3024), *SMALL)  # a phone's photo, and two small ones
LABELLED_CLASSES, IMAGES_PER_CLASS = 2, 4
TRAINED_NETWORK = "ShuffleNetV2 x0.5, untrained"


class UploadFile(NamedTuple):
    """A file to upload; `key` is the SHA-256 of its bytes."""

    title: str
    data: bytes

    @property
    def key(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Person:
    """A visitor with files that nobody else has, all generated from these two numbers."""

    number: int
    seed: int
    sizes: tuple[tuple[int, int], ...] = SIZES  # of the images

    @cached_property
    def name(self) -> str:
        return "vq" + hashlib.sha256(f"{self.seed} {self.number}".encode()).hexdigest()[:16]

    @cached_property
    def images(self) -> tuple[UploadFile, ...]:
        """One of each size."""
        return tuple(UploadFile(f"{self.name}-{i}.jpg", self._image(i, size)) for i, size in enumerate(self.sizes))

    @cached_property
    def zipped(self) -> UploadFile:
        """Two classes of small images, whose names contain the visitor's name, too."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(LABELLED_CLASSES * IMAGES_PER_CLASS):
                label, i = divmod(number, IMAGES_PER_CLASS)
                name = f"{self.name}-class-{label}/{self.name}-{i}.jpg"
                archive.writestr(name, self._image(100 + number, (96, 96)))
        return UploadFile(f"{self.name}.zip", file.getvalue())

    @property
    def keys(self) -> set[bytes]:
        """The images' keys, as they would stand in a message."""
        return {file.key.encode() for file in self.images}

    def _image(self, number: int, size: tuple[int, int]) -> bytes:
        image = noise([self.seed, self.number, number], size, shape=(9, 12), resample=Image.Resampling.BICUBIC)
        return encoded(image, "JPEG", quality=90)

    async def upload_labelled(self, tab: Tab) -> None:
        """Upload the ZIP of this visitor's labelled images on "Train & compare"."""
        await tab.choose("labelled_source", "ZIP")
        await tab.upload(self.zipped, name="A ZIP with a folder")


async def start_training(tab: Tab) -> None:
    """Start the quickest training that "Train & compare" offers."""
    await tab.choose("Network", TRAINED_NETWORK)
    await tab.type("Random splits", 2)
    await tab.choose_all(
        "Methods", [name for name in tab.options("Methods") if name.startswith("fully-connected layer, 224 px")]
    )
    await tab.press("train")


class LeakDetector:
    """Searches everything that is sent to one visitor for what belongs to others."""

    def __init__(self, person: Person, owners: dict[bytes, int]) -> None:
        self._name, self._number, self._owners = person.name.encode(), person.number, owners
        self.leaks: set[str] = set()

    def __call__(self, raw: bytes) -> None:
        names = {name for name in NAME.findall(raw) if name != self._name}
        keys = {key for key in SHA256.findall(raw) if self._owners.get(key, self._number) != self._number}
        self.leaks |= {leak.decode() for leak in names | keys}
