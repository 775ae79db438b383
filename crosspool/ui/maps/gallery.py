"""The gallery: all weighting maps over the photo in the browser, to look through, sort, pin and choose from."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from crosspool.drawing.rendering import COLOUR_MAPS, SIGNED_COLOUR_MAP, ColourRange, Look
from crosspool.gallery import LARGEST_TOP, MAX_PINS
from crosspool.gallery.assets import asset, script
from crosspool.gallery.mapset import colour_tables, pack_maps, packed_name, receptive_fields
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.state import VisitPart, plain, visit_state

_maps_component = st.components.v2.component(
    "crosspool.maps", html="", css=":host { display: none; }", js=script("gallery/maps_component.js")
)
_gallery_component = st.components.v2.component(
    "crosspool.gallery",
    html='<div class="gallery"></div>',
    css=asset("gallery/gallery.css"),
    js=script("gallery/gallery_component.js"),
)
PACKED_MAPS = CacheKind[MapRequest, bytes]("galleries", len, lambda request: request.image)


@dataclass
class GalleryRevisions(VisitPart):
    """The newest change of each part of the gallery that was heard of; exchange.js says what for."""

    revisions: dict[str, int] = plain({"selected": 0, "pins": 0, "view": 0})


def gallery(
    maps: ImageMaps,
    request: MapRequest,
    *,
    selected: int,
    pins: Sequence[int],
    view: dict[str, Any],
    on_select: Callable[[int], None],
    on_pin: Callable[[list[int]], None],
    on_view: Callable[[dict[str, Any]], None],
) -> None:
    """Show all maps of a request; the callbacks get what was changed in the browser.

    `on_select(channel)`, `on_pin(channels)` with all that are pinned, and `on_view(view)` with how the maps are drawn
    and sorted, like `view`, and "first", the channels that come first.
    """
    packed = packed_maps(maps, request)
    _maps_component(data=packed, key="maps")

    revisions = visit_state(GalleryRevisions).revisions

    def on_changes_change() -> None:
        changes = st.session_state["gallery"].changes or {}
        for part, callback in (
            ("selected", lambda value: on_select(int(value))),
            ("pins", lambda value: on_pin([int(channel) for channel in value])),
            ("view", on_view),
        ):
            change = changes.get(part)
            if change is not None and change["revision"] > revisions[part]:
                revisions[part] = change["revision"]
                callback(change["value"])

    data = {
        "maps": packed_name(packed),
        "selected": selected,
        "pins": list(pins),
        "view": view,
        "revisions": revisions,
        "colourMaps": [SIGNED_COLOUR_MAP] if request.signed and maps.pair.can_be_negative else list(COLOUR_MAPS),
        "tables": colour_tables(),
        "mostPins": MAX_PINS,
        "largestTop": LARGEST_TOP,
    }
    _gallery_component(data=data, key="gallery", on_changes_change=on_changes_change)


def packed_maps(maps: ImageMaps, request: MapRequest) -> bytes:
    """The maps of a request as the browser gets them; kept, as each run of the page sends them again."""
    cache, since = current_server().cache, time.monotonic()
    found = cache.get(PACKED_MAPS, request)
    if found is None:
        found = pack_maps(
            maps.upper,
            maps.statistics,
            maps.framed,
            signed=request.signed and maps.pair.can_be_negative,
            fields=receptive_fields(request.backbone, request.pair, request.size),
        )
        cache.put(PACKED_MAPS, request, found, since)
    return found


def map_colour_range(maps: ImageMaps, channel: int, look: Look) -> ColourRange:
    """The range of weights that the colours of one map span."""
    return look.colour_range(maps.statistics.peak, channel)
