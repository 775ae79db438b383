"""Which map, and which cell of it, is selected, and how maps are drawn; shared by the pages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look
from crosspool.gallery.mapset import MAX_CELLS, all_averaged_down, quantised_maps
from crosspool.gallery.pointing import MapOrder, PhotoBox, match_box
from crosspool.statistics import telling_channel
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.visit.link import LinkState, box_of
from crosspool.ui.visit.state import VisitPart, about_images, bound_value, plain, visit_state
from crosspool.ui.widgets.cell_image import Cell

MAX_FIRST_CHANNELS = 48  # that the gallery reports
LAYERS_KEPT = 100  # whose selected channel and pins are remembered
SEEN_AT_FIRST = 24  # maps of the gallery, in a window of 1440x900
KeptMaps = Literal["alive", "all", "most", "pinned"]
Layers = tuple[str, str, str]  # network, weights, and layer pair


@dataclass
class MapsState(VisitPart):
    """What a visit remembers of the maps besides what a link carries (LinkState).

    `cell` is None for the map's peak. `sort`, `kept_maps` and `tile` are how the gallery is arranged, `first` the
    channels that it shows first, for the request `first_of`, and `revisions` the newest change of each of its parts
    that the server has received (see exchange.js). `examples` is whether samples show their example boxes: to a
    newcomer, until a box is drawn or cleared; `boxed` is the image that was shown last, and the box on it. `entries` is
    which vector's strongest entries are shown, `download` which maps are offered as files. `layers` is whose maps are
    shown, None once others are chosen, and `left` the selected channel and the pins of those that were shown before.
    """

    cell: Cell | None = plain(None)
    sort: MapOrder = plain("energy_share")
    kept_maps: KeptMaps = plain("alive")
    tile: int = plain(104)
    first: list[int] = about_images([])
    first_of: MapRequest | None = about_images(None)
    revisions: dict[str, int] = plain({"selected": 0, "pins": 0, "box": 0, "view": 0})
    examples: bool = plain(False)
    boxed: tuple[ImageHash, str] | None = about_images(None)
    entries: str = plain("block")
    download: str = plain("this")
    layers: Layers | None = plain(None)
    left: dict[Layers, tuple[int, str]] = plain({})


def selected_channel(maps: ImageMaps) -> int:
    """The selected channel; until one is selected, the best match of the box on the photo, or else a telling map."""
    channel = visit_state(LinkState).channel
    return channel if 0 <= channel < len(maps.upper) else opening_channel(maps)


def opening_channel(maps: ImageMaps) -> int:
    """The channel that is shown until one is selected; without a box one of those that are seen at first."""
    box = box_of(visit_state(LinkState).box)
    if box is not None:
        return matches(maps, box)[0]
    first = maps.statistics.order("energy_share")[:SEEN_AT_FIRST].tolist()
    return telling_channel(maps.upper, maps.statistics, among=first)


def matches(maps: ImageMaps, box: PhotoBox) -> list[int]:
    """All channels as the gallery sorts them by a box on the photo, the best match first."""
    small = all_averaged_down(maps.upper, MAX_CELLS)
    peak = maps.statistics.peak
    levels = quantised_maps(small, peak, 16, signed=maps.signed)
    order: list[int] = match_box(levels, peak, box, signed=maps.signed).tolist()
    return order


def select_channel(channel: int) -> None:
    """Select this channel, at its peak."""
    visit_state(LinkState).channel = channel
    forget_cell()


def forget_channels() -> None:
    """Put aside what belongs to the maps of one layer pair, before those of another are shown."""
    link, state = visit_state(LinkState), visit_state(MapsState)
    if state.layers is not None:
        state.left[state.layers] = (link.channel, link.pins)
        if len(state.left) > LAYERS_KEPT:
            del state.left[next(iter(state.left))]
    state.layers = None
    link.channel, link.pins = -1, ""
    state.first = []
    forget_cell()


def bring_channels() -> None:
    """Once other layers are chosen, select and pin what was selected and pinned when they were shown before."""
    link, state = visit_state(LinkState), visit_state(MapsState)
    layers = (link.backbone, link.weights, link.pair)
    if state.layers is None:
        link.channel, link.pins = state.left.pop(layers, (link.channel, link.pins))
    state.layers = layers


def pinned_channels(maps: ImageMaps) -> list[int]:
    """The pinned channels, in the order in which they were pinned."""
    pins = [int(part) for part in visit_state(LinkState).pins.split(",") if part]
    return [channel for channel in pins if channel < len(maps.upper)]


def first_channels(maps: ImageMaps, request: MapRequest) -> list[int]:
    """The channels that the gallery shows first; until it reports them, the active ones by a box or by energy."""
    state = visit_state(MapsState)
    first = state.first if state.first_of in (None, request) else []
    first = first or active_channels(maps)[:MAX_FIRST_CHANNELS]
    return [channel for channel in first if channel < len(maps.upper)]


def active_channels(maps: ImageMaps) -> list[int]:
    """All active channels in the gallery's order."""
    sort, box = visit_state(MapsState).sort, box_of(visit_state(LinkState).box)
    if sort == "box":
        order = maps.statistics.order("energy_share") if box is None else np.array(matches(maps, box))
    else:
        order = maps.statistics.order(sort)
    active: list[int] = order[~maps.statistics.dead[order]].tolist()
    return active


def channel_input(maps: ImageMaps, channel: int, key: str, choose: Callable[[int], None]) -> None:
    """A field with the number of the selected channel; `choose(channel)` is called when another is typed."""
    st.number_input("Map k", 0, len(maps.upper) - 1, **bound_value(key, channel, choose))


def selected_cell(maps: ImageMaps, channel: int) -> Cell:
    """The selected cell; until one is selected, the map's peak."""
    cell, (rows, columns) = visit_state(MapsState).cell, maps.upper.shape[1:]
    if cell is not None and 0 <= cell[0] < rows and 0 <= cell[1] < columns:
        return cell
    return peak_cell(maps, channel)


def peak_cell(maps: ImageMaps, channel: int) -> Cell:
    """The cell where a map is largest."""
    return int(maps.statistics.peak_row[channel]), int(maps.statistics.peak_column[channel])


def select_cell(cell: Cell) -> None:
    """Select this (row, column) of the maps."""
    visit_state(MapsState).cell = cell


def forget_cell() -> None:
    """Select the map's peak again."""
    visit_state(MapsState).cell = None


def current_look(signed: bool) -> Look:
    """How maps are drawn: in the chosen colours, or in diverging ones for signed maps."""
    link = visit_state(LinkState)
    colours = SIGNED_COLOUR_MAP if signed else link.colours
    return Look(colours, link.opacity, link.smooth, link.scale, signed, link.top, link.overlay)
