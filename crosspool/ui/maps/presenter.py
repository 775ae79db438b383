"""Presenter mode, for a class and a projector: large type and nothing around the images.

Keys move through the lesson and through Weighting maps. A link with `present=1` starts it on any page. Its look is in
assets/style.css, switched on by the class `presenting`.
"""

from functools import partial

import streamlit as st

from crosspool.grids import largest_cells
from crosspool.ui.maps import selection
from crosspool.ui.maps.large_images import headline, input_image, map_image
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import visit_state
from crosspool.ui.widgets.keys import BACK, ON, keys
from crosspool.ui.widgets.text import cells_name, number


def presenting() -> bool:
    """Whether the session is in presenter mode."""
    return visit_state(LinkState).present


def presenter_frame() -> None:
    """At the top of a page in presenter mode: its style, and the ways out, a small button and Escape."""
    with st.container(key="leave-presenting"):  # always there, so that nothing below it moves
        if presenting():
            st.html('<span class="presenting"></span>')
            st.button("Leave presenter mode", icon=":material/close:", key="leave", on_click=_present, args=(False,))
            keys({"Escape": partial(_present, False)}, key="leave-keys")


def present_button() -> None:
    """Outside presenter mode: the way in."""
    about = (
        "Large type and nothing around the images; Escape leaves. The arrow keys move through the lesson, and in "
        f"Weighting maps through the first {selection.MAX_FIRST_CHANNELS} maps of the gallery."
    )
    if not presenting():
        icon = ":material/slideshow:"
        st.button("Present", "present-button", on_click=_present, args=(True,), help=about, icon=icon)


def _present(wanted: bool) -> None:
    visit_state(LinkState).present = wanted


def present_maps(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    """The photo and one map over it, as large as the window allows; keys and buttons show the next map.

    Maps follow each other as in the gallery: the first ones, or all if another one is shown.
    """
    channel, order = selection.selected_channel(maps), selection.first_channels(maps, request)
    before, after = neighbours(order if channel in order else selection.active_channels(maps), channel)
    position, select = selection.selected_cell(maps, channel), selection.select_channel
    with st.container(key="presented-head", horizontal=True, vertical_alignment="center"):
        with st.container():
            headline(image, request, maps)
            largest = largest_cells(maps.upper[channel])
            place = cells_name(largest if position in largest else [position])
            weight = number(maps.upper[channel][position])
            st.markdown(f"**Map {channel}** · input {request.size} px · weight **{weight}** at {place}")
        st.button("Previous", "map-before", on_click=select, args=(before,), icon=":material/arrow_back:")
        st.button("Next", "map-after", on_click=select, args=(after,), icon=":material/arrow_forward:")
    with st.container(key="large-presented"):
        input_column, map_column = st.columns(2, gap="medium")
    with input_column:
        input_image(maps, request, position)
    with map_column:
        map_image(maps, channel, position, selection.current_look(maps.signed))
    ways = dict.fromkeys(BACK, before) | dict.fromkeys(ON, after)
    keys({name: partial(select, to) for name, to in ways.items()}, key="map-keys")


def neighbours(order: list[int], channel: int) -> tuple[int, int]:
    """The channels before and after one, in a circle; the last and the first where it is not among them."""
    if channel not in order:
        return (order[-1], order[0]) if order else (channel, channel)
    index = order.index(channel)
    return order[index - 1], order[(index + 1) % len(order)]
