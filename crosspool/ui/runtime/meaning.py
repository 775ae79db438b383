"""What the channels of a layer pair mean, for the pages: read once from the network, and kept in bounded memory."""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from crosspool.channel_meaning import ChannelClasses, classes_or_reason
from crosspool.gallery.meaning import packed_classes
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
    """The classes of a pair's channels, also as the gallery's script gets them; both None where `reason` says why."""

    classes: ChannelClasses | None
    packed: dict[str, Any] | None
    reason: str = ""

    @property
    def nbytes(self) -> int:
        return 0 if self.classes is None else self.classes.weights.nbytes


MEANINGS = CacheKind[NetworkPair, PairMeaning]("meanings", lambda meaning: meaning.nbytes, lambda pair: ImageHash(""))


def pair_meaning(server: Server, request: MapRequest) -> PairMeaning:
    """What the channels of a request's layer pair mean. Raises BackboneError if the network cannot be loaded."""
    key, since = NetworkPair(request.backbone, request.weights, request.pair), time.monotonic()
    meaning = server.cache.get(MEANINGS, key)
    if meaning is None:
        backbone = server.networks.backbone(request.backbone, request.weights)
        classes = classes_or_reason(backbone, backbone.architecture.pair(request.pair))
        if isinstance(classes, str):
            meaning = PairMeaning(None, None, classes)
        else:
            meaning = PairMeaning(classes, packed_classes(classes))
        server.cache.put(MEANINGS, key, meaning, since)
    return meaning


def channel_table(server: Server, request: MapRequest, maps: ImageMaps) -> pd.DataFrame:
    """A row for each channel: its statistics on the image, and where there are some, its classes."""
    table, meaning = maps.statistics.table(), pair_meaning(server, request)
    return table if meaning.classes is None else table.join(meaning.classes.table())
