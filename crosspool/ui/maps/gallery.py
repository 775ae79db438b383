"""The gallery: all weighting maps over the image in the browser, to look through, sort, pin and choose from."""

import time
from collections.abc import Callable
from typing import Any

from crosspool.gallery.mapset import gallery_limits, pack_maps, packed_name, receptive_fields
from crosspool.ui.maps.selection import MapsState, pinned_channels, select_cell, select_channel
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.meaning import pair_meaning
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.runtime.sprite_address import sprite_for_browser
from crosspool.ui.visit.link import LinkState, box_of, box_text
from crosspool.ui.visit.state import visit_state
from crosspool.ui.widgets.browser import component
from crosspool.ui.widgets.cell_image import Cell

# The fields of LinkState that say how the gallery looks, and those of MapsState.
LINK_VIEW = ("colours", "overlay", "opacity", "smooth", "scale", "top")
GALLERY_VIEW = ("sort", "kept_maps", "tile")
PACKED_MAPS = CacheKind[MapRequest, bytes]("galleries", len, lambda request: request.image)

_send_maps = component("gallery/maps_component")
_send_meaning = component("gallery/meaning_component")
_draw = component("gallery/gallery_component", '<div class="gallery"></div>', style="gallery/gallery")


def gallery(maps: ImageMaps, request: MapRequest, channel: int, cell: Cell, question: str = "") -> None:
    """Show all maps of a request, with a channel and a cell selected; what is changed in the browser is remembered.

    `question` is what the box on the photo asks, if it is an example.
    """
    packed = _packed_maps(maps, request)
    _send_maps(packed, "maps")
    meaning = _meaning(request)
    _send_meaning(meaning, "meaning")
    link, state = visit_state(LinkState), visit_state(MapsState)
    views = ((link, LINK_VIEW), (state, GALLERY_VIEW))

    def on_select(selection: float | list[float]) -> None:
        if isinstance(selection, list):
            select_channel(int(selection[0]))
            select_cell((int(selection[1]), int(selection[2])))
        else:
            select_channel(int(selection))

    def on_box(box: list[float] | None) -> None:
        link.box, state.examples = box_text(box), False
        state.boxed = (request.image, link.box)

    def on_pin(channels: list[float]) -> None:
        link.pins = ",".join(str(int(channel)) for channel in channels)

    def on_view(view: dict[str, Any]) -> None:
        for part, names in views:
            for name in names:
                setattr(part, name, view[name])
        state.first, state.first_of = view["first"], request

    callbacks: dict[str, Callable[[Any], None]] = {
        "box": on_box,
        "selected": on_select,
        "pins": on_pin,
        "view": on_view,
    }

    def keep_changes(changes: dict[str, Any]) -> None:
        for part, callback in callbacks.items():
            change = changes.get(part)
            if change is not None and change["revision"] > state.revisions[part]:
                state.revisions[part] = change["revision"]
                callback(change["value"])

    data = {
        "maps": packed_name(packed),
        "meaning": meaning["id"],
        "selected": channel,
        "cell": list(cell),
        "pins": pinned_channels(maps),
        "box": box_of(link.box),
        "question": question,
        "hasGlossary": True,
        "view": {name: getattr(part, name) for part, names in views for name in names},
        "revisions": state.revisions,
        **gallery_limits(signed=maps.signed),
    }
    _draw(data, "gallery", changes=keep_changes)


def _meaning(request: MapRequest) -> dict[str, Any]:
    """What the channels mean, as the browser gets it: the same for all images, so it is sent once."""
    pair = (request.backbone, request.pair, request.weights)
    packed = pair_meaning(current_server(), request).packed
    return {"id": "/".join(pair), "classes": packed, "sprite": sprite_for_browser(*pair)}


def _packed_maps(maps: ImageMaps, request: MapRequest) -> bytes:
    """The maps of a request as the browser gets them; cached, as each run of the page sends them again."""
    cache, since = current_server().cache, time.monotonic()
    packed = cache.get(PACKED_MAPS, request)
    if packed is None:
        fields = receptive_fields(request.backbone, request.pair, request.size)
        packed = pack_maps(
            maps.upper, maps.statistics, maps.framed, signed=maps.signed, fields=fields, ceiling=maps.pair.ceiling
        )
        cache.put(PACKED_MAPS, request, packed, since)
    return packed
