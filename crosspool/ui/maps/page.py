"""What the pages about the maps of one image share: settings from and to the link, the image, the layers, the maps."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.backbones import BackboneSpec, architecture, spec_of
from crosspool.errors import LayerPairError
from crosspool.layer_pairs import LayerPair
from crosspool.samples import samples
from crosspool.ui.maps import controls
from crosspool.ui.maps.download import network_is_here, offer_download
from crosspool.ui.maps.presenter import present_button, presenter_frame
from crosspool.ui.maps.selection import bring_channels, forget_cell
from crosspool.ui.runtime.in_turn import trace_in_turn
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, choose_image, choose_named_image, own_image_name, own_images
from crosspool.ui.visit.link import LINK_NAMES, ChosenClassifier, LinkState, from_params, to_params
from crosspool.ui.visit.resuming import session_id
from crosspool.ui.visit.state import VisitPart, about_images, current_visit, plain, visit_state
from crosspool.ui.visit.waiting import errors_shown, place_shown, waiting

PageBody = Callable[[SourceImage, MapRequest, ImageMaps], None]
Opening = Callable[[str], SourceImage]
# Settings that say which maps are shown, and which of them is selected.
OF_THE_MAPS = ("sample", "image", "backbone", "weights", "pair", "size", "framing", "signed", "border", "channel")


def title_and_images(title: str) -> SourceImage:
    """How most pages begin: the title, if there is one, over the choice of image, which is returned."""
    if title:
        st.title(title, anchor=False)
    return choose_image()


def maps_page(
    title: str, body: PageBody, opening: Opening = title_and_images, begin: Callable[[], None] = lambda: None
) -> None:
    """Take the settings from the link, draw the choice of layers and of an image, and call `body` with the maps.

    Without a title `body` has to give the page one. `begin` may change settings before anything is drawn.
    """
    start_from_link()
    begin()
    with st.sidebar:
        spec = controls.choose_network()
        pair = controls.choose_pair(spec)
        bring_channels()
        controls.choose_size(spec)
        controls.describe_pair(pair, spec)
        controls.choose_framing()
        controls.choose_pooling(pair)
        present_button()
    _images_and_maps(title, body, opening, spec, pair, own_images())


@st.fragment
def _images_and_maps(
    title: str, body: PageBody, opening: Opening, spec: BackboneSpec, pair: LayerPair, own: tuple[ImageHash, ...]
) -> None:
    """What is run when another image is chosen: that is answered much sooner than by a run of the whole page.

    The whole page is run if there are other images than the visitor's `own` ones before, which the browser remembers,
    or if notes about the address are no longer true.
    """
    if own_images() != own or _forget_old_notes():
        st.rerun()
    image, link = opening(title), visit_state(LinkState)
    if not network_is_here(spec):
        offer_download(spec)
    else:
        pooling = (link.framing, link.signed, link.border)
        _body_with_maps(body, image, MapRequest(image.key, spec.name, link.weights, pair.id, link.size, *pooling))


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


@dataclass
class AddressState(VisitPart):
    """What a visit remembers of the address: the session that has read it, and what was wrong in it.

    `read` are the settings that it had, as parameters. The notes are shown until another view is chosen. `is_bare` is
    whether the address asked for nothing, and `written` the parameters that were written there last. `page` is the
    session and the page of the last run, and `has_arrived` whether that run was the first there.
    """

    session: str = plain("")
    is_bare: bool = plain(False)
    notes: list[str] = about_images([])
    read: dict[str, str] = about_images({})
    written: dict[str, str] = about_images({})
    page: tuple[str, str] = plain(("", ""))
    has_arrived: bool = plain(False)


def start_from_link(carried: Collection[str] = LINK_NAMES, others: Collection[str] = ()) -> None:
    """The first call of a page: take the settings from the address where the browser chose it, else write them there.

    The browser chooses the address when the visit begins, at a reload, and when the visitor goes back or forward.
    `carried` are the settings that the page's address has; of these, one that is missing has its default. `others` are
    names of parameters that the page reads by itself. A page that does not carry all settings writes its own address.
    """
    state, session = visit_state(AddressState), session_id()
    page = session, current_page()
    state.page, state.has_arrived = page, state.page != page
    if state.session != session or was_history_used():
        state.session, state.is_bare = session, not st.query_params
        state.notes = _take_settings(carried, others)
        state.read = link_params()
    link = visit_state(LinkState)
    try:
        trace_in_turn(current_server(), link.backbone, link.size or None, place_shown())
    except LayerPairError as error:  # a module of somebody's own may take some sizes only
        link.size = 0
        state.notes, state.read = [*state.notes, str(error)], link_params()
    _forget_old_notes()
    if carried == LINK_NAMES:
        write_link()
    if state.notes:
        st.info("  \n".join(state.notes), icon=":material/link_off:")
    presenter_frame()


def _forget_old_notes() -> bool:
    """Drop the notes about the address if another view is shown by now; whether there were any."""
    state = visit_state(AddressState)
    is_old = bool(state.notes) and link_params() != state.read
    if is_old:
        state.notes = []
    return is_old


def _take_settings(carried: Collection[str], others: Collection[str]) -> list[str]:
    """Change the settings to those of the address; a sentence for each that made no sense."""
    params, before = st.query_params.to_dict(), visit_state(LinkState)
    networks = current_server().networks.specs
    for name in ("backbone", "right_backbone"):  # reading a link looks up layers
        if params.get(name) in networks:
            trace_in_turn(current_server(), params[name], None, place_shown())
    settings, notes = from_params(params, others, networks)
    names = LINK_NAMES if "backbone" in params else {*carried, *LINK_NAMES.intersection(params)}
    link = replace(before, **{name: getattr(settings, name) for name in names})
    current_visit().parts[LinkState] = link
    if any(getattr(link, name) != getattr(before, name) for name in OF_THE_MAPS):
        forget_cell()
    if "image" in names and not choose_named_image(settings.image):
        notes.append(f"The link shows an image that only its owner has; showing {_sample_title(link)}.")
    return notes


def _sample_title(link: LinkState) -> str:
    return next(sample.title for sample in samples() if sample.id == link.sample)


def was_history_used() -> bool:
    """Whether this run was caused by the browser's Back or Forward."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def current_page() -> str:
    """What tells the page that is run from all others."""
    context = get_script_run_ctx()
    return context.page_script_hash if context is not None else ""


