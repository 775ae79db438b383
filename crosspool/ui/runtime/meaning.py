"""What the channels of a layer pair mean, for the pages: read once from the network, and kept in bounded memory."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from crosspool.channel_meaning import ChannelClasses, classes_or_reason
from crosspool.gallery.meaning import packed_classes
from crosspool.ui.runtime.gate import OnProgress, ignore_progress
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import Server
from crosspool.ui.runtime.shared_cache import CacheKind


class NetworkPair(NamedTuple):
    """A layer pair of a network, by the names in links."""

    backbone: str
    weights: str
    pair: str


@dataclass(frozen=True)
class PairMeaning:
    """The classes of a pair's channels, also as the gallery's script gets them and as a table.

    All three are None where `reason` says why.
    """

    classes: ChannelClasses | None
    packed: dict[str, Any] | None
    table: pd.DataFrame | None
    reason: str = ""

    @property
    def nbytes(self) -> int:
        if self.classes is None or self.table is None:
            return 0
        return int(self.classes.weights.nbytes + self.table.memory_usage(deep=True).sum())


MEANINGS = CacheKind[NetworkPair, PairMeaning]("meanings", lambda meaning: meaning.nbytes, lambda pair: ImageHash(""))


def pair_meaning(server: Server, request: MapRequest, on_progress: OnProgress = ignore_progress) -> PairMeaning:
    """What the channels of a request's layer pair mean: from the cache, or read in turn.

    `on_progress` is the semaphore's. Raises BackboneError if the network cannot be loaded.
    """

    def read() -> PairMeaning:
        backbone = server.networks.backbone(request.backbone, request.weights)
        classes = classes_or_reason(backbone, backbone.architecture.pair(request.pair))
        if isinstance(classes, str):
            return PairMeaning(None, None, None, classes)
        return PairMeaning(classes, packed_classes(classes), classes.table())

    key, seconds = NetworkPair(request.backbone, request.weights, request.pair), server.settings.wait_seconds
    return server.cache.get_or_compute(MEANINGS, key, read, server.compute, on_progress, seconds=seconds)


def channel_table(
    server: Server, request: MapRequest, maps: ImageMaps, on_progress: OnProgress = ignore_progress
) -> pd.DataFrame:
    """A row for each channel: its statistics on the image, and where there are some, its classes."""
    table, meaning = maps.statistics.table(), pair_meaning(server, request, on_progress)
    return table if meaning.table is None else table.join(meaning.table)
