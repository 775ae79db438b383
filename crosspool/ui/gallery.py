"""The gallery: all weighting maps over the photo in the browser, to look through, sort, pin and choose from."""

import base64
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st
from cachetools import LRUCache

from crosspool.backbones import architecture
from crosspool.gallery import GALLERY, asset
from crosspool.gallery.mapset import Span, name_of, pack
from crosspool.receptive_field import receptive_field
from crosspool.rendering import COLOUR_MAPS, SIGNED_COLOUR_MAP, Limits, Scale, colour_limits, colour_table
from crosspool.ui.compute import ImageMaps, Request
from crosspool.ui.link import LARGEST_TOP, MAX_PINS

PACKED_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Look:
    """How maps are drawn: see `crosspool.rendering`. `top` is the end of a fixed scale, 0 for the layer's own."""

    colour_map: str
    opacity: float
    smooth: bool
    scale: Scale
    signed: bool
    top: float = 0.0


_maps_component = st.components.v2.component(
    "crosspool.maps", html="", css=":host { display: none; }", js=asset("mapset.js") + asset("maps_component.js")
)
_gallery_component = st.components.v2.component(
    "crosspool.gallery",
    html='<div class="gallery"></div>',
    css=asset("gallery.css"),
    js="".join(asset(name) for name in (*GALLERY, "gallery_component.js")),
)
_packed: LRUCache[Request, bytes] = LRUCache(PACKED_BYTES, getsizeof=len)
_packed_lock = threading.Lock()


def gallery(
    maps: ImageMaps,
    request: Request,
    *,
    selected: int,
    pins: Sequence[int],
    view: dict[str, Any],
    tell: Callable[[str, Any], None],
) -> None:
    """Show all maps of a request. `tell(what, value)` is called with what the hand has done in the browser.

    What: "channel" with a number, "pins" with a list of numbers, and "view" with how the maps are drawn and sorted,
    like `view`, and "first", the channels that come first.
    """
    packed = packed_maps(maps, request)
    _maps_component(data=packed, key="maps")

    def on(what: str) -> Callable[[], None]:
        def told() -> None:
            value = getattr(st.session_state["gallery"], what)
            if value is not None:
                tell(what, value)

        return told

    data = {
        "maps": name_of(packed),
        "selected": selected,
        "pins": list(pins),
        "view": view,
        "colourMaps": [SIGNED_COLOUR_MAP] if request.signed and maps.pair.can_be_negative else list(COLOUR_MAPS),
        "tables": tables(),
        "mostPins": MAX_PINS,
        "largestTop": LARGEST_TOP,
    }
    _gallery_component(
        data=data,
        key="gallery",
        on_channel_change=on("channel"),
        on_pins_change=on("pins"),
        on_view_change=on("view"),
    )


def packed_maps(maps: ImageMaps, request: Request) -> bytes:
    """The maps of a request as the browser gets them; kept, as each run of the page sends them again."""
    with _packed_lock:
        found = _packed.get(request)
    if found is None:
        found = pack(
            maps.upper,
            maps.statistics,
            maps.framed,
            signed=request.signed and maps.pair.can_be_negative,
            fields=receptive_fields(request.backbone, request.pair, request.size),
        )
        with _packed_lock:
            if len(found) <= PACKED_BYTES:
                _packed[request] = found
    return found


@lru_cache(maxsize=64)
def receptive_fields(backbone: str, pair: str, size: int) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """For each row of the upper maps the rows of the image that it can depend on, and so for the columns, in pixels."""
    found = architecture(backbone)
    layout, upper = found.layout(size), found.pair(pair).upper
    rows, columns = layout.map_size(upper)
    left = [receptive_field(layout, upper, row, 0) for row in range(rows)]
    top = [receptive_field(layout, upper, 0, column) for column in range(columns)]
    return tuple((box.top, box.bottom) for box in left), tuple((box.left, box.right) for box in top)


@lru_cache(maxsize=1)
def tables() -> dict[str, str]:
    """All colour maps, 256 RGB colours each, as base64."""
    return {name: base64.b64encode(colour_table(name).tobytes()).decode() for name in (*COLOUR_MAPS, SIGNED_COLOUR_MAP)}


def limits_of(maps: ImageMaps, channel: int, look: Look) -> Limits:
    """The range of weights that the colours of one map span."""
    if look.scale == "fixed" and look.top > 0:
        return (-look.top if look.signed else 0.0, look.top)
    peaks = maps.statistics.peak
    return colour_limits(peaks[[channel]] if look.scale == "map" else peaks, signed=look.signed)
