"""What the library says of a picture, against what a page said of it."""

import base64
import io
import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageOps

from crosspool.activations import PairActivations
from crosspool.backbones import DEFAULT, Backbone, load_backbone
from crosspool.classifiers import own_classifier
from crosspool.contributions import explain
from crosspool.gallery.mapset import SPARSITY_TOP, pack, receptive_fields
from crosspool.images import load_image
from crosspool.pooling import cross_layer_pool
from crosspool.samples import samples
from crosspool.statistics import ChannelStatistics, channel_statistics
from crosspool.ui.runtime.decode_worker import keep
from crosspool.ui.visit.pictures import STORAGE_FORMAT

ROUNDING = 1e-3  # of the largest: what another number of threads may change
LOSSY = 8.0  # of 255, that a JPEG of small size may differ by on average
DIGITS = {"share": 2}  # that a number is written with; three where nothing is said


@dataclass(frozen=True)
class Asked:
    """What maps depend on here; `picture` is the SHA-256 of its file."""

    picture: str
    pair: str
    size: int


@dataclass(frozen=True)
class Fact:
    """A number on a page: `what` of a channel, at a position where it has one."""

    asked: Asked
    what: str
    channel: int
    value: float
    position: tuple[int, int] | None = None


@dataclass(frozen=True)
class MapSet:
    """What `crosspool.gallery.mapset.pack` wrote, read again."""

    header: dict[str, object]
    peak: np.ndarray
    mean: np.ndarray
    share: np.ndarray
    sparsity: np.ndarray
    cells: np.ndarray
    photo: bytes

    @classmethod
    def of(cls, packed: bytes) -> "MapSet":
        start = 4 + int.from_bytes(packed[:4], "little")
        header = json.loads(packed[4:start])
        count, rows, columns = header["channels"], header["rows"], header["columns"]
        parts = []
        for kind, length in (("<f4", 1), ("<f4", 1), ("<f4", 1), ("<u2", 1), ("<u2", 1), ("u1", rows * columns)):
            parts.append(np.frombuffer(packed, kind, count * length, start))
            start += parts[-1].nbytes
        peak, mean, share, sparsity, _, cells = parts
        return cls(header, peak, mean, share, sparsity, cells.reshape(count, rows, columns), packed[start:])


class Library:
    """The right answers, computed here, for pictures whose files are given."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self._backbone: Backbone = load_backbone(DEFAULT)

    def image(self, picture: str) -> Image.Image:
        """As the app keeps it."""
        return load_image(keep(self._files[picture], picture, STORAGE_FORMAT).file)

    @lru_cache(maxsize=8)  # noqa: B019
    def _maps(self, asked: Asked) -> tuple[PairActivations, ChannelStatistics]:
        pair = self._backbone.architecture.pair(asked.pair)
        maps = self._backbone.activations(self.image(asked.picture), pair, asked.size)
        pooled = cross_layer_pool(maps.lower, maps.upper, **pair.geometry)
        return maps, channel_statistics(maps.upper[0], pooled[0])

    def packed(self, asked: Asked) -> bytes:
        """All maps as a browser gets them."""
        maps, statistics = self._maps(asked)
        fields = receptive_fields(DEFAULT, asked.pair, asked.size)
        return pack(maps.upper[0].cpu().numpy(), statistics, maps.framed[0], signed=False, fields=fields)

    def holds(self, fact: Fact) -> bool:
        """Whether a number on a page is right, as far as it is written out."""
        maps, statistics = self._maps(fact.asked)
        if fact.what == "weight":
            assert fact.position is not None
            right = float(maps.upper[0][(fact.channel, *fact.position)])
        else:
            right = float({"peak": statistics.peak, "share": statistics.energy_share}[fact.what][fact.channel])
        largest = float(np.abs(statistics.peak).max()) if fact.what != "share" else 1.0
        last_digit = 10.0 ** (np.floor(np.log10(max(abs(right), 1e-9))) - DIGITS.get(fact.what, 3) + 1)
        return bool(abs(fact.value - right) <= 0.5 * last_digit + ROUNDING * largest)

    def predicted(self, picture: str, size: int) -> str:
        """The network's own class of a picture."""
        return explain(own_classifier(self._backbone, size), self._backbone, self.image(picture)).predicted


def agree(shown: bytes, right: bytes) -> str:
    """How maps that were shown agree with the right ones: "exactly", "within a step" of 8 bits, or what is wrong."""
    if shown == right:
        return "exactly"
    one, other = MapSet.of(shown), MapSet.of(right)
    if {**one.header, "id": ""} != {**other.header, "id": ""}:
        return "of another shape"
    if one.photo != other.photo:
        return "of another picture"
    top = float(np.abs(other.peak).max())
    for name, largest in (("peak", top), ("mean", top), ("share", 1.0), ("sparsity", float(SPARSITY_TOP))):
        if np.abs(getattr(one, name).astype(float) - getattr(other, name)).max() > ROUNDING * largest:
            return f"another {name}"
    weights = [maps.cells.astype(float) / 255 * np.abs(maps.peak)[:, None, None] for maps in (one, other)]
    step = np.abs(other.peak)[:, None, None] / 255 + ROUNDING * top
    return "within a step" if (np.abs(weights[0] - weights[1]) <= step).all() else "other weights"


def sample_files() -> dict[str, tuple[str, bytes]]:
    """Title and file of each sample, by id."""
    return {sample.id: (sample.title, sample.path.read_bytes()) for sample in samples()}


def same_picture(url: str, file: bytes) -> bool:
    """Whether a small picture, as a data URL, shows that file's."""
    shown = Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGB")
    right = ImageOps.fit(load_image(file), shown.size)
    return bool(np.abs(np.asarray(shown, float) - np.asarray(right, float)).mean() < LOSSY)
