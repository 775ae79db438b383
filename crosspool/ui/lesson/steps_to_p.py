"""Steps 1 to 5: a map, all maps, why their numbers are weights, one block of P, and all of P."""

import numpy as np
import streamlit as st

from crosspool.text import ordinal
from crosspool.ui.equation.building import carriers_of_half, construct_block
from crosspool.ui.equation.charts import EQUATION_1, show_blocks, show_growing_block
from crosspool.ui.lesson import quantities
from crosspool.ui.lesson import step_parts as parts
from crosspool.ui.lesson.state import LessonState, choose_map
from crosspool.ui.maps.entry_chart import CHART_ENTRIES, entry_name, show_strongest_entries
from crosspool.ui.maps.selection import channel_input, peak_cell
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.text import cell_name, number
from crosspool.ui.widgets.thumbnails import Thumbnail, thumbnails

TILE_SIDE = 168  # pixels
PRODUCTS_WRITTEN_OUT = 4


def what_is_a_map(view: LessonState) -> None:
    """Step 1: what one channel makes of the photo."""
    sides, weights = quantities.sides_of_maps(), view.maps.upper[view.channel]
    rows, columns = weights.shape
    parts.step_text(
        f"The photo passes through the network layer by layer and becomes coarser on the way: "
        f"{' → '.join(map(str, sides))} cells per side. What one channel of the last layer makes of it is a "
        f"**weighting map**: {rows} × {columns} = **{weights.size} numbers**, each of which says how strongly the "
        "channel's own pattern was found there."
    )
    input_column, map_column, text_column = parts.step_columns("map")
    parts.input_image(input_column, view)
    parts.map_image(map_column, view)
    with text_column:
        here, top, low = view.weight, float(weights.max()), float(weights.min())
        answer = f"At {cell_name(view.position)} the weight is **{number(here)}**"
        if here == low:
            answer += f": the smallest. {int((weights == low).sum())} of {weights.size} positions have it."
        elif top:
            at_peak = cell_name(peak_cell(view.maps, view.channel))
            answer += f", {100 * here / top:.0f} % of the largest, which is at {at_peak}."
        parts.try_it("Click a cell where the map is weak: where is its weight smallest?", answer)
        parts.go_on(view, parts.MAPS_PAGE, "See this map on its page", "grid_view")


def a_thousand_maps(view: LessonState) -> None:
    """Step 2: maps that differ, to choose from."""
    maps, statistics, k = view.maps, view.maps.statistics, view.channel
    parts.step_text(
        f"The layer has **{len(maps.upper):,} channels**, so there are as many maps of this one photo. Each looks "
        "for something different and lights up elsewhere. Nobody told a channel what to look for: training did that."
    )
    channels = quantities.varied_maps(maps)
    tile_column, text_column = parts.step_columns("wide-tiles", 2)
    with tile_column:
        tiles = map_thumbnails(view, channels)
        thumbnails(tiles, selected=str(k), choose=lambda id_: choose_map(int(id_)), key="lesson-tiles", wrapped=True)
        st.caption(f"{len(channels)} strong maps with their peaks at different positions, each on its own scale.")
    with text_column:
        parts.try_it(
            "Click a map. Does it pick out one thing, or spread over the image?",
            f"Map {k} has weight at **{statistics.active[k]} of {maps.upper[k].size}** positions. Its largest, "
            f"{number(statistics.peak[k])}, is at {cell_name(peak_cell(maps, k))}.",
        )
        parts.go_on(view, parts.MAPS_PAGE, f"See all {len(maps.upper):,} maps", "grid_view")


def map_thumbnails(view: LessonState, channels: list[int]) -> list[Thumbnail]:
    """Maps over the image as thumbnails, each with its peak in words."""
    small, peaks, tiles = view.maps.framed.resize((TILE_SIDE, TILE_SIDE)), view.maps.statistics.peak, []
    for channel in channels:
        overlaid = view.look.over(small, view.maps.upper[channel], view.look.colour_range(peaks, channel))
        peak = f"largest, {number(peaks[channel])}, at {cell_name(peak_cell(view.maps, channel))}"
        tiles.append(Thumbnail(str(channel), f"Map {channel}", f"Map {channel}: {peak}", data_url(overlaid)))
    return tiles


