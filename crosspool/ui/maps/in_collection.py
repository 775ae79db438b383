"""Where a map is strongest in the collection that the server has, if its channels are those of the maps shown."""

from dataclasses import dataclass
from functools import partial

import streamlit as st

from crosspool.ui.maps.collection_tiles import strongest_tiles
from crosspool.ui.runtime.collection import ArrangedStore, StoreMaps, expect_network
from crosspool.ui.runtime.in_turn import load_in_turn
from crosspool.ui.runtime.maps import MapRequest
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.in_turn import last_result
from crosspool.ui.visit.state import VisitPart, plain, visit_state
from crosspool.ui.visit.waiting import errors_shown, place_shown
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.thumbnails import thumbnails

STRONGEST = 12  # images
PAGE = "pages/collection.py"


@dataclass
class InCollectionState(VisitPart):
    """The image that was just pressed, by its place."""

    pressed: str = plain("")


def collection_of(request: MapRequest) -> ArrangedStore | None:
    """The server's collection where its network, layer pair, size and framing are those of the maps shown."""
    served = current_server().collection
    ready = None if served is None else served.ready
    if ready is None or ready.maps is None:
        return None
    shown = StoreMaps(request.backbone, request.weights, request.pair, request.size, request.framing, ready.maps.grid)
    return ready if shown == ready.maps else None


def _press(place: str) -> None:
    visit_state(InCollectionState).pressed = place


@errors_shown()
def strongest_in_collection(ready: ArrangedStore, request: MapRequest, channel: int) -> None:
    """The images on which a channel is strongest, and the way to more of them."""
    server = current_server()
    network = server.networks.named(request.backbone, request.weights)
    expect_network(ready.collection.store.plan, load_in_turn(server, network, place_shown()))
    places = last_result(
        "strongest in collection", (ready.digest, channel),
        partial(ready.collection.strongest, channel, count=STRONGEST),
    ).tolist()  # fmt: skip
    if not places:
        st.caption(f"Map {channel} is zero on all images of the collection.")
        return
    st.caption(
        f"The highest {term('peak', 'peaks')} of map {channel} among {len(ready.collection.is_read):,} images; the "
        "frame is around the patch where it has its peak."
    )
    thumbnails(
        strongest_tiles(ready, channel, places), selected="", choose=_press, key="in-collection",
        wrapped=True, small=True,
    )  # fmt: skip
    more = {"by": "map", "map": str(channel)}
    st.page_link(PAGE, label=f"All images by map {channel}", icon=":material/photo_album:", query_params=more)
    state = visit_state(InCollectionState)
    if state.pressed:
        chosen, state.pressed = state.pressed, ""
        st.switch_page(PAGE, query_params=more | {"place": chosen})
