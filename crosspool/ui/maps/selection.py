"""Which map, and which position of it, is under study, and how maps are drawn; shared by the pages."""

from collections.abc import Callable

import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look
from crosspool.ui.runtime.maps import ImageMaps, Request
from crosspool.ui.widgets.picture import Cell

MOST_FIRST = 48  # channels that the gallery tells of


def shown_channel(maps: ImageMaps) -> int:
    """The channel that was chosen, or the one with the largest share of P's energy until one is."""
    channel: int = st.session_state.channel
    return channel if 0 <= channel < len(maps.upper) else int(maps.statistics.energy_share.argmax())


def select_channel(channel: int) -> None:
    """Show this channel at large, at its peak."""
    st.session_state.channel = channel
    forget_position()


def forget_channels() -> None:
    """Forget what belongs to the maps of one pair, before another one's are shown."""
    st.session_state.channel, st.session_state.pins, st.session_state.first = -1, "", []
    forget_position()


def shown_pins(maps: ImageMaps) -> list[int]:
    """The channels that are pinned, in the order in which they were."""
    pins = [int(part) for part in st.session_state.pins.split(",") if part]
    return [channel for channel in pins if channel < len(maps.upper)]


def first_channels(maps: ImageMaps, request: Request) -> list[int]:
    """The channels that the gallery shows first, in its order; by energy, without dead ones, until it has told."""
    state = st.session_state
    first: list[int] = state.first if state.first_of in (None, request) else []
    if not first:
        order = maps.statistics.order("energy_share")
        first = order[~maps.statistics.dead[order]][:MOST_FIRST].tolist()
    return [channel for channel in first if channel < len(maps.upper)]


def channel_input(maps: ImageMaps, channel: int, key: str, choose: Callable[[int], None] = select_channel) -> None:
    """A field with the number of the channel under study; `choose(channel)` is called when another is typed."""
    st.session_state[key] = channel
    st.number_input("Map k", 0, len(maps.upper) - 1, key=key, on_change=lambda: choose(st.session_state[key]))


def shown_position(maps: ImageMaps, channel: int) -> Cell:
    """The position (row, column) that was chosen, or the map's peak until one is."""
    position = st.session_state.get("position")
    rows, columns = maps.upper.shape[1:]
    if position is not None and position[0] < rows and position[1] < columns:
        return int(position[0]), int(position[1])
    return int(maps.statistics.peak_row[channel]), int(maps.statistics.peak_column[channel])


def choose_position(position: Cell) -> None:
    """Study this (row, column) of the maps."""
    st.session_state.position = position


def forget_position() -> None:
    """Study the map at its peak again."""
    st.session_state.position = None


def shown_look(signed: bool) -> Look:
    """How maps are drawn: the chosen colours, or diverging ones for signed maps."""
    state = st.session_state
    colours = SIGNED_COLOUR_MAP if signed else state.colours
    return Look(colours, state.opacity, state.smooth, state.scale, signed, state.top)
