"""Build P by hand: one block position by position, and what follows from Eq. 1, tried on the chosen image."""

import pandas as pd
import streamlit as st

from crosspool.ui.equation.building import Construction, PositionOrder, construct_block
from crosspool.ui.equation.charts import blocks_formula, show_blocks, show_growing_block
from crosspool.ui.equation.experiments_section import EquationState, experiments_section
from crosspool.ui.maps.entry_chart import CHART_ENTRIES, entry_name
from crosspool.ui.maps.large_images import beside_large_images, headline
from crosspool.ui.maps.page import maps_page
from crosspool.ui.maps.selection import channel_input, select_cell, selected_cell, selected_channel
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import choose_option, visit_state
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import cell_name, number
from crosspool.ui.widgets.walk import walk

ORDERS: dict[PositionOrder, str] = {"rows": "row by row", "strongest": "strongest first"}
ENTRIES_IN_TABLE = 12


def build_p_page() -> None:
    """The page Build P."""
    maps_page("Build P", _block_and_experiments)


def _block_and_experiments(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    headline(image, request, maps)
    st.page_link("pages/what_am_i_looking_at.py", label="New here? What am I looking at?", icon=":material/school:")
    channel = selected_channel(maps)
    position = selected_cell(maps, channel)
    _block_by_position(maps, request, channel, position)
    experiments_section(maps, request, position)


def _block_by_position(maps: ImageMaps, request: MapRequest, channel: int, position: Cell) -> None:
    """Section 1: the selected position, what it adds to the block, and the block in P."""
    st.header("1 · One block, position by position", anchor=False)
    with beside_large_images(maps, request, channel, position):
        built, step = _walk(maps, request, channel, position)
        _step_in_words(maps, built, step, channel)
    show_growing_block(maps, built, step, channel, key="growing")
    with st.expander("The same in numbers", icon=":material/table:"):
        st.table(_step_in_numbers(maps, built, step))
    pair, length = maps.pair, maps.pair.patch_length
    st.markdown(f"**Where it stands in P**: ${blocks_formula(pair.upper_channels)}$")
    show_blocks(maps, channel, key="blocks")
    first, last = channel * length, (channel + 1) * length - 1
    st.caption(f"Block {channel} is numbers {first:,} to {last:,} of the {pair.feature_length:,} of P.")


def _walk(maps: ImageMaps, request: MapRequest, channel: int, position: Cell) -> tuple[Construction, int]:
    """The choice of map, order and step, where each step is a position: the selected one."""
    st.markdown("**Add it up**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.container(width=140):
            channel_input(maps, channel, "built")
        order = choose_option("Positions", ORDERS, visit_state(EquationState), "walk_order")
    built = construct_block(maps, channel, request.border, order, CHART_ENTRIES)
    step, steps = built.step_of(*position), len(built.order)
    label = f"Position {step:,} of {steps:,}: {cell_name(position)}"

    def choose(step: int) -> None:
        select_cell(built.position_at(step))

    walk(step, steps=steps, end=built.end, label=label, choose=choose, key="walk")
    return built, step


def _step_in_words(maps: ImageMaps, built: Construction, step: int, channel: int) -> None:
    """What the step adds, with the numbers of the block's strongest entry."""
    cell, position = built.position_at(step), built.order[step - 1]
    weight, value, product = built.weights[cell], built.features[position, 0], built.products[position, 0]
    if maps.statistics.dead[channel]:
        st.info("This map is zero everywhere on this image: its block stays zero.", icon=":material/hide_source:")
    if weight != maps.upper[channel][cell]:
        border = "The patch here crosses the border, and only whole patches are pooled: it adds nothing."
        st.info(border, icon=":material/border_clear:")
    st.markdown(
        f"| | |\n|---|---|\n"
        f"| Weight $a_{{i,k}}$ here | **{number(weight)}** |\n"
        f"| Patch $x_i$ | {maps.pair.patch_length:,} numbers; the block's strongest entry, lower channel "
        f"{entry_name(int(built.entries[0]), maps.pair)}, is **{number(value)}** |\n"
        f"| Product | {number(weight)} × {number(value)} = **{number(product)}** |\n"
        f"| Sum so far | **{number(built.sums[step - 1, 0], 4)}** of {number(built.sums[-1, 0], 4)} |\n"
        f"| Weight added so far | **{number(100 * built.weight_share(step))} %** of the map's |"
    )
    st.caption("Drag the position in either image, click, or use the arrow keys; or play all positions in turn.")


def _step_in_numbers(maps: ImageMaps, built: Construction, step: int) -> pd.DataFrame:
    """The step's patch, product and sum, and the finished block, for the block's strongest entries."""
    position = built.order[step - 1]
    vectors = [built.features[position], built.products[position], built.sums[step - 1], built.sums[-1]]
    columns = dict(zip(("patch", "weight × patch", "sum so far", "finished block"), vectors, strict=True))
    names = pd.Index([entry_name(int(entry), maps.pair) for entry in built.entries], name="lower channel")
    return pd.DataFrame(columns, names).head(ENTRIES_IN_TABLE).map(number, digits=4)
