"""The gallery: all weighting maps over the image in the browser, to look through, sort, pin and choose from."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, Strict

from crosspool.backbones import architecture
from crosspool.drawing.rendering import ColourMap, Overlay, Scale
from crosspool.gallery import LARGEST_TOP, MAX_PINS
from crosspool.gallery.mapset import gallery_limits, pack_maps, packed_name
from crosspool.gallery.pointing import MapOrder
from crosspool.ui.maps.selection import (
    MAX_FIRST_CHANNELS,
    KeptMaps,
    MapsState,
    pinned_channels,
    select_cell,
    select_channel,
)
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.meaning import pair_meaning
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.runtime.sprite_address import sprite_for_browser
from crosspool.ui.visit.in_turn import computed_in_turn
from crosspool.ui.visit.link import LinkState, box_of, box_text
from crosspool.ui.visit.state import visit_state
from crosspool.ui.visit.waiting import place_shown
from crosspool.ui.widgets.browser import Index, Message, Part, RefusedError, Switch, component
from crosspool.ui.widgets.cell_image import Cell

# The fields of LinkState that say how the gallery looks, and those of MapsState.
LINK_VIEW = ("colours", "overlay", "opacity", "smooth", "scale", "top")
GALLERY_VIEW = ("sort", "kept_maps", "tile")
PACKED_MAPS = CacheKind[MapRequest, bytes]("galleries", len, lambda request: request.image)

T = TypeVar("T")
Tile = Annotated[int, Strict(), Field(ge=32, le=512)]  # pixels; toolbar.js offers fewer


class View(Message):
    """How the gallery looks, and the channels that it shows first."""

    colours: ColourMap
    overlay: Overlay
    opacity: Part
    smooth: Switch
    scale: Scale
    top: Annotated[float, Strict(), Field(ge=0, le=LARGEST_TOP)]
    sort: MapOrder
    kept_maps: KeptMaps
    tile: Tile
    first: Annotated[list[Index], Field(max_length=MAX_FIRST_CHANNELS)]


class Change(Message, Generic[T]):
    """A part's new value, see exchange.js."""

    revision: Annotated[int, Strict(), Field(ge=0, lt=2**53)]
    value: T


class Changes(Message):
    """What the gallery sends: a channel or [channel, row, column], the pinned channels, the box, the view."""

    selected: Change[Index | tuple[Index, Index, Index]] | None = None
    pins: Change[Annotated[list[Index], Field(max_length=MAX_PINS)]] | None = None
    box: Change[tuple[Part, Part, Part, Part] | None] | None = None
    view: Change[View] | None = None


_send_maps = component("gallery/maps_component")
_send_meaning = component("gallery/meaning_component")
_draw = component("gallery/gallery_component", '<div class="gallery"></div>', style="gallery/gallery", changes=Changes)


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

    count, rows, columns = maps.upper.shape

    def check(channels: list[int]) -> None:
        if len(set(channels)) < len(channels) or any(channel >= count for channel in channels):
            raise RefusedError

    def on_select(selection: int | tuple[int, int, int]) -> None:
        channel, *cell = selection if isinstance(selection, tuple) else (selection,)
        check([channel])
        if cell and not (cell[0] < rows and cell[1] < columns):
            raise RefusedError
        select_channel(channel)
        if cell:
            select_cell((cell[0], cell[1]))

    def on_box(box: tuple[float, float, float, float] | None) -> None:
        text = box_text(box)
        link.box, state.examples = text if box_of(text) else "", False
        state.boxed = (request.image, link.box)

    def on_pin(channels: list[int]) -> None:
        check(channels)
        link.pins = ",".join(map(str, channels))

    def on_view(view: View) -> None:
        check(view.first)
        for part, names in views:
            for name in names:
                setattr(part, name, getattr(view, name))
        state.first, state.first_of = view.first, request

    callbacks: dict[str, Callable[[Any], None]] = {
        "box": on_box,
        "selected": on_select,
        "pins": on_pin,
        "view": on_view,
    }

    def keep_changes(changes: Changes) -> None:
        refusals = []
        for part, callback in callbacks.items():
            change: Change[Any] | None = getattr(changes, part)
            if change is not None and change.revision > state.revisions[part]:
                state.revisions[part] = change.revision
                try:
                    callback(change.value)
                except RefusedError as refusal:  # the other parts are kept nevertheless
                    refusals.append(refusal)
        if refusals:
            raise refusals[0]

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
    packed = pair_meaning(current_server(), request, place_shown()).packed
    return {"id": "/".join(pair), "classes": packed, "sprite": sprite_for_browser(*pair)}


def _packed_maps(maps: ImageMaps, request: MapRequest) -> bytes:
    """The maps of a request as the browser gets them; cached, as each run of the page sends them again."""

    def pack() -> bytes:
        fields = architecture(request.backbone).receptive_fields(maps.pair, request.size)
        return pack_maps(
            maps.upper, maps.statistics, maps.framed, signed=maps.signed, fields=fields, ceiling=maps.pair.ceiling
        )

    return computed_in_turn(PACKED_MAPS, request, pack)
