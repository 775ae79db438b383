"""Build P by hand: one block position by position, and what follows from Eq. 1, tried on the chosen image."""

import numpy as np
import pandas as pd
import streamlit as st

from crosspool.ui.equation.building import Construction, Order, construct_block
from crosspool.ui.equation.charts import blocks_in_a_row, growing_block
from crosspool.ui.equation.state import EquationState
from crosspool.ui.equation.trying import experiments_section
from crosspool.ui.maps.entry_chart import CHART_CONFIG, CHART_ENTRIES, entry_name
from crosspool.ui.maps.large_images import headline, input_image, map_image
from crosspool.ui.maps.page import maps_page
from crosspool.ui.maps.selection import channel_input, current_look, select_cell, selected_cell, selected_channel
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import choose_option, visit_state
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import number
from crosspool.ui.widgets.walk import walk

ORDERS: dict[Order, str] = {"rows": "row by row", "strongest": "strongest first"}


ENTRIES_IN_TABLE = 12  # entries that the table writes out


def block_by_position(maps: ImageMaps, request: MapRequest, channel: int, position: Cell) -> None:
    """Section 1: the selected position, what it adds to the block, and the block in P."""
    st.header("1 · One block, position by position", anchor=False)
    with st.container(key="large"):
        input_column, over, steps = st.columns([1, 1, 1.15], gap="medium")
    with input_column:
        input_image(maps, request, position)
    with over:
        map_image(maps, channel, position, current_look(maps.signed))
    with steps:
        built, step = _walk(maps, request, channel, position)
        _what_it_adds(maps, request, built, step, channel)
    st.plotly_chart(
        growing_block(built, step, channel, maps.pair),
        key="growing",
        config=CHART_CONFIG,
        alt=f"Bar charts of the {len(built.entries)} strongest entries of block {channel}, one below the other: in the "
        "patch, times the weight, summed so far, and in the finished block",
    )
    with st.expander("The same in numbers", icon=":material/table:"):
        st.table(_numbers(maps, built, step))
    _place_in_p(maps, channel)


def _walk(maps: ImageMaps, request: MapRequest, channel: int, position: Cell) -> tuple[Construction, int]:
    """The choice of map, order and step; the step and the selected position are one and the same."""
    st.markdown("**Add it up**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.container(width=140):
            channel_input(maps, channel, "built")
        order = choose_option("Positions", ORDERS, visit_state(EquationState), "walk_order")
    built = construct_block(maps, channel, request.border, order, CHART_ENTRIES)
    step, steps = built.step_of(*position), len(built.order)
    walk(
        step,
        steps=steps,
        end=built.end,
        label=f"Position {step:,} of {steps:,}: row {position[0]}, column {position[1]}",
        choose=lambda chosen: select_cell(built.position_at(chosen)),
        key="walk",
    )
    return built, step


def _what_it_adds(maps: ImageMaps, request: MapRequest, built: Construction, step: int, channel: int) -> None:
    """The step in words, with the numbers of the block's strongest entry."""
    row, column = built.position_at(step)
    weight, position = built.weights[row, column], built.order[step - 1]
    if maps.statistics.dead[channel]:
        st.info("This map is zero everywhere on this image: its block stays zero.", icon=":material/hide_source:")
    if weight != maps.upper[channel, row, column]:
        st.info(
            "The patch here crosses the border, and only whole patches are pooled: it adds nothing.",
            icon=":material/border_clear:",
        )
    name = entry_name(int(built.entries[0]), maps.pair)
    st.markdown(
        f"| | |\n|---|---|\n"
        f"| Weight $a_{{i,k}}$ here | **{number(weight)}** |\n"
        f"| Patch $x_i$ | {maps.pair.patch_length:,} numbers; the block's strongest entry, lower channel {name}, is "
        f"**{number(built.features[position, 0])}** |\n"
        f"| Product | {number(weight)} × {number(built.features[position, 0])} = "
        f"**{number(built.products[position, 0])}** |\n"
        f"| Sum so far | **{number(built.sums[step - 1, 0], 4)}** of {number(built.sums[-1, 0], 4)} |\n"
        f"| Weight added so far | **{number(100 * built.weight_share(step))} %** of the map's |"
    )
    st.caption("Drag the position in either image, click, or use the arrow keys; or play all positions in turn.")


def _numbers(maps: ImageMaps, built: Construction, step: int) -> pd.DataFrame:
    position = built.order[step - 1]
    columns = {
        "patch": built.features[position],
        "weight × patch": built.products[position],
        "sum so far": built.sums[step - 1],
        "finished block": built.sums[-1],
    }
    names = pd.Index(
        [entry_name(int(entry), maps.pair) for entry in built.entries[:ENTRIES_IN_TABLE]], name="lower channel"
    )
    return pd.DataFrame(
        {title: [number(v, 4) for v in values[:ENTRIES_IN_TABLE]] for title, values in columns.items()}, names
    )


def _place_in_p(maps: ImageMaps, channel: int) -> None:
    length, sizes = maps.pair.patch_length, np.linalg.norm(maps.pooled, axis=1)
    st.markdown(f"**Where it stands in P**: $P = [\\,P_0;\\; P_1;\\; \\dots;\\; P_{{{len(sizes) - 1}}}\\,]$")
    st.plotly_chart(
        blocks_in_a_row(sizes, channel, length),
        key="blocks",
        config=CHART_CONFIG,
        alt=f"Bar chart of the size of all {len(sizes)} blocks in the order in which they stand in P",
    )
    st.caption(
        f"Block {channel} is numbers {channel * length:,} to {(channel + 1) * length - 1:,} of the "
        f"{maps.pair.feature_length:,} of P."
    )


def block_and_experiments(picture: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    """One block, position by position, and the experiments."""
    headline(picture, request, maps)
    st.page_link("pages/what_am_i_looking_at.py", label="New here? What am I looking at?", icon=":material/school:")
    channel = selected_channel(maps)
    position = selected_cell(maps, channel)
    block_by_position(maps, request, channel, position)
    experiments_section(maps, request, position)


def build_p_page() -> None:
    """The page."""
    maps_page("Build P", block_and_experiments)
