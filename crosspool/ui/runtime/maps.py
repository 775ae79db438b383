"""Maps for the pages: computed once for each image and setting, in turn, kept in bounded memory."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache
from PIL import Image

from crosspool.backbones import UNTRAINED, Backbone, BackboneSpec, architecture, load_backbone, spec_of
from crosspool.errors import SettingError
from crosspool.framing import Framing
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import Border, cross_layer_pool
from crosspool.receptive_field import patch_box
from crosspool.statistics import ChannelStatistics, channel_statistics
from crosspool.ui.runtime.cores import computations_at_once, use_cores
from crosspool.ui.runtime.gate import FairSemaphore, OnProgress, ignore_progress
from crosspool.ui.runtime.log import event
from crosspool.ui.runtime.settings import settings
from crosspool.ui.runtime.shared_cache import Kept, limit


@dataclass(frozen=True)
class Request:
    """Everything that the maps of one image depend on; equal requests have equal maps.

    `picture` is the SHA-256 of the image's bytes, `size` the network's input in pixels.
    """

    picture: str
    backbone: str
    weights: str
    pair: str
    size: int
    framing: Framing
    signed: bool
    border: Border


@dataclass(frozen=True)
class ImageMaps:
    """One image's maps and what they pool to; shared between sessions, so never to be changed.

    `lower` is (D_t, H_t, W_t), `upper` (D_{t+1}, H, W), `pooled` (D_{t+1}, D_t*m*n), all float32.
    """

    pair: LayerPair
    framed: Image.Image
    lower: np.ndarray
    upper: np.ndarray
    pooled: np.ndarray
    statistics: ChannelStatistics

    def patch(self, row: int, column: int) -> np.ndarray:
        """The local feature x_i at a position of the upper map, of length D_t*m*n, with zeros outside."""
        box, (down, across) = patch_box(self.pair, row, column), self.pair.dilation
        rows, columns = np.arange(box.top, box.bottom, down), np.arange(box.left, box.right, across)
        inside = [
            (places >= 0) & (places < size) for places, size in zip((rows, columns), self.lower.shape[1:], strict=True)
        ]
        feature = np.zeros((len(self.lower), len(rows), len(columns)), np.float32)
        feature[:, *np.ix_(*inside)] = self.lower[:, *np.ix_(rows[inside[0]], columns[inside[1]])]
        return feature.ravel()

    @property
    def nbytes(self) -> int:
        return self.lower.nbytes + self.upper.nbytes + self.pooled.nbytes + 3 * self.framed.width**2


_maps: Kept[Request, ImageMaps] = Kept("maps", lambda maps: maps.nbytes, lambda request: request.picture)

# One forward pass uses a few cores well; more of them at a time would only slow each other down. So whatever computes
# holds a turn at this gate, for one image or one step at a time.
gate = FairSemaphore(computations_at_once())

_networks: LRUCache[tuple[str, str], Backbone] = LRUCache(settings().networks)
_loading = threading.Lock()


def backbone_of(name: str, weights: str) -> Backbone:
    """A backbone shared by all sessions; the one that was used least recently makes room for another."""
    with _loading:
        if (name, weights) not in _networks:
            use_cores()
            if len(_networks) == _networks.maxsize:
                _networks.popitem()  # before the other is loaded: there is room for so many
            _networks[name, weights] = load_backbone(name, UNTRAINED if weights == UNTRAINED else None)
        return _networks[name, weights]


def forget_networks() -> None:
    """Drop all networks that nobody uses at this moment."""
    with _loading:
        _networks.clear()


class Network(NamedTuple):
    """A backbone by name, for those who must not keep it in memory for themselves. `weights` is a link's."""

    name: str
    weights: str

    @property
    def backbone(self) -> Backbone:
        return backbone_of(self.name, self.weights)

    @property
    def spec(self) -> BackboneSpec:
        return spec_of(self.name)

    @property
    def title(self) -> str:
        """What people call it, and whether it is untrained."""
        return self.spec.titled(self.weights)


def image_maps(
    request: Request, read: Callable[[], Image.Image], on_progress: OnProgress = ignore_progress, *,
    seconds: float | None = None, keep: bool = True,
) -> ImageMaps:  # fmt: skip
    """The maps of an image whose SHA-256 is `request.picture`: kept, or computed in turn, and `read` only then.

    `on_progress(place)`, `seconds` and `keep` are those of `Kept.computed`. Raises CrosspoolError; SettingError for
    maps that are too large to be kept.
    """
    _check_room(request)

    def compute() -> ImageMaps:
        start = perf_counter()
        found = _compute(request, read(), backbone_of(request.backbone, request.weights))
        event("computed", network=request.backbone, pair=request.pair, ms=1000 * (perf_counter() - start))
        return found

    return _maps.computed(request, compute, gate, on_progress, seconds=seconds, keep=keep)


def cached_maps(request: Request) -> ImageMaps | None:
    """Maps that are there already."""
    return _maps.get(request)


def _check_room(request: Request) -> None:
    """Every press on the page looks at the maps again, so they have to be kept."""
    found = architecture(request.backbone)
    pair = found.pair(request.pair)
    (high, wide), (rows, columns) = found.map_sizes(pair, request.size)
    numbers = pair.lower_channels * high * wide + pair.upper_channels * rows * columns + pair.feature_length
    needed = 4 * numbers + 3 * request.size**2
    if needed > limit():
        raise SettingError(
            f"The maps of {pair.label} at {request.size} px take {needed / 2**20:.0f} MB of memory, and this server "
            f"has {limit() / 2**20:.0f} MB for those of one picture; choose a smaller input, or a later layer pair."
        )


def _compute(request: Request, image: Image.Image, backbone: Backbone) -> ImageMaps:
    pair = backbone.architecture.pair(request.pair)
    maps = backbone.activations(image, pair, request.size, framing=request.framing, signed=request.signed)
    pooled = cross_layer_pool(
        maps.lower,
        maps.upper,
        **pair.geometry,
        border=request.border,
    )
    return ImageMaps(
        pair=pair,
        framed=maps.framed[0],
        lower=maps.lower[0].cpu().numpy(),
        upper=maps.upper[0].cpu().numpy(),
        pooled=pooled[0].cpu().numpy(),
        statistics=channel_statistics(maps.upper[0], pooled[0]),
    )
