"""The page Side by side: the current view, and another one that differs by what is chosen for it."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from crosspool.backbones import architecture, spec_of
from crosspool.map_matching import best_by_chance, best_matches, map_correlations
from crosspool.text import rough_percent
from crosspool.ui.maps.page import maps_page
from crosspool.ui.maps.selection import current_look, select_channel, selected_channel
from crosspool.ui.maps.stages import network_stages
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.server import current_server
from crosspool.ui.side_by_side.panes import Pane, linked_panes
from crosspool.ui.side_by_side.right import choose_right, match_again
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.in_turn import last_result
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import bound_value, choose_option, visit_state
from crosspool.ui.visit.waiting import waiting

STRONGEST = 10  # maps to choose from on the left
MATCHES = 5
BY = {"match": "best match", "number": "same number"}
INTRODUCTION = (
    "The same place is marked on both images: move the pointer over one, tap it, or use the arrow keys. On the right, "
    "or below where the window is narrow, is the map most like the left one by place (correlation; 1 is the same "
    "pattern), or any other. Each map has a colour scale of its own."
)


def side_by_side_page() -> None:
    """The page."""
    maps_page("Side by side", _side_by_side)


def _side_by_side(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    st.markdown(INTRODUCTION)
    other_image, other_request = choose_right(image, request)
    server = current_server()
    with waiting("Computing the maps on the right …") as on_progress:
        seconds = server.settings.wait_seconds
        other = image_maps(server, other_request, lambda: other_image.image, on_progress, seconds=seconds)
    channel = selected_channel(maps)
    with st.container(horizontal=True):
        last, binding = len(maps.upper) - 1, bound_value("left-map", channel, _select_left)
        st.number_input("Map on the left", 0, last, width=160, **binding)
        by = _choose_by(is_equally_deep=len(other.upper) == len(maps.upper))

    def compare() -> tuple[NDArray[np.float64], float]:
        left = maps.upper[channel]
        return map_correlations(left, other.upper), best_by_chance(left, other.upper)

    correlations, chance = last_result("map matches", (request, channel, other_request), compare)
    matches = best_matches(correlations, MATCHES)
    other_channel = _other_channel(channel, matches[0].channel, by, len(other.upper))
    title = f"{_title(other_image, other_request)} · correlation {correlations[other_channel]:.2f}"
    if (other_request, other_channel) == (request, channel):
        st.caption("Both sides show the same map: choose another network, layers, size, image or map.")
    choices = [(match.channel, f"{match.correlation:.2f}") for match in matches]
    heading = f"Best matches of map {channel} (correlation)"
    right = Pane(title, _alt(other_image, other_channel), other, other_channel, heading, choices)
    linked_panes(
        _left_pane(image, request, maps, channel), right, current_look(signed=False), choose=_choose, key="panes"
    )
    st.caption(
        f"The best of {len(correlations):,} correlations is high by selection alone: with the cells of map {channel} "
        f"shuffled, it is {chance:.2f} on average."
    )


def _left_pane(image: SourceImage, request: MapRequest, maps: ImageMaps, channel: int) -> Pane:
    shares = maps.statistics.energy_share
    strongest = maps.statistics.order("energy_share")[:STRONGEST].tolist()
    choices = [(each, rough_percent(shares[each])) for each in strongest]
    heading = "Strongest maps (share of energy)"
    return Pane(_title(image, request), _alt(image, channel), maps, channel, heading, choices)


def _choose_by(*, is_equally_deep: bool) -> str:
    """How the right map is chosen; by its number only where both sides have as many."""
    if not is_equally_deep:
        return "match"
    return choose_option("Map on the right", BY, visit_state(LinkState), "right_by", then=match_again)


def _select_left(channel: int) -> None:
    select_channel(channel)
    match_again()


def _choose(side: str, channel: int) -> None:
    if side == "left":
        _select_left(channel)
    else:
        visit_state(LinkState).right_channel = channel


def _other_channel(left: int, best: int, by: str, count: int) -> int:
    """The map on the right: a chosen one, the one with the same number, or the best match."""
    chosen = visit_state(LinkState).right_channel
    if 0 <= chosen < count:
        return chosen
    return left if by == "number" else best


def _title(image: SourceImage, request: MapRequest) -> str:
    spec = spec_of(request.backbone)
    note = ", untrained" if request.weights != "pretrained" else ""
    stages = network_stages(architecture(request.backbone), request.size)
    words = next(pair.words for stage in stages for pair in stage.pairs if pair.id == request.pair)
    return f"{image.title} · {spec.title}{note} · {request.size} px · {words}"


def _alt(image: SourceImage, channel: int) -> str:
    return f"Weighting map {channel} over {image.title}."
