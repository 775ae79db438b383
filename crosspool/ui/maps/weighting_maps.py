"""Every spatial weighting map of a layer pair over the image, and one of them at large."""

from typing import Any

import streamlit as st

from crosspool.ui.maps.across import across
from crosspool.ui.maps.channel_table import channel_table
from crosspool.ui.maps.controls import choose_maps, start_from_link, write_link
from crosspool.ui.maps.details import large_map
from crosspool.ui.maps.gallery import gallery
from crosspool.ui.maps.large_pictures import headline, shown_maps
from crosspool.ui.maps.presenter import present_maps, presenting
from crosspool.ui.maps.selection import choose_channel, first_channels, shown_channel, shown_look, shown_pins
from crosspool.ui.maps.takeaway import downloads
from crosspool.ui.runtime.maps import ImageMaps, Request
from crosspool.ui.visit.pictures import SourceImage

GALLERY_VIEW = ("colours", "opacity", "smooth", "scale", "top", "sort", "kept_maps", "tile")


def all_maps(maps: ImageMaps, request: Request, channel: int) -> None:
    """The gallery; what is done in it is kept in the session, and so in the link."""
    state = st.session_state
    st.header(f"{len(maps.upper):,} maps", anchor=False)

    def tell(what: str, value: Any) -> None:
        if what == "channel":
            choose_channel(int(value))
        elif what == "pins":
            state.pins = ",".join(str(int(pin)) for pin in value)
        else:
            state.update({name: value[name] for name in (*GALLERY_VIEW, "first")})
            state.first_of = request

    view = {name: state[name] for name in GALLERY_VIEW}
    gallery(maps, request, selected=channel, pins=shown_pins(maps), view=view, tell=tell)


@st.fragment
def explore(chosen: SourceImage, request: Request) -> None:
    """Everything that only looks at maps that are there already."""
    maps = shown_maps(chosen, request)
    if maps is None:
        return
    channel = shown_channel(maps)
    signed = request.signed and maps.pair.can_be_negative
    look = shown_look(signed)
    large_map(maps, request, channel, look)
    all_maps(maps, request, channel)
    across(chosen, request, maps, channel=channel, pins=shown_pins(maps), look=look)
    with st.expander("All channels as a table", icon=":material/table:"):
        channel_table(maps)
    pins, first = shown_pins(maps), first_channels(maps, request)
    downloads(chosen, request, maps, channel=channel, pins=pins, first=first, look=look)
    write_link()


def weighting_maps_page() -> None:
    """The page."""
    start_from_link()
    st.title("Weighting maps", anchor=False)
    found = choose_maps()
    if found is not None and presenting():
        present_maps(*found[:2], write_link)
    elif found is not None:
        headline(*found)
        explore(*found[:2])
