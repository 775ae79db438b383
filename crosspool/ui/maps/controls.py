"""The side bar, shared by the pages: network, layer pair, input size, and how patches are pooled."""

from dataclasses import replace

import streamlit as st

from crosspool.backbones import UNTRAINED, BackboneSpec, architecture, backbone_specs
from crosspool.backbones.weights import fetch_weights
from crosspool.errors import BackboneError
from crosspool.framing import MAX_SIZE, MIN_SIZE
from crosspool.layer_pairs import LayerPair
from crosspool.ui.maps.presenter import present_button, presenter_frame
from crosspool.ui.maps.selection import forget_cell, forget_channels
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.visit.images import SourceImage, choose_image
from crosspool.ui.visit.link import PRETRAINED, ChosenClassifier, LinkNotes, LinkState, from_params, to_params
from crosspool.ui.visit.state import bound, current_visit, visit_state
from crosspool.ui.widgets.text import as_it_is

FINE_SIZE = 448
BORDERS = {"zero": "zero-padded, as the convolution", "valid": "only whole patches"}
FRAMINGS = {"crop": "centre crop", "squash": "whole image, stretched"}


def start_from_link() -> None:
    """First of all in a page. Once a visit: take the settings from the URL, and note what made no sense there."""
    link = visit_state(LinkNotes)
    if link.notes is None:
        settings, link.notes = from_params(st.query_params)
        current_visit().parts[LinkState] = settings
    if link.notes:
        st.info("  \n".join(link.notes), icon=":material/link_off:")
    presenter_frame()


def link_params() -> dict[str, str]:
    """What is shown, as parameters of the URL. Uploads stay out of it."""
    link = replace(visit_state(LinkState))
    if link.size == backbone_specs()[link.backbone].preprocessing.size:
        link.size = 0
    if link.pair == architecture(link.backbone).default_pair.id:
        link.pair = ""
    if visit_state(ChosenClassifier).classifier:  # whose classes only this visit knows
        link.positive = link.against = ""
    return to_params(link)


def write_link() -> None:
    """Let the URL say what is shown, so that copying it shares the view."""
    params = link_params()
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)


def choose_image_and_layers() -> tuple[SourceImage, MapRequest] | None:
    """Draw the choice of image and the side bar; None, with the reason shown, where there is nothing to compute."""
    picture = choose_image()
    with st.sidebar:
        spec = choose_network()
        pair = _choose_pair(spec)
        choose_size(spec)
        _describe(pair, spec)
        choose_framing()
        _choose_pooling(pair)
        present_button()
    if not network_is_here(spec):
        offer_download(spec)
    elif picture is None:
        ask_for_image()
    else:
        return picture, _request(picture, spec, pair)
    return None


def ask_for_image() -> None:
    """Say what is missing while there is no image."""
    st.info("Add an image to see its maps, or go back to the samples.", icon=":material/add_photo_alternate:")


def _request(picture: SourceImage, spec: BackboneSpec, pair: LayerPair) -> MapRequest:
    link = visit_state(LinkState)
    return MapRequest(
        image=picture.key,
        backbone=spec.name,
        weights=link.weights,
        pair=pair.id,
        size=link.size,
        framing=link.framing,
        signed=link.signed,
        border=link.border,
    )


def _forget_pair() -> None:
    link = visit_state(LinkState)
    link.pair, link.size = "", 0
    forget_channels()


def choose_network() -> BackboneSpec:
    """The network, and whether it is a trained one."""
    spec = _choose_backbone()
    _choose_weights()
    return spec


def network_is_here(spec: BackboneSpec) -> bool:
    """Whether the weights that were chosen need no download."""
    return bool(visit_state(LinkState).weights != PRETRAINED or spec.weights.availability != "needs a download")


def _choose_backbone() -> BackboneSpec:
    specs = backbone_specs()
    st.selectbox(
        "Network",
        list(specs),
        format_func=lambda name: f"{specs[name].title} · {specs[name].weights.availability}",
        help="EfficientNet-Lite0 comes with crosspool; the others are torchvision's, AlexNet being the paper's.",
        **bound(visit_state(LinkState), "backbone", then=_forget_pair),
    )
    spec = specs[visit_state(LinkState).backbone]
    st.caption(
        f"{spec.parameters / 1e6:.1f} M parameters · input {spec.preprocessing.size} px · "
        f"weights {spec.weights_licence}, {spec.weights.megabytes:.0f} MB, {spec.weights.availability}"
    )
    return spec


