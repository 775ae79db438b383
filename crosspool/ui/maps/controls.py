"""The side bar, shared by the pages: network, layer pair, input size, and how patches are pooled."""

from dataclasses import asdict, fields

import streamlit as st

from crosspool.backbones import UNTRAINED, BackboneSpec, architecture, backbone_specs
from crosspool.backbones.weights import fetch_weights
from crosspool.errors import BackboneError
from crosspool.framing import MAX_SIZE, MIN_SIZE
from crosspool.layer_pairs import LayerPair
from crosspool.ui.maps.presenter import frame, present_button
from crosspool.ui.maps.selection import forget_channels, forget_position
from crosspool.ui.runtime.maps import Request
from crosspool.ui.visit.link import PRETRAINED, LinkState, from_params, to_params
from crosspool.ui.visit.pictures import SourceImage, choose_picture
from crosspool.ui.widgets.text import as_it_is

FINE_SIZE = 448
# What only a session remembers, not a link: the order of the gallery, which chart is shown, and what else the page
# Contributions looks at.
VIEW = {
    "source": "sample",
    "sort": "energy_share",
    "kept_maps": "alive",
    "tile": 104,
    "first": [],
    "first_of": None,
    "entries": "block",
    "taken": "this",
    "classifier": "",
    "ranked": 8,
    "drop_count": 0,
    "drop_seed": 0,
    "compared_with": "",
}
BORDERS = {"zero": "zero-padded, as the convolution", "valid": "only whole patches"}
FRAMINGS = {"crop": "centre crop", "squash": "whole, squashed"}


def start_from_link() -> None:
    """First of all in a page. Once a session: take the settings from the URL, and note what made no sense there."""
    if "link_notes" not in st.session_state:
        settings, notes = from_params(st.query_params)
        st.session_state.link_notes = notes
        st.session_state.kept = {**VIEW, **asdict(settings)}
    kept = st.session_state.kept
    for name in kept:  # Streamlit drops the value of a widget that a page, or a run that was cut short, did not draw
        kept[name] = st.session_state[name] = st.session_state.get(name, kept[name])
    for note in st.session_state.link_notes:
        st.info(note, icon=":material/link_off:")
    frame()


def link_params() -> dict[str, str]:
    """What is shown, as parameters of the URL. Uploads stay out of it."""
    values = {field.name: st.session_state[field.name] for field in fields(LinkState)}
    settings = LinkState(**values)
    own_size = backbone_specs()[settings.backbone].preprocessing.size
    default_pair = architecture(settings.backbone).default_pair.id
    values["size"] = 0 if settings.size == own_size else settings.size
    values["pair"] = "" if settings.pair == default_pair else settings.pair
    if st.session_state.classifier:  # whose classes only this session knows
        values["positive"] = values["against"] = ""
    return to_params(LinkState(**values))


def write_link() -> None:
    """Let the URL say what is shown, so that copying it shares the view."""
    params = link_params()
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)


def choose_image_and_layers() -> tuple[SourceImage, Request] | None:
    """Draw the choice of image and the side bar; None, with the reason shown, where there is nothing to compute."""
    picture = choose_picture()
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
        ask_for_picture()
    else:
        return picture, _request(picture, spec, pair)
    return None


def ask_for_picture() -> None:
    st.info("Add an image to see its maps, or go back to the samples.", icon=":material/add_photo_alternate:")


def _request(picture: SourceImage, spec: BackboneSpec, pair: LayerPair) -> Request:
    state = st.session_state
    return Request(
        picture=picture.key,
        backbone=spec.name,
        weights=state.weights,
        pair=pair.id,
        size=state.size,
        framing=state.framing,
        signed=state.signed,
        border=state.border,
    )


def _forget_pair() -> None:
    st.session_state.pair, st.session_state.size = "", 0
    forget_channels()


def choose_network() -> BackboneSpec:
    """The network, and whether it is a trained one."""
    spec = _choose_backbone()
    _choose_weights()
    return spec


def network_is_here(spec: BackboneSpec) -> bool:
    """Whether the weights that were chosen need no download."""
    return bool(st.session_state.weights != PRETRAINED or spec.weights.availability != "to download")


