"""Every spatial weighting map of a layer pair over the image, and one of them at large."""

from typing import Any

import streamlit as st

from crosspool.ui.maps.across import across
from crosspool.ui.maps.channel_table import channel_table
from crosspool.ui.maps.details import large_map
from crosspool.ui.maps.gallery import gallery
from crosspool.ui.maps.large_images import headline
from crosspool.ui.maps.page import maps_page
from crosspool.ui.maps.presenter import present_maps, presenting
from crosspool.ui.maps.selection import (
    MapsState,
    current_look,
    first_channels,
    pinned_channels,
    select_channel,
    selected_channel,
)
from crosspool.ui.maps.share import download_and_share
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import visit_state

LINK_VIEW = ("colours", "opacity", "smooth", "scale", "top")
GALLERY_VIEW = ("sort", "kept_maps", "tile")


def all_maps(maps: ImageMaps, request: MapRequest, channel: int) -> None:
    """The gallery; what is changed in it is remembered, and so in the link."""
    link, state = visit_state(LinkState), visit_state(MapsState)
    st.header(f"{len(maps.upper):,} maps", anchor=False)

    def on_pin(channels: list[int]) -> None:
        link.pins = ",".join(map(str, channels))

    def on_view(view: dict[str, Any]) -> None:
        for name in LINK_VIEW:
            setattr(link, name, view[name])
        for name in (*GALLERY_VIEW, "first"):
            setattr(state, name, view[name])
        state.first_of = request

    gallery(
        maps,
        request,
        selected=channel,
        pins=pinned_channels(maps),
        view={name: getattr(link, name) for name in LINK_VIEW} | {name: getattr(state, name) for name in GALLERY_VIEW},
        on_select=select_channel,
        on_pin=on_pin,
        on_view=on_view,
    )


def explore(picture: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    """One map at large, the gallery, the same maps on other images, the table, and downloads."""
    headline(picture, request, maps)
    channel = selected_channel(maps)
    look = current_look(request.signed and maps.pair.can_be_negative)
    large_map(maps, request, channel, look)
    all_maps(maps, request, channel)
    across(picture, request, maps, channel=channel, pins=pinned_channels(maps), look=look)
    with st.expander("All channels as a table", icon=":material/table:"):
        channel_table(maps)
    pins, first = pinned_channels(maps), first_channels(maps, request)
    download_and_share(picture, request, maps, channel=channel, pins=pins, first=first, look=look)


def weighting_maps_page() -> None:
    """The page."""
    maps_page("Weighting maps", _present_or_explore)


def _present_or_explore(picture: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    (present_maps if presenting() else explore)(picture, request, maps)