def why_a_weight(view: LessonState) -> None:
    """Step 3: the patch below a weight, and how much it counts."""
    pair, patch, here = view.maps.pair, view.maps.patch(*view.position), view.weight
    parts.step_text(
        f"At each position *i*, the layer before holds **{pair.patch_length:,} numbers**, the patch $x_i$: they say "
        f"**what** is there. The map's number at the same position, $a_{{i,k}}$, says how much the patch **counts** "
        "for channel *k*. That is why it is called a weight."
    )
    map_column, chart_column, text_column = parts.step_columns("weight")
    parts.map_image(map_column, view)
    with chart_column:
        st.markdown(f"**The patch at {cell_name(view.position)}**")
        show_strongest_entries(patch, pair, "patch x_i", key="lesson-patch")
    with text_column:
        entry = int(np.abs(patch).argmax())
        value = float(patch[entry])
        parts.try_it(
            "Move the position. When does a patch with large numbers still count for nothing?",
            f"Here the weight is **{number(here)}** and the patch's number that is largest in magnitude, lower channel "
            f"{entry_name(entry, pair)}, is {number(value)}. Together: {number(here)} × {number(value)} "
            f"= **{number(here * value)}**.",
        )
        parts.go_on(view, parts.EXPLAINED_PAGE, "Read it with all numbers", "school")


def one_block_of_p(view: LessonState) -> None:
    """Step 4: the weighted patches added up."""
    maps, k = view.maps, view.channel
    built = construct_block(maps, k, view.request.border, "strongest", CHART_ENTRIES)
    step = built.step_of(*view.position)
    parts.step_text(
        "Multiply every patch by its weight and add them up: one block of P for one map. It has as many numbers as a "
        f"patch, **{maps.pair.patch_length:,}**, and it summarises what was there where map {k} responded."
    )
    st.latex(EQUATION_1)
    map_column, chart_column, text_column = parts.step_columns("block")
    parts.map_image(map_column, view)
    with chart_column:
        show_growing_block(maps, built, step, k, key="lesson-block")
    with text_column:
        st.markdown(
            f"For the block's strongest number, lower channel {entry_name(int(built.entries[0]), maps.pair)}: "
            f"{sum_of(built.products[built.order, 0])} = **{number(built.sums[-1, 0], 4)}**."
        )
        next_cell = (built.position_at(min(step + 1, len(built.order))),)
        label, icon = "Add the next position", ":material/add:"
        st.button(label, icon=icon, key="add-next", on_click=view.choose_cell, args=next_cell)
        parts.try_it(
            "Add positions, the heaviest first. How many make up half of the map's weight?",
            f"**{step} of {len(built.order)}** positions make up **{100 * built.weight_share(step):.0f} %** of the "
            "weight.",
        )
        parts.go_on(view, parts.BUILD_PAGE, "Build this block yourself", "stacked_bar_chart")


def sum_of(products: np.ndarray) -> str:
    """The first few products written out as a sum, and how many more there are."""
    terms = " + ".join(map(number, products[:PRODUCTS_WRITTEN_OUT]))
    more = len(products) - PRODUCTS_WRITTEN_OUT
    return f"{terms} + {more} more" if more > 0 else terms


def all_of_p(view: LessonState) -> None:
    """Step 5: all blocks, and which of them carry the energy."""
    maps, k, shares = view.maps, view.channel, view.maps.statistics.energy_share
    half, dead = carriers_of_half(shares), int(maps.statistics.dead.sum())
    parts.step_text(
        f"P is all blocks side by side: {len(shares):,} × {maps.pair.patch_length:,} = "
        f"**{maps.pair.feature_length:,} numbers** for one photo. No codebook, nothing to tune: the network's own next "
        "layer says where to look. The blocks are far from equal."
    )
    blocks_column, text_column = parts.step_columns("wide-blocks", 2)
    with blocks_column:
        with st.container(horizontal=True, gap="large"):
            st.metric("blocks", f"{len(shares):,}", width="content")
            st.metric("zero everywhere", f"{dead:,}", width="content")
            st.metric("carry half of the energy", f"{half:,}", width="content")
            st.metric("numbers in P", f"{maps.pair.feature_length:,}", width="content")
        show_blocks(maps, k, key="lesson-blocks")
    with text_column:
        rank = quantities.energy_rank(shares, k)
        among = "among" if rank <= half else "not among"
        parts.try_it(
            "Type the number of another map. Is it among the few that carry half of the energy?",
            f"Map {k} holds **{number(100 * shares[k])} %** of the energy of P and ranks **{ordinal(rank)}** of "
            f"{len(shares):,}, so it is {among} these {half:,}.",
        )
        channel_input(maps, k, "lesson_map", choose_map)
        parts.go_on(view, parts.BUILD_PAGE, "Find the block in P", "stacked_bar_chart")


STEPS = (what_is_a_map, a_thousand_maps, why_a_weight, one_block_of_p, all_of_p)
