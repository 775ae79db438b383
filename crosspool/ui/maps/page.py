"""A page that looks at the maps of one image: what all such pages have in common."""

from collections.abc import Callable

import streamlit as st

from crosspool.ui.maps.controls import choose_image_and_layers, start_from_link, write_link
from crosspool.ui.maps.large_images import computed_maps
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage

PageBody = Callable[[SourceImage, MapRequest, ImageMaps], None]


def maps_page(title: str, body: PageBody) -> None:
    """Take the settings from the link, draw the choice of image and layers, and call `body` with the maps."""
    start_from_link()
    st.title(title, anchor=False)
    choice = choose_image_and_layers()
    if choice is not None:
        _body_with_maps(body, *choice)


@st.fragment
def _body_with_maps(body: PageBody, picture: SourceImage, request: MapRequest) -> None:
    """Ask for the maps at every run instead of holding them, so that no visitor's page keeps them in memory."""
    maps = computed_maps(picture, request)
    if maps is not None:
        body(picture, request, maps)
        write_link()
