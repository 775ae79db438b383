"""What the pages about the maps of one image share: settings from and to the link, the image, the layers, the maps."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from crosspool.backbones import architecture, backbone_specs
from crosspool.ui.maps import controls
from crosspool.ui.maps.presenter import present_button, presenter_frame
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, choose_image
from crosspool.ui.visit.link import ChosenClassifier, LinkNotes, LinkState, from_params, to_params
from crosspool.ui.visit.state import current_visit, visit_state
from crosspool.ui.visit.waiting import errors_shown, waiting

PageBody = Callable[[SourceImage, MapRequest, ImageMaps], None]
Opening = Callable[[str], SourceImage | None]


def title_and_images(title: str) -> SourceImage | None:
    """How most pages begin: the title, if there is one, over the choice of image, which is returned."""
    if title:
        st.title(title, anchor=False)
    return choose_image()


def maps_page(title: str, body: PageBody, opening: Opening = title_and_images) -> None:
    """Take the settings from the link, draw the choice of image and layers, and call `body` with the maps.

    Without a title `body` has to give the page one.
    """
    start_from_link()
    image = opening(title)
    with st.sidebar:
        spec = controls.choose_network()
        pair = controls.choose_pair(spec)
        controls.choose_size(spec)
        controls.describe_pair(pair, spec)
        controls.choose_framing()
        controls.choose_pooling(pair)
        present_button()
    link = visit_state(LinkState)
    if not controls.network_is_here(spec):
        controls.offer_download(spec)
    elif image is None:
        ask_for_image()
    else:
        pooling = (link.framing, link.signed, link.border)
        _body_with_maps(body, image, MapRequest(image.key, spec.name, link.weights, pair.id, link.size, *pooling))


def ask_for_image() -> None:
    """Say what is missing while there is no image."""
    st.info("Add an image to see its maps, or go back to the samples.", icon=":material/add_photo_alternate:")


@st.fragment
@errors_shown()
def _body_with_maps(body: PageBody, image: SourceImage, request: MapRequest) -> None:
    """Get the maps at every run instead of holding them, so that no visitor's page keeps them in memory."""
    server = current_server()
    seconds = server.settings.wait_seconds
    with waiting("Computing the maps …") as on_progress:
        maps = image_maps(server, request, lambda: image.image, on_progress, seconds=seconds)
    body(image, request, maps)
    write_link()


# --- the link


def start_from_link() -> None:
    """The first call of a page: once per visit, take the settings from the URL and note what made no sense there."""
    link = visit_state(LinkNotes)
    if link.notes is None:
        link.is_bare = not st.query_params
        settings, link.notes = from_params(st.query_params)
        current_visit().parts[LinkState] = settings
    if link.notes:
        st.info("  \n".join(link.notes), icon=":material/link_off:")
    presenter_frame()


def link_params() -> dict[str, str]:
    """The URL parameters of the current view. Uploads are not part of them."""
    link = replace(visit_state(LinkState))
    if link.size == backbone_specs()[link.backbone].preprocessing.size:
        link.size = 0
    if link.pair == architecture(link.backbone).default_pair.id:
        link.pair = ""
    if visit_state(ChosenClassifier).classifier:  # whose classes only this visit knows
        link.positive = link.against = ""
    return to_params(link)


def write_link() -> None:
    """Write the current view into the URL, so that copying it shares the view."""
    params = link_params()
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)
