"""Maps for the pages: computed once for each image and setting, by one request at a time, kept in bounded memory."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st
from cachetools import LRUCache
from PIL import Image

from crosspool.backbones import UNTRAINED, Backbone, load_backbone
from crosspool.images import Framing
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import Border, cross_layer_pool
from crosspool.receptive_field import patch_box
from crosspool.statistics import ChannelStatistics, channel_statistics

CACHE_BYTES = 512 * 2**20
CACHED_BACKBONES = 2


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


_cache: LRUCache[Request, ImageMaps] = LRUCache(CACHE_BYTES, getsizeof=lambda maps: maps.nbytes)
_cache_lock = threading.Lock()


class Gate:
    """Lets one thread through at a time, in the order in which they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()  # the one that is inside, and those who wait

    def __enter__(self) -> None:
        place = object()
        with self._changed:
            self._queue.append(place)
            self._changed.wait_for(lambda: self._queue[0] is place)

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._queue.popleft()
            self._changed.notify_all()

    def let_others_pass(self) -> None:
        """From inside, between two steps of a long computation: all who wait by now go first."""
        self.__exit__()
        self.__enter__()


# One forward pass uses all cores already; a second beside it would only slow both down. So whatever computes holds
# this, for one image or one step at a time.
gate = Gate()


@st.cache_resource(max_entries=CACHED_BACKBONES, show_spinner="Loading the network …")
def backbone_of(name: str, weights: str) -> Backbone:
    """A backbone shared by all sessions."""
    return load_backbone(name, UNTRAINED if weights == UNTRAINED else None)


def image_maps(request: Request, image: Image.Image) -> ImageMaps:
    """The maps of `image`, whose SHA-256 is `request.picture`: from the cache, or computed in turn."""
    found = cached_maps(request)
    if found is not None:
        return found
    # A call of Streamlit's leaves from there if, while this one waited, the user has moved on.
    return maps_in_turn(request, image, backbone_of(request.backbone, request.weights), on_turn=st.empty)


def maps_in_turn(
    request: Request, image: Image.Image, backbone: Backbone, *, on_turn: Callable[[], object], keep: bool = True
) -> ImageMaps:
    """The same for any thread: `on_turn` is called when its turn has come, and may leave by an exception.

    Without `keep` the cache stays as it is, for those who look at many images once.
    """
    with gate:
        on_turn()
        found = cached_maps(request)  # another session may have asked for the same
        if found is None:
            found = _compute(request, image, backbone)
            with _cache_lock:
                if keep and found.nbytes <= CACHE_BYTES:
                    _cache[request] = found
    return found


def cached_maps(request: Request) -> ImageMaps | None:
    """Maps that are there already."""
    with _cache_lock:
        return _cache.get(request)


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
