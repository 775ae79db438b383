"""Maps for the pages: computed in turn, once for each image and setting, and kept in bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from crosspool.backbones import Backbone, architecture
from crosspool.engines.programs import TORCH
from crosspool.errors import SettingError
from crosspool.framing import Framing
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import Border, block_energies, cross_layer_pool
from crosspool.receptive_field import patch_box
from crosspool.statistics import ChannelStatistics, statistics_with_energies
from crosspool.ui.runtime.gate import OnProgress, ignore_progress
from crosspool.ui.runtime.in_turn import check_memory, trace_in_turn
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import Server
from crosspool.ui.runtime.shared_cache import CacheKind


@dataclass(frozen=True)
class MapRequest:
    """Everything on which the maps of one image depend; equal requests have equal maps.

    `size` is the side of the network's input in pixels.
    """

    image: ImageHash
    backbone: str
    weights: str
    pair: str
    size: int
    framing: Framing
    signed: bool
    border: Border


@dataclass(frozen=True)
class ImageMaps:
    """One image's maps; shared between sessions, so never to be changed.

    `lower` is (D_t, H_t, W_t), `upper` (D_{t+1}, H, W), both float32. `signed` is whether `upper` can be negative,
    `border` says which patches are pooled, and `engine` what computed the maps. P is many times as large, and is pooled
    where it is shown.
    """

    pair: LayerPair
    framed: Image.Image
    lower: np.ndarray
    upper: np.ndarray
    statistics: ChannelStatistics
    signed: bool
    border: Border = "zero"
    engine: str = TORCH

    def pooled(self) -> np.ndarray:
        """P, (D_{t+1}, D_t*m*n), float32."""
        return self._pooled_under(self.upper)

    def block(self, channel: int) -> np.ndarray:
        """P_k, of length D_t*m*n, float32."""
        return np.asarray(self._pooled_under(self.upper[channel : channel + 1])[0])

    def block_sizes(self) -> np.ndarray:
        """||P_k|| of every block: that of the largest, and the others by their shares of the energy."""
        shares = self.statistics.energy_share
        largest = int(shares.argmax())
        size = float(np.linalg.norm(self.block(largest)))
        return np.asarray(size * np.sqrt(shares / (shares[largest] or 1)))

    def _pooled_under(self, upper: np.ndarray) -> np.ndarray:
        lower, weights = (torch.from_numpy(values)[None] for values in (self.lower, upper))
        pooled = cross_layer_pool(lower, weights, **self.pair.geometry, border=self.border)
        return np.asarray(pooled[0].numpy())

    def patch(self, row: int, column: int) -> np.ndarray:
        """The local feature x_i at a position of the upper map, of length D_t*m*n, with zeros outside the lower map."""
        box, (down, across) = patch_box(self.pair, row, column), self.pair.dilation
        rows, columns = np.arange(box.top, box.bottom, down), np.arange(box.left, box.right, across)
        channels, height, width = self.lower.shape
        rows_inside, columns_inside = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        feature = np.zeros((channels, len(rows), len(columns)), np.float32)
        cells = np.ix_(rows[rows_inside], columns[columns_inside])
        feature[:, *np.ix_(rows_inside, columns_inside)] = self.lower[:, *cells]
        return feature.ravel()

    @property
    def nbytes(self) -> int:
        return self.lower.nbytes + self.upper.nbytes + 3 * self.framed.width**2


MAPS = CacheKind[MapRequest, ImageMaps]("maps", lambda maps: maps.nbytes, lambda request: request.image)


def image_maps(
    server: Server, request: MapRequest, read: Callable[[], Image.Image], on_progress: OnProgress = ignore_progress, *,
    seconds: float | None = None, keep: bool = True,
) -> ImageMaps:  # fmt: skip
    """The maps of an image: from the cache, or computed in turn; only then is the image `read`.

    `on_progress(place)`, `seconds` and `keep` are those of `SharedCache.get_or_compute`. Raises CrosspoolError;
    SettingError for maps that are too large to be computed or kept.
    """
    trace_in_turn(server, request.backbone, request.size, on_progress)
    _check_size(request, server.cache.limit)

    def compute() -> ImageMaps:
        start, pair = perf_counter(), architecture(request.backbone).pair(request.pair)
        check_memory(server, request.backbone, (pair.lower, pair.upper), request.size)
        maps = _compute(request, read(), server.networks.backbone(request.backbone, request.weights))
        server.log.record("computed", network=request.backbone, pair=request.pair, ms=1000 * (perf_counter() - start))
        return maps

    return server.cache.get_or_compute(MAPS, request, compute, server.compute, on_progress, seconds=seconds, keep=keep)


def _check_size(request: MapRequest, limit: int) -> None:
    """Raise SettingError for maps that do not fit into the cache: every press on the page reads them again."""
    graph = architecture(request.backbone)
    pair = graph.pair(request.pair)
    (high, wide), (rows, columns) = graph.map_sizes(pair, request.size)
    numbers = pair.lower_channels * high * wide + pair.upper_channels * rows * columns
    needed = 4 * numbers + 3 * request.size**2
    if needed > limit:
        raise SettingError(
            f"The maps of {pair.label} at {request.size} px take {needed / 2**20:.0f} MB of memory, and this server "
            f"has {limit / 2**20:.0f} MB for those of one image; choose a smaller input, or a later layer pair."
        )


def _compute(request: MapRequest, image: Image.Image, backbone: Backbone) -> ImageMaps:
    pair = backbone.architecture.pair(request.pair)
    maps = backbone.activations(image, pair, request.size, framing=request.framing, signed=request.signed)
    energies = block_energies(maps.lower, maps.upper, **pair.geometry, border=request.border)
    statistics = statistics_with_energies(maps.upper[0], energies[0])
    lower, upper = (values[0].cpu().numpy() for values in (maps.lower, maps.upper))
    signed = request.signed and pair.can_be_negative
    return ImageMaps(pair, maps.framed[0], lower, upper, statistics, signed, request.border, maps.engine)