def _choose_backbone() -> BackboneSpec:
    specs = backbone_specs()
    name = st.selectbox(
        "Network",
        list(specs),
        format_func=lambda name: f"{specs[name].title} · {specs[name].weights.availability}",
        key="backbone",
        on_change=_forget_pair,
        help="EfficientNet-Lite0 comes with crosspool; the others are torchvision's, AlexNet being the paper's.",
    )
    spec = specs[name]
    st.caption(
        f"{spec.parameters / 1e6:.1f} M parameters · input {spec.preprocessing.size} px · "
        f"weights {spec.weights_licence}, {spec.weights.megabytes:.0f} MB, {spec.weights.availability}"
    )
    return spec


def _choose_weights() -> None:
    weights = st.segmented_control(
        "Weights",
        [PRETRAINED, UNTRAINED],
        required=True,
        key="weights",
        on_change=forget_channels,
        help="Untrained: random numbers (seeded), to see what training adds to the maps.",
    )
    if weights == UNTRAINED:
        st.warning("Untrained network: random weights.", icon=":material/casino:")


def offer_download(spec: BackboneSpec) -> None:
    """Say that the weights are not here, and download them when, and only when, the button is pressed."""
    st.info(
        f"The pretrained weights of {spec.title} are not on this machine yet. Download them, or look at the untrained "
        "network meanwhile.",
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
    st.session_state.weights = UNTRAINED
    forget_channels()


def _choose_pair(spec: BackboneSpec) -> LayerPair:
    found = architecture(spec.name)
    pairs = {pair.id: pair for pair in found.layer_pairs}
    if st.session_state.pair not in pairs:
        st.session_state.pair = found.default_pair.id
    pair = pairs[
        st.selectbox(
            "Layer pair",
            list(reversed(pairs)),  # the deepest first
            format_func=lambda pair_id: f"{pairs[pair_id].label} · {pairs[pair_id].upper_channels} maps",
            key="pair",
            on_change=forget_channels,
            help="Patches of the left layer are pooled under every map of the right one.",
        )
    ]
    if found.not_offered:
        count = len(found.not_offered)
        with st.popover(f"{count} convolution{'s' if count > 1 else ''} not offered", width="stretch"):
            reasons: dict[str, list[str]] = {}
            for refused in found.not_offered:
                reasons.setdefault(refused.reason, []).append(f"`{refused.id}`")
            for reason, ids in reasons.items():
                st.markdown(f"**{reason[0].upper()}{reason[1:]}:** {', '.join(ids)}")
    return pair


def choose_size(spec: BackboneSpec) -> None:
    """The side of the network's input."""
    own = spec.preprocessing.size
    if not st.session_state.size:
        st.session_state.size = own
    sizes = sorted({own, st.session_state.size, FINE_SIZE, *range(MIN_SIZE, MAX_SIZE + 1, 32)})
    st.select_slider(
        "Input size",
        sizes,
        format_func=lambda size: f"{size} px",
        key="size",
        on_change=forget_position,
        help=f"The network's own is {own} px; {FINE_SIZE} px gives finer maps and takes longer.",
    )


def _describe(pair: LayerPair, spec: BackboneSpec) -> None:
    lower, upper = architecture(spec.name).map_sizes(pair, st.session_state.size)
    st.caption(
        f"`{pair.id}` · "
        f"$D_t$ = {pair.lower_channels}, {_by(lower)} · $D_{{t+1}}$ = {pair.upper_channels}, {_by(upper)} · "
        f"patches {_by(pair.kernel_size)} · P has {pair.feature_length:,} numbers"
    )


def choose_framing() -> None:
    """How a picture that is not square goes into the network."""
    st.segmented_control(
        "The network sees", list(FRAMINGS), format_func=FRAMINGS.__getitem__, required=True, key="framing"
    )


def _choose_pooling(pair: LayerPair) -> None:
    with st.expander("Weights and borders"):
        st.toggle(
            "Signed weights",
            key="signed",
            help="Use the upper map as it is, negative values too, instead of max(0, a).",
        )
        if not pair.can_be_negative:
            st.caption(f"This layer ends in {pair.activation}: it has no negative values, so this changes no number.")
        st.radio("Patches at the border", list(BORDERS), format_func=BORDERS.__getitem__, key="border")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
