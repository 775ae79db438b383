"""The controls of the right pane: by what it differs from the left one."""

from dataclasses import dataclass, replace

import streamlit as st

from crosspool.backbones import UNTRAINED, architecture, spec_of
from crosspool.framing import MAX_SIZE, MIN_SIZE
from crosspool.ui.maps.controls import FINE_SIZE, WEIGHTS
from crosspool.ui.maps.download import in_list
from crosspool.ui.maps.stages import network_stages
from crosspool.ui.runtime.in_turn import trace_in_turn
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, available_images
from crosspool.ui.visit.link import PRETRAINED, LinkState, right_side
from crosspool.ui.visit.state import VisitPart, about_images, bound, bound_value, choose_option, visit_state
from crosspool.ui.visit.waiting import place_shown
from crosspool.ui.widgets.text import as_it_is

SAME = ""  # as on the left
HELP = "The right pane shows the left one's network, layers, size and image, except for what you choose here."


@dataclass
class RightImage(VisitPart):
    """The visitor's own image in the right pane, by its key; SAME for a sample or the image on the left."""

    right_own: str = about_images(SAME)


def choose_right(image: SourceImage, request: MapRequest) -> tuple[SourceImage, MapRequest]:
    """Draw the controls, and return the right pane's image and what decides its maps."""
    link = visit_state(LinkState)
    with st.container(horizontal=True, key="right-controls"):
        _choose_network()
        right = right_side(link)
        trace_in_turn(current_server(), right.backbone, right.size or None, place_shown())
        _choose_pair()
        weights = _choose_weights()
        _choose_size()
        other = _choose_image(image)
    right = right_side(link)
    spec = spec_of(right.backbone)
    pair = right.pair or architecture(right.backbone).default_pair.id
    size = right.size or spec.preprocessing.size
    return other, replace(request, image=other.key, backbone=right.backbone, weights=weights, pair=pair, size=size)


def match_again() -> None:
    """Show the best match again instead of a chosen map."""
    visit_state(LinkState).right_channel = -1


def _choose_network() -> None:
    specs, link = current_server().networks.specs, visit_state(LinkState)

    def start_anew() -> None:
        """Its last layers and own size, and its trained weights, if they are here, until others are chosen."""
        link.right_pair, link.right_size = SAME, 0
        name = right_side(link).backbone
        link.right_weights = PRETRAINED if name != link.backbone and specs[name].weights.is_here else UNTRAINED
        match_again()

    options = [SAME, *specs]
    st.selectbox(
        "Network on the right",
        options,
        format_func=lambda name: in_list(specs[name]) if name else "the same network",
        help=HELP,
        width=210,
        **bound(link, "right_backbone", among=options, then=start_anew),
    )


def _choose_weights() -> str:
    """The weights; only untrained ones where the trained ones are not here."""
    link = visit_state(LinkState)
    spec = spec_of(right_side(link).backbone)
    if spec.is_own:
        return PRETRAINED
    options = WEIGHTS if spec.weights.is_here else {UNTRAINED: "untrained (the trained weights are not here)"}
    return choose_option("Weights on the right", options, link, "right_weights", then=match_again)


def _choose_pair() -> None:
    link = visit_state(LinkState)
    right = right_side(link)
    stages = network_stages(architecture(right.backbone), right.size or spec_of(right.backbone).preprocessing.size)
    recommended = {stage.recommended.id: f"{stage.title}: {stage.recommended.words}" for stage in reversed(stages)}
    others = {pair.id: f"{pair.words} · {pair.name}" for stage in reversed(stages) for pair in reversed(stage.pairs)}
    titles = {SAME: "the same layers" if right.backbone == link.backbone else "its last layers"} | recommended
    titles |= {id_: title for id_, title in others.items() if id_ not in recommended}
    if link.right_pair not in titles:
        link.right_pair = SAME
    binding = bound(link, "right_pair", among=titles, then=match_again)
    st.selectbox("Layers on the right", list(titles), format_func=titles.__getitem__, width=290, **binding)


def _choose_size() -> None:
    link = visit_state(LinkState)
    own = spec_of(right_side(link).backbone).preprocessing.size
    sizes = sorted({own, FINE_SIZE, *range(MIN_SIZE, MAX_SIZE + 1, 32)} | ({link.right_size} - {0}))
    same = "the same size" if right_side(link).backbone == link.backbone else "its own size"
    options = [0, *sizes]
    binding = bound(link, "right_size", among=options)
    st.selectbox(
        "Size on the right", options, format_func=lambda size: f"{size} px" if size else same, width=130, **binding
    )


def _choose_image(image: SourceImage) -> SourceImage:
    link, own = visit_state(LinkState), visit_state(RightImage)
    images: dict[str, SourceImage] = {each.key: each for each in available_images()}
    chosen = next((key for key, each in images.items() if each.sample == link.right_sample != SAME), own.right_own)
    if chosen not in images:
        chosen = SAME

    def keep(key: str) -> None:
        sample = images[key].sample if key else SAME
        link.right_sample, own.right_own = sample, SAME if sample else key

    titles = {SAME: "the same image"} | {key: each.title for key, each in images.items()}
    binding = bound_value("right-image", chosen, keep, among=titles)
    st.selectbox(
        "Image on the right", list(titles), format_func=lambda key: as_it_is(titles[key]), width=160, **binding
    )
    return images.get(chosen, image)