def _choose_weights() -> None:
    link = visit_state(LinkState)
    st.segmented_control(
        "Weights",
        [PRETRAINED, UNTRAINED],
        required=True,
        help="Untrained: random numbers (seeded), to see what training adds to the maps.",
        **bound(link, "weights", then=forget_channels),
    )
    if link.weights == UNTRAINED:
        st.warning("Untrained network: random weights.", icon=":material/casino:")


def offer_download(spec: BackboneSpec) -> None:
    """Say that the weights are not here, and download them when, and only when, the button is pressed."""
    st.info(
        f"The pretrained weights of {spec.title} are not on this machine yet. Download them, or look at the untrained "
        "network in the meantime.",
        icon=":material/cloud_download:",
    )
    with st.container(horizontal=True):
        wanted = st.button(f"Download {spec.weights.megabytes:.0f} MB", type="primary")
        st.button("Show the untrained network", on_click=_show_untrained)
    if not wanted:
        return
    bar = st.progress(0.0, text="Connecting …")

    def report(done: int, total: int) -> None:
        bar.progress(done / total, f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")

    try:
        fetch_weights(spec.weights, report)
    except BackboneError as error:
        bar.empty()
        st.error(as_it_is(str(error)), icon=":material/cloud_off:")
    else:
        st.rerun()


def _show_untrained() -> None:
    visit_state(LinkState).weights = UNTRAINED
    forget_channels()


def _choose_pair(spec: BackboneSpec) -> LayerPair:
    network, link = architecture(spec.name), visit_state(LinkState)
    pairs = {pair.id: pair for pair in network.layer_pairs}
    if link.pair not in pairs:
        link.pair = network.default_pair.id
    st.selectbox(
        "Layer pair",
        list(reversed(pairs)),  # the deepest first
        format_func=lambda pair_id: f"{pairs[pair_id].label} · {pairs[pair_id].upper_channels} maps",
        help="Patches of the left layer are pooled under every map of the right one.",
        **bound(link, "pair", then=forget_channels),
    )
    if network.not_offered:
        with st.popover(_why_missing(len(network.not_offered)), width="stretch"):
            reasons: dict[str, list[str]] = {}
            for layer in network.not_offered:
                reasons.setdefault(layer.reason, []).append(f"`{layer.id}`")
            for reason, ids in reasons.items():
                st.markdown(f"**{reason[0].upper()}{reason[1:]}:** {', '.join(ids)}")
    return pairs[link.pair]


def _why_missing(count: int) -> str:
    return "Why is one layer missing?" if count == 1 else f"Why are {count} layers missing?"


def choose_size(spec: BackboneSpec) -> None:
    """The side of the network's input."""
    own, link = spec.preprocessing.size, visit_state(LinkState)
    link.size = link.size or own
    sizes = sorted({own, link.size, FINE_SIZE, *range(MIN_SIZE, MAX_SIZE + 1, 32)})
    st.select_slider(
        "Input size",
        sizes,
        format_func=lambda size: f"{size} px",
        help=f"The network's own is {own} px; {FINE_SIZE} px gives finer maps and takes longer.",
        **bound(link, "size", then=forget_cell),
    )


def _describe(pair: LayerPair, spec: BackboneSpec) -> None:
    lower, upper = architecture(spec.name).map_sizes(pair, visit_state(LinkState).size)
    st.caption(
        f"`{pair.id}` · "
        f"$D_t$ = {pair.lower_channels}, {_by(lower)} · $D_{{t+1}}$ = {pair.upper_channels}, {_by(upper)} · "
        f"patches {_by(pair.kernel_size)} · P has {pair.feature_length:,} numbers"
    )


def choose_framing() -> None:
    """How an image that is not square goes into the network."""
    st.segmented_control(
        "The network sees",
        list(FRAMINGS),
        format_func=FRAMINGS.__getitem__,
        required=True,
        **bound(visit_state(LinkState), "framing"),
    )


def _choose_pooling(pair: LayerPair) -> None:
    link = visit_state(LinkState)
    with st.expander("Negative weights and padding"):
        st.toggle(
            "Signed weights",
            help="Use the upper map as it is, negative values too, instead of max(0, a).",
            **bound(link, "signed"),
        )
        if not pair.can_be_negative:
            st.caption(f"This layer ends in {pair.activation}: it has no negative values, so this changes no number.")
        st.radio("Patches at the border", list(BORDERS), format_func=BORDERS.__getitem__, **bound(link, "border"))


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
