"""The library's answers for an image, and how those on a page agree with them."""

import base64
import io
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from benchmarks.harness.mapsets import unpack
from benchmarks.harness.people import UploadFile
from crosspool.backbones import DEFAULT, load_backbone
from crosspool.backbones.activations import PairActivations
from crosspool.classifiers import own_classifier
from crosspool.contributions import explain
from crosspool.gallery.mapset import SPARSITY_TOP, pack_maps
from crosspool.images import load_image
from crosspool.pooling import cross_layer_pool
from crosspool.samples import samples
from crosspool.statistics import ChannelStatistics, channel_statistics
from crosspool.ui.runtime.decode_worker import stored_image
from crosspool.ui.visit.images import STORAGE_FORMAT

ROUNDING = 1e-3  # of the largest value: the difference that another number of threads may make
LOSSY_STEPS = 8.0  # of 255: how far a small JPEG may be off on average
DIGITS = {"share": 2, "peak": 3, "weight": 3}  # significant digits on the page


@dataclass(frozen=True)
class MapsKey:
    """The settings that maps depend on; `image` is the SHA-256 of its file."""

    image: str
    pair: str
    size: int


@dataclass(frozen=True)
class Fact:
    """A number on a page: the `quantity` of a channel, at a `position` if it is a weight."""

    maps: MapsKey
    quantity: str
    channel: int
    value: float
    position: tuple[int, ...] = ()


class Library:
    """Computes the right answers, for images whose files are given by their SHA-256."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files, self._backbone = files, load_backbone(DEFAULT)

    def image(self, key: str) -> Image.Image:
        """The image as the app stores it."""
        return load_image(stored_image(self._files[key], key, STORAGE_FORMAT).file)

    @lru_cache(maxsize=8)  # noqa: B019
    def _maps(self, key: MapsKey) -> tuple[PairActivations, ChannelStatistics]:
        pair = self._backbone.architecture.pair(key.pair)
        maps = self._backbone.activations(self.image(key.image), pair, key.size)
        pooled = cross_layer_pool(maps.lower, maps.upper, **pair.geometry)
        return maps, channel_statistics(maps.upper[0], pooled[0])

    def packed(self, key: MapsKey) -> bytes:
        """All maps as a browser receives them."""
        maps, statistics = self._maps(key)
        network = self._backbone.architecture
        fields = network.receptive_fields(network.pair(key.pair), key.size)
        return pack_maps(
            maps.upper[0].cpu().numpy(),
            statistics,
            maps.framed[0],
            signed=False,
            fields=fields,
            ceiling=maps.pair.ceiling,
        )

    def holds(self, fact: Fact) -> bool:
        """Whether a number on a page is right, to the digits that it is written with."""
        maps, statistics = self._maps(fact.maps)
        values: dict[str, Any] = {"peak": statistics.peak, "share": statistics.energy_share, "weight": maps.upper[0]}
        expected = float(values[fact.quantity][(fact.channel, *fact.position)])
        largest = float(np.abs(statistics.peak).max()) if fact.quantity != "share" else 1.0
        last_digit = 10.0 ** (np.floor(np.log10(max(abs(expected), 1e-9))) - DIGITS[fact.quantity] + 1)
        return bool(abs(fact.value - expected) <= 0.5 * last_digit + ROUNDING * largest)

    def predicted(self, image: str, size: int) -> str:
        """The network's own class of an image."""
        return explain(own_classifier(self._backbone, size), self._backbone, self.image(image)).predicted


def agreement(packed: bytes, expected_bytes: bytes) -> str:
    """How maps on a page agree with the right ones: "exactly", "within a step" of 8 bits, or the difference."""
    if packed == expected_bytes:
        return "exactly"
    maps, expected = unpack(packed), unpack(expected_bytes)
    if {**maps.header, "id": ""} != {**expected.header, "id": ""}:
        return "of another shape"
    if maps.photo != expected.photo:
        return "of another image"
    top = float(np.abs(expected.peak).max())
    for name, largest in (("peak", top), ("mean", top), ("energy", 1.0), ("sparsity", float(SPARSITY_TOP))):
        if np.abs(getattr(maps, name).astype(float) - getattr(expected, name)).max() > ROUNDING * largest:
            return f"another {name}"
    step = np.abs(expected.peak)[:, None, None] / 255 + ROUNDING * top
    return "within a step" if (np.abs(maps.weights - expected.weights) <= step).all() else "other weights"


@cache
def sample_files() -> dict[str, UploadFile]:
    """The files of the samples, by id."""
    return {sample.id: UploadFile(sample.title, sample.path.read_bytes()) for sample in samples()}


def is_thumbnail_of(url: str, file: bytes) -> bool:
    """Whether a thumbnail, as a data URL, shows the image of this file."""
    thumbnail = Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGB")
    expected = ImageOps.fit(load_image(file), thumbnail.size)
    return bool(np.abs(np.asarray(thumbnail, float) - np.asarray(expected, float)).mean() < LOSSY_STEPS)
