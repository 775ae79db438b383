"""The page of one channel: its classes, what it looks for, its strongest patches, and the maps most like it."""

from functools import partial

import streamlit as st

from crosspool.backbones import spec_of
from crosspool.ui.channel.classes import classes_of_channel
from crosspool.ui.channel.looks_for import looks_for
from crosspool.ui.channel.on_images import channel_on_images
from crosspool.ui.maps.large_images import map_picture
from crosspool.ui.maps.page import link_params, maps_page
from crosspool.ui.maps.selection import current_look, select_channel, selected_cell, selected_channel
from crosspool.ui.maps.surveying import choose_image_set, surveyed
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.meaning import pair_meaning
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import bound_value, visit_state
from crosspool.ui.visit.waiting import place_shown
from crosspool.ui.widgets.keys import keys
from crosspool.ui.widgets.text import as_it_is


def channel_page() -> None:
    """The page."""
    maps_page("", _about_channel)


def _about_channel(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    """The channel by itself, on this image, and on the images of a set."""
    channel, look = selected_channel(maps), current_look(maps.signed)
    visit_state(LinkState).channel = channel  # the page, and its address, stay with it on any image
    _head(request, maps, channel)
    with st.container(key="large-channel"):
        map_column, image_column, classes_column = st.columns(3, gap="medium")
    with map_column:
        st.header("Over the photo", anchor=False)
        map_picture(maps, channel, selected_cell(maps, channel), look)
    with image_column:
        looks_for(request, channel)
    with classes_column:
        rectified = maps.pair.can_be_negative and not maps.signed
        classes_of_channel(pair_meaning(current_server(), request, place_shown()), channel, rectified=rectified)
    st.header(f"Map {channel} on many images", anchor=False)
    image_set = choose_image_set(request, maps)
    surveyed(image_set, partial(channel_on_images, image, request, maps, channel, look, image_set), at_once=True)


def _head(request: MapRequest, maps: ImageMaps, channel: int) -> None:
    """Which channel this is, and the way to the others."""
    pair, (rows, columns), last = maps.pair, maps.upper.shape[1:], len(maps.upper) - 1
    title = f"Map {channel} of {spec_of(request.backbone).titled(request.weights)}"
    st.set_page_config(page_title=f"{title} · crosspool")
    st.title(as_it_is(title), anchor=False)
    st.caption(f"Layer pair {as_it_is(pair.label)}: {last + 1:,} maps of {rows}×{columns} cells.")
    with st.container(horizontal=True, vertical_alignment="bottom", key="channel-walk"):
        st.page_link(
            "pages/weighting_maps.py", label="All maps", icon=":material/arrow_back:", query_params=link_params()
        )
        _step("before", channel - 1, last, ":material/chevron_left:")
        _step("after", channel + 1, last, ":material/chevron_right:")
        go_to = bound_value("channel-number", channel, lambda number: select_channel(int(number)))
        st.number_input("Map number", 0, last, width=120, **go_to)
    steps = {"ArrowLeft": max(channel - 1, 0), "ArrowRight": min(channel + 1, last)}
    keys({name: partial(select_channel, other) for name, other in steps.items()}, key="channel-keys")


def _step(name: str, channel: int, last: int, icon: str) -> None:
    """A button to a neighbour; beyond the first and the last map there is none."""
    is_there = 0 <= channel <= last
    label = f"Map {channel}" if is_there else "No map"
    st.button(label, f"channel-{name}", icon=icon, on_click=select_channel, args=(channel,), disabled=not is_there)
