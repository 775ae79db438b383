"""Which map, and which cell of it, is selected, and how maps are drawn; shared by the pages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look
from crosspool.statistics import Criterion
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import VisitPart, about_images, bound_value, plain, visit_state
from crosspool.ui.widgets.cell_image import Cell

MAX_FIRST_CHANNELS = 48  # that the gallery reports


@dataclass
class MapsState(VisitPart):
    """What a visit remembers of the maps besides what a link carries (LinkState).

    `cell` is None for the map's peak. `sort`, `kept_maps` and `tile` are how the gallery is arranged, `first` the
    channels that it shows first, for the request `first_of`, and `revisions` the newest change of each of its parts
    that the server has received (see exchange.js). `entries` is which vector's strongest entries are shown, `download`
    which maps are offered as files.
    """

    cell: Cell | None = plain(None)
    sort: Criterion | Literal["box"] = plain("energy_share")
    kept_maps: str = plain("alive")
    tile: int = plain(104)
    first: list[int] = about_images([])
    first_of: MapRequest | None = about_images(None)
    revisions: dict[str, int] = plain({"selected": 0, "pins": 0, "view": 0})
    entries: str = plain("block")
    download: str = plain("this")


def selected_channel(maps: ImageMaps) -> int:
    """The selected channel; until one is selected, the one with the largest share of P's energy."""
    channel = visit_state(LinkState).channel
    return channel if 0 <= channel < len(maps.upper) else int(maps.statistics.energy_share.argmax())


def select_channel(channel: int) -> None:
    """Select this channel, at its peak."""
    visit_state(LinkState).channel = channel
    forget_cell()


def forget_channels() -> None:
    """Forget what belongs to the maps of one layer pair, before those of another are shown."""
    link = visit_state(LinkState)
    link.channel, link.pins = -1, ""
    visit_state(MapsState).first = []
    forget_cell()


def pinned_channels(maps: ImageMaps) -> list[int]:
    """The pinned channels, in the order in which they were pinned."""
    pins = [int(part) for part in visit_state(LinkState).pins.split(",") if part]
    return [channel for channel in pins if channel < len(maps.upper)]


def first_channels(maps: ImageMaps, request: MapRequest) -> list[int]:
    """The channels that the gallery shows first, in its order; until it reports them, the active ones by energy."""
    state = visit_state(MapsState)
    first = state.first if state.first_of in (None, request) else []
    if not first:
        order = maps.statistics.order("energy_share")
        first = order[~maps.statistics.dead[order]][:MAX_FIRST_CHANNELS].tolist()
    return [channel for channel in first if channel < len(maps.upper)]


def channel_input(maps: ImageMaps, channel: int, key: str, choose: Callable[[int], None] = select_channel) -> None:
    """A field with the number of the selected channel; `choose(channel)` is called when another is typed."""
    st.number_input("Map k", 0, len(maps.upper) - 1, **bound_value(key, channel, choose))


def selected_cell(maps: ImageMaps, channel: int) -> Cell:
    """The selected cell; until one is selected, the map's peak."""
    cell, (rows, columns) = visit_state(MapsState).cell, maps.upper.shape[1:]
    if cell is not None and cell[0] < rows and cell[1] < columns:
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
    return Look(colours, link.opacity, link.smooth, link.scale, signed, link.top)
