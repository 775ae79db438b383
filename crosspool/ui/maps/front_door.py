"""The opening of the page Weighting maps: what this is, for those who come for the first time, and the images."""

from dataclasses import dataclass

import streamlit as st

from crosspool import __version__
from crosspool.backbones import architecture, spec_of
from crosspool.samples import ExampleBox, samples
from crosspool.ui.maps.controls import FINE_SIZE
from crosspool.ui.maps.large_images import headline_text
from crosspool.ui.maps.page import AddressState, link_params, view_address
from crosspool.ui.maps.presenter import presenting
from crosspool.ui.maps.selection import MapsState
from crosspool.ui.visit.images import CHOOSE_FILES, SourceImage, choose_image
from crosspool.ui.visit.link import LinkState, box_text, to_params
from crosspool.ui.visit.state import VisitPart, plain, visit_state

PROMISE = "See where each channel of a neural network responds: one map each, over our photos or yours."


@dataclass
class WelcomeState(VisitPart):
    """Whether newcomers are told what this is, until they have done something: until the address is not `address`."""

    begun: bool = plain(False)
    shown: bool = plain(False)
    address: dict[str, str] | None = plain(None)


def opening(title: str) -> SourceImage:
    """The title, with the promise for newcomers, beside the choice of image, which is returned."""
    with st.container(horizontal=True, key="front"):
        with st.container(key="front-head", gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.title(title, anchor=False)
                cite = st.container(width="content")
            if visit_state(WelcomeState).shown and not presenting():
                _welcome()
        with st.container(key="front-images"):
            image = choose_image()
    _bring_box(image)
    if not presenting():
        with cite, st.popover("Cite this view", type="tertiary", key="cite", on_change="rerun") as citation:
            st.markdown(_citation(image))
            if citation.open:  # then the whole page is run, and knows which map is selected
                st.code(_reference(), language=None, wrap_lines=True)
    return image


def begin() -> None:
    """Give those who come without a link the striking view: finer maps than the network's own size gives."""
    welcome, link = visit_state(WelcomeState), visit_state(LinkState)
    maps = visit_state(MapsState)
    if not welcome.begun and visit_state(AddressState).is_bare and not to_params(link):
        welcome.shown, maps.examples, link.size = True, True, FINE_SIZE
    elif not welcome.begun and link.box:
        maps.sort = "box"
    welcome.begun = True


def _bring_box(image: SourceImage) -> None:
    """Where another image was chosen, drop the box on the one before; draw a newcomer the example of a sample.

    A box that comes with its image, from the address, stays.
    """
    link, state = visit_state(LinkState), visit_state(MapsState)
    before, state.boxed = state.boxed, (image.key, link.box)
    if before is None and not state.examples:
        return
    if before is None or (before[0] != image.key and before[1] == link.box):
        example = example_of(image) if state.examples else None
        link.box = box_text(example.box if example else None)
    state.boxed = (image.key, link.box)
    if before is None or before[1] != link.box:
        state.sort = "box" if link.box else "energy_share"


def example_of(image: SourceImage) -> ExampleBox | None:
    """The example box of a sample, as far as the network sees its centre crop."""
    if visit_state(LinkState).framing != "crop":
        return None
    return next((sample.example for sample in samples() if sample.id == image.sample), None)


def question_of(image: SourceImage) -> str:
    """What the box on the photo asks, if it is the sample's example; else ""."""
    example = example_of(image)
    return example.question if example and visit_state(LinkState).box == box_text(example.box) else ""


def _welcome() -> None:
    with st.container(key="welcome", gap="xsmall"):
        st.markdown(PROMISE)
        with st.container(horizontal=True):
            if st.button("Guided lesson", icon=":material/menu_book:", type="primary"):
                st.switch_page("pages/lesson.py")
            st.button("Use my photo", icon=":material/upload:", key=CHOOSE_FILES)


def leave_welcome() -> None:
    """At the end of a run: the welcome is over once the address differs from that of the first view."""
    welcome, address = visit_state(WelcomeState), link_params()
    welcome.address = welcome.address or address
    if welcome.shown and address != welcome.address:
        welcome.shown = False
    if not welcome.shown:
        st.html('<span class="at-work"></span>')  # hides it at once: this is a part of the page that runs alone


def _citation(image: SourceImage) -> str:
    """What a caption says of the view: image, network, layers and sizes, and where the method is from."""
    link = visit_state(LinkState)
    network, spec = architecture(link.backbone), spec_of(link.backbone)
    pair = network.pair(link.pair) if link.pair else network.default_pair
    size = link.size or spec.preprocessing.size
    sizes = network.map_sizes(pair, size)[1]
    return (
        f"{headline_text(image, link.backbone, link.weights, pair, sizes)} · input {size} px\n\nMethod: L. Liu, "
        "C. Shen, A. van den Hengel, *The Treasure beneath Convolutional Layers: Cross-convolutional-layer Pooling for "
        "Image Classification*, CVPR 2015."
    )


def _reference() -> str:
    """The software, its version and the address of the view, to copy."""
    return f"crosspool {__version__}, {view_address()}"
