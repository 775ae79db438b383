"""Build the feature: one block of P position by position, the same with all numbers, and what follows from Eq. 1."""

from dataclasses import dataclass

import streamlit as st

from crosspool.ui.equation.building import Construction, PositionOrder, construct_block
from crosspool.ui.equation.experiments_section import experiments_section
from crosspool.ui.equation.player import played_entries, player
from crosspool.ui.equation.worked_example import worked_example
from crosspool.ui.maps.large_images import headline
from crosspool.ui.maps.page import maps_page
from crosspool.ui.maps.selection import current_look, select_cell, select_channel, selected_cell, selected_channel
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import VisitPart, bound, plain, visit_state
from crosspool.ui.widgets.cell_image import Cell

WITH_NUMBERS, EXPERIMENTS = "With all numbers", "What follows from Eq. 1: try it on this image"


@dataclass
class BuildState(VisitPart):
    """The order in which a block is built, and which drawers are open."""

    walk_order: PositionOrder = plain("strongest")
    numbers_open: bool = plain(False)
    experiments_open: bool = plain(False)


def build_p_page() -> None:
    """The page."""
    maps_page("Build the feature", _block_and_drawers)


def with_all_numbers_page() -> None:
    """The same page under its other address, which opens the drawer with all numbers."""
    visit_state(BuildState).numbers_open = True
    build_p_page()


def _block_and_drawers(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    state, channel = visit_state(BuildState), selected_channel(maps)
    position = selected_cell(maps, channel)
    built = construct_block(maps, channel, request.border, state.walk_order, played_entries(maps))
    show_player(maps, built, channel, position)
    headline(image, request, maps)
    # What is in a closed drawer is neither computed nor sent.
    numbers = st.expander(WITH_NUMBERS, icon=":material/calculate:", **bound(state, "numbers_open"))
    with numbers:
        if numbers.open:
            worked_example(maps, request, built, channel, position)
    experiments = st.expander(EXPERIMENTS, icon=":material/science:", **bound(state, "experiments_open"))
    with experiments:
        if experiments.open:
            experiments_section(image, request, position)


def show_player(maps: ImageMaps, built: Construction, channel: int, position: Cell) -> None:
    """The growing block, which selects its position, map and order for all pages."""
    state = visit_state(BuildState)

    def choose_order(order: PositionOrder) -> None:
        state.walk_order = order

    player(
        maps,
        built,
        channel,
        position,
        current_look(maps.signed),
        order=state.walk_order,
        choose_cell=select_cell,
        choose_channel=select_channel,
        choose_order=choose_order,
        key="player",
    )
