"""The controls of the side bar: network, layer pair, input size, and how patches are pooled."""

from collections import defaultdict

import streamlit as st

from crosspool.backbones import UNTRAINED, BackboneSpec, architecture
from crosspool.framing import MAX_SIZE, MIN_SIZE
from crosspool.layer_pairs import LayerPair
from crosspool.text import parameters_text, size_text
from crosspool.ui.maps.download import availability, in_list
from crosspool.ui.maps.selection import forget_cell, forget_channels
from crosspool.ui.maps.stages import PairBlock, network_stages
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.link import PRETRAINED, LinkState
from crosspool.ui.visit.state import bound, choose_option, visit_state
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.network import DrawnPair, DrawnStage, network_picture

FINE_SIZE = 448
WEIGHTS = {PRETRAINED: PRETRAINED, UNTRAINED: UNTRAINED}
BORDERS = {"zero": "zero-padded, as the convolution", "valid": "only whole patches"}
FRAMINGS = {"crop": "centre crop", "squash": "whole, stretched"}


def choose_network() -> BackboneSpec:
    """The network, and whether its weights are trained."""
    specs, link = current_server().networks.specs, visit_state(LinkState)
    st.selectbox(
        "Network",
        list(specs),
        format_func=lambda name: in_list(specs[name]),
        help="EfficientNet-Lite0 comes with crosspool, Lite1 and Lite2 with packages of their own; the others are "
        "torchvision's, AlexNet being the paper's.",
        **bound(link, "backbone", among=specs, then=_start_anew),
    )
    spec = specs[link.backbone]
    megabytes = "" if spec.is_own else f"{spec.weights.megabytes:.0f} MB, "
    st.caption(
        f"{parameters_text(spec.parameters)} parameters · input {spec.preprocessing.size} px · "
        f"weights {spec.weights_licence}, {megabytes}{availability(spec)}"
    )
    about = "Untrained: random numbers (seeded), to see what training adds to the maps."
    choose_option(
        "Weights",
        {PRETRAINED: "its own"} if spec.is_own else WEIGHTS,
        link,
        "weights",
        then=forget_channels,
        help=about,
    )
    if link.weights == UNTRAINED:
        st.warning("Untrained network: random weights.", icon=":material/casino:")
    return spec


def _start_anew() -> None:
    """Another network has other layers, its own size, and trained weights until others are chosen for it."""
    link = visit_state(LinkState)
    link.pair, link.size, link.weights = "", 0, PRETRAINED
    forget_channels()


def choose_pair(spec: BackboneSpec) -> LayerPair:
    """The layer pair, chosen in a picture of the network below the photo.

    Below are the reasons why other layers are not on offer.
    """
    network, link = architecture(spec.name), visit_state(LinkState)
    size = link.size or spec.preprocessing.size
    pairs = {pair.id: pair for pair in network.layer_pairs_at(size)}
    if link.pair not in pairs:
        link.pair = network.default_pair.id
    stages = network_stages(network, size)
    with st.container(key=f"network-of-{len(stages)}"):  # which reserves its room
        network_picture(
            [DrawnStage(stage.title, list(map(_drawn, stage.pairs))) for stage in stages],
            size=size,
            selected=link.pair,
            choose=_show_pair,
            key="network",
        )
    if network.not_offered:
        count, layers = len(network.not_offered), defaultdict(list)
        for layer in network.not_offered:
            layers[layer.reason].append(f"`{layer.id}`")
        question = "Why is one layer missing?" if count == 1 else f"Why are {count} layers missing?"
        with st.popover(question, width="stretch"):
            for reason, ids in layers.items():
                st.markdown(f"**{reason[0].upper()}{reason[1:]}:** {', '.join(ids)}")
    return pairs[link.pair]


def _drawn(pair: PairBlock) -> DrawnPair:
    lower, upper = (pair.lower_channels, max(pair.lower_size)), (pair.upper_channels, max(pair.upper_size))
    return DrawnPair(pair.id, pair.name, pair.words, lower, upper)


def _show_pair(pair_id: str) -> None:
    visit_state(LinkState).pair = pair_id
    forget_channels()


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
        **bound(link, "size", among=sizes, then=forget_cell),
    )


def describe_pair(pair: LayerPair, spec: BackboneSpec) -> None:
    """The sizes of the two layers, of the patches and of P."""
    lower, upper = architecture(spec.name).map_sizes(pair, visit_state(LinkState).size)
    st.caption(
        f"{term('layer pair', 'Layer pair')} `{pair.id}` · "
        f"$D_t$ = {pair.lower_channels:,}, {size_text(lower)} · "
        f"$D_{{t+1}}$ = {pair.upper_channels:,}, {size_text(upper)} · "
        f"{term('patch', 'patches')} {size_text(pair.kernel_size)} · {term('P')} has {pair.feature_length:,} numbers"
    )


def choose_framing() -> None:
    """How an image that is not square goes into the network."""
    choose_option("The network sees", FRAMINGS, visit_state(LinkState), "framing")


def choose_pooling(pair: LayerPair) -> None:
    """Whether weights may be negative, and which patches are pooled at the border."""
    link = visit_state(LinkState)
    with st.expander("Negative weights and padding"):
        sign_help = "Use the upper map as it is, negative values too, instead of max(0, a)."
        st.toggle("Signed weights", help=sign_help, **bound(link, "signed"))
        if not pair.can_be_negative:
            st.caption(f"This layer ends in {pair.activation}: it has no negative values, so this changes no number.")
        st.radio(
            "Patches at the border",
            list(BORDERS),
            format_func=BORDERS.__getitem__,
            **bound(link, "border", among=BORDERS),
        )