def link_params() -> dict[str, str]:
    """The URL parameters of the current view. Images of the visitor are only named, for this visit.

    There is at least one, as the bare address is for newcomers, who are shown another view than that of all defaults.
    """
    link = replace(visit_state(LinkState), image=own_image_name())
    own_size = spec_of(link.backbone).preprocessing.size
    if link.size == own_size:
        link.size = 0
    if link.pair == architecture(link.backbone).default_pair.id:
        link.pair = ""
    if visit_state(ChosenClassifier).classifier:  # whose classes only this visit knows
        link.positive = link.against = ""
    return to_params(link) or {"size": str(own_size)}


def view_address() -> str:
    """The whole address of the current view."""
    params, address = link_params(), st.context.url or ""
    return f"{address}?{urlencode(params, safe=',')}" if params else address


def write_link() -> None:
    """Write the current view into the URL, so that copying it shares the view."""
    write_address(link_params())


def write_address(params: dict[str, str]) -> None:
    """Write these parameters into the URL.

    After Back or Forward, and where others were written last, even if they seem to be there: what an earlier run wrote
    may reach the browser after it told of its address.
    """
    state = visit_state(AddressState)
    is_there = st.query_params.to_dict() == state.written == params
    state.written = params
    if not is_there or was_history_used():
        st.query_params.from_dict(params)
