"""Steps 1 to 5: a map, all maps, why their numbers are weights, one block of P, and all of P."""

import numpy as np
import streamlit as st
from PIL import Image

from crosspool.grids import largest_cells
from crosspool.text import ordinal, plural
from crosspool.ui.equation.building import carriers_of_half, construct_block
from crosspool.ui.equation.charts import EQUATION_1, show_blocks
from crosspool.ui.equation.player import played_entries, player
from crosspool.ui.lesson import quantities, questions
from crosspool.ui.lesson import step_parts as parts
from crosspool.ui.lesson.answers import ALL_MAPS, answer_of, commit
from crosspool.ui.lesson.state import LessonState, choose_map, choose_order, current_order
from crosspool.ui.maps.entry_chart import entry_name, show_strongest_entries
from crosspool.ui.maps.large_images import LARGE
from crosspool.ui.maps.selection import channel_input
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import cell_name, cells_name, number, written_sum
from crosspool.ui.widgets.thumbnails import Thumbnail, thumbnails

TILE_SIDE = 168  # pixels
PRODUCTS_WRITTEN_OUT = 4


def what_is_a_map(view: LessonState) -> None:
    """Step 1: what one channel makes of the photo."""
    sides, weights, k = quantities.sides_of_maps(), view.maps.upper[view.channel], view.channel
    rows, columns = weights.shape
    parts.step_text(
        f"The photo passes through the network layer by layer and becomes coarser on the way: "
        f"{' → '.join(map(str, sides))} cells per side. What one channel of the last layer makes of it is a "
        f"**{term('weighting map')}**: {rows} × {columns} = **{weights.size} numbers**, each of which says how "
        "strongly the channel's own pattern was found there."
    )

    def choose(cell: Cell) -> None:
        view.choose_cell(cell)
        commit(view, 1, k, str(cell), questions.is_strong(weights, cell))

    def explanation() -> str:
        compared = compared_with_peak(weights, view.position)
        return (
            f"At {cell_name(view.position)} the weight is **{number(view.weight)}**, {compared}. Map and photo have "
            "the same grid: each number belongs to a place."
        )

    input_column, map_column, text_column = parts.step_columns("map")
    if answer_of(view, 1, k) is None:
        parts.asking_image(input_column, view, "The photo", parts.framed(view), choose)
        with map_column:
            st.subheader(f"Map {k} by itself", anchor=False)
            alone = view.look.over(Image.new("RGB", (LARGE, LARGE)), weights, (0.0, float(weights.max()) or 1.0))
            st.image(alone, width="stretch")
    else:
        parts.input_image(input_column, view)
        parts.map_image(map_column, view)
    with text_column:
        grid = f"Map {k} has the same {rows} × {columns} grid as the photo."
        task = f"{grid} **Click the place in the photo** where this map responds most strongly."
        if parts.ask_for_click(view, 1, k, task, explanation):
            lowest = float(weights.min())
            parts.try_it(
                view, 1, "Click a cell where the map is weak. What is the smallest weight?",
                f"Here the weight is **{number(view.weight)}**. The smallest is **{number(lowest)}**, which "
                f"{int((weights == lowest).sum())} of {weights.size} positions have.",
            )  # fmt: skip
            parts.go_on(view, parts.MAPS_PAGE, "See this map on its page", "grid_view")


def compared_with_peak(weights: np.ndarray, position: Cell) -> str:
    """How large a map's weight at a position is, beside its largest."""
    cells, largest = largest_cells(weights), float(weights.max())
    if position not in cells:
        share = float(weights[position]) / (largest or 1)
        return f"{100 * share:.0f} % of the largest, which is at {cells_name(cells)}"
    others = len(cells) - 1
    return "the largest of this map" + (f", as at {plural(others, 'other position')}" if others else "")


def a_thousand_maps(view: LessonState) -> None:
    """Step 2: maps that differ, to choose from."""
    maps, statistics, k = view.maps, view.maps.statistics, view.channel
    parts.step_text(
        f"The layer has **{len(maps.upper):,} {term('channel', 'channels')}**, so there are as many maps of this one "
        "photo. Each looks for something different and lights up elsewhere. Nobody told a channel what to look for: "
        "training did that."
    )
    channels = quantities.varied_maps(maps)
    cells = {channel: questions.strong_cells(maps.upper[channel]) for channel in channels}
    fewest = min(cells, key=cells.__getitem__, default=k)

    def choose(id_: str) -> None:
        choose_map(int(id_))
        if answer_of(view, 2, ALL_MAPS) is None:
            commit(view, 2, ALL_MAPS, id_, questions.is_selective(cells[int(id_)], cells[fewest]))

    def explanation() -> str:
        answer = answer_of(view, 2, ALL_MAPS)
        chosen = ""
        if answer is not None and answer.chosen not in ("", str(fewest)):
            nearly = ", which is as good" if answer.right else ""
            chosen = f" Map {answer.chosen} is strong in {cells[int(answer.chosen)]}{nearly}."
        return (
            f"Map **{fewest}** is the most selective of these: it is strong in {cells[fewest]} of "
            f"{maps.upper[fewest].size} cells.{chosen} Others spread over the photo."
        )

    tile_column, text_column = parts.step_columns("wide-tiles", 2)
    with tile_column:
        tiles, selected = map_thumbnails(view, channels), str(k) if answer_of(view, 2, ALL_MAPS) else ""
        thumbnails(tiles, selected=selected, choose=choose, key="lesson-tiles", wrapped=True)
        st.caption(f"{len(channels)} strong maps with their peaks at different positions, each on its own scale.")
    with text_column:
        task = (
            "Which of these maps is the most selective: strong, at least half as strong as at its peak, in the fewest "
            "cells? **Click it.**"
        )
        if parts.ask_for_click(view, 2, ALL_MAPS, task, explanation):
            parts.try_it(
                view, 2, "Click other maps. Does each pick out one thing, or spread over the image?",
                f"Map {k} has weight at **{statistics.active[k]} of {maps.upper[k].size}** positions. Its largest, "
                f"{number(statistics.peak[k])}, is at {cells_name(largest_cells(maps.upper[k]))}.",
            )  # fmt: skip
            parts.go_on(view, parts.MAPS_PAGE, f"See all {len(maps.upper):,} maps", "grid_view")


def map_thumbnails(view: LessonState, channels: list[int]) -> list[Thumbnail]:
    """Maps over the image as thumbnails, each with its peak in words."""
    small, peaks, tiles = view.maps.framed.resize((TILE_SIDE, TILE_SIDE)), view.maps.statistics.peak, []
    for channel in channels:
        overlaid = view.look.over(small, view.maps.upper[channel], view.look.colour_range(peaks, channel))
        peak = f"largest, {number(peaks[channel])}, at {cells_name(largest_cells(view.maps.upper[channel]))}"
        tiles.append(Thumbnail(str(channel), f"Map {channel}", f"Map {channel}: {peak}", data_url(overlaid)))
    return tiles


def why_a_weight(view: LessonState) -> None:
    """Step 3: the patch below a weight, and how much it counts."""
    pair, k, patch, here = view.maps.pair, view.channel, view.maps.patch(*view.position), view.weight
    parts.step_text(
        f"At each position *i*, the layer before holds **{pair.patch_length:,} numbers**, the {term('patch')} $x_i$: "
        f"they say **what** is there. The map's number at the same position, $a_{{i,k}}$, says how much the patch "
        "**counts** for channel *k*. That is why it is called a weight."
    )

    def choose(cell: Cell) -> None:
        view.choose_cell(cell)
        commit(view, 3, k, str(cell), questions.is_negligible(view.maps.upper[k], cell))

    def explanation() -> str:
        entry = int(np.abs(patch).argmax())
        value = float(patch[entry])
        return (
            f"At {cell_name(view.position)} the weight is **{number(here)}**, and the patch's number that is largest "
            f"in magnitude, lower channel {entry_name(entry, pair)}, is {number(value)}. Together: {number(here)} × "
            f"{number(value)} = **{number(here * value)}**. Where the weight is 0, large numbers count for nothing."
        )

    map_column, chart_column, text_column = parts.step_columns("weight")
    if answer_of(view, 3, k) is None:
        parts.asking_image(map_column, view, f"Map {k} over the photo", parts.overlaid(view), choose)
    else:
        parts.map_image(map_column, view)
    with chart_column:
        st.subheader(f"The patch at {cell_name(view.position)}", anchor=False)
        show_strongest_entries(patch, pair, "patch x_i", key="lesson-patch")
    with text_column:
        task = f"**Click a cell** whose patch counts for nothing in map {k}, whatever large numbers it holds."
        if parts.ask_for_click(view, 3, k, task, explanation):
            parts.try_it(
                view, 3, "Move the position. When does a patch with large numbers count most?",
                f"Here the patch counts with a weight of **{number(here)}**, "
                f"{compared_with_peak(view.maps.upper[k], view.position)}.",
            )  # fmt: skip
            parts.go_on(view, parts.EXPLAINED_PAGE, "Read it with all numbers", "calculate")


def one_block_of_p(view: LessonState) -> None:
    """Step 4: the weighted patches added up."""
    maps, k = view.maps, view.channel
    built = construct_block(maps, k, view.request.border, current_order(), played_entries(maps))
    half, total = questions.positions_for_half(built.weights), built.weights.size
    parts.step_text(
        f"Multiply every patch by its weight and add them up: one {term('block')} of {term('P')} for one map. It has "
        f"as many numbers as a patch, **{maps.pair.patch_length:,}**, and it summarises what was there "
        f"where map {k} responded."
    )
    st.latex(EQUATION_1)
    text = f"Take the positions of map {k}, the heaviest first. How many of the {total} make up half of its weight?"
    question = questions.how_many(text, half, total)
    heaviest_first = built.products[np.argsort(-np.abs(built.weights), axis=None, kind="stable"), 0]
    name = entry_name(int(built.entries[0]), maps.pair)

    def explanation() -> str:
        return (
            f"**{half} of {total}** positions make up half of the weight: a map picks out a part of the photo. "
            f"Press Play, and watch the block grow. For its strongest number, lower channel {name}: "
            f"{sum_of(heaviest_first)} = **{number(built.sums[-1, 0], 4)}**."
        )

    if answer_of(view, 4, k) is None:
        input_column, map_column, text_column = parts.step_columns("block")
        parts.input_image(input_column, view)
        parts.map_image(map_column, view)
        with text_column:
            parts.ask(view, 4, question, explanation)
        return
    player(
        maps, built, k, view.position, view.look, order=current_order(), choose_cell=view.choose_cell,
        choose_channel=choose_map, choose_order=choose_order, key="player",
    )  # fmt: skip
    answer_column, more_column = parts.step_columns("answer", 2)
    with answer_column:
        parts.ask(view, 4, question, explanation)
    with more_column:
        step = construct_block(maps, k, view.request.border, "strongest", 1).step_of(*view.position)
        parts.try_it(
            view, 4, "Step on with the heaviest first. How much of the weight do the first few positions hold?",
            f"The selected position, {cell_name(view.position)}, is the **{ordinal(step)}** heaviest.",
        )  # fmt: skip
        parts.go_on(view, parts.BUILD_PAGE, "Build this block yourself", "stacked_bar_chart")


def sum_of(products: np.ndarray) -> str:
    """The first few products written out as a sum, and how many more there are."""
    terms = written_sum(products[:PRODUCTS_WRITTEN_OUT])
    more = len(products) - PRODUCTS_WRITTEN_OUT
    return f"{terms} + {more} more" if more > 0 else terms


def all_of_p(view: LessonState) -> None:
    """Step 5: all blocks, and which of them carry the energy."""
    maps, k, shares = view.maps, view.channel, view.maps.statistics.energy_share
    half, dead = carriers_of_half(shares), int(maps.statistics.dead.sum())
    parts.step_text(
        f"P is all blocks side by side: {len(shares):,} × {maps.pair.patch_length:,} = "
        f"**{maps.pair.feature_length:,} numbers** for one photo. No codebook, nothing to tune: the network's own next "
        f"layer says where to look. The blocks are far from equal in {term('energy')}."
    )
    text = f"How many of the {len(shares):,} blocks, the largest first, carry half of the energy of P?"
    question = questions.how_many(text, half, len(shares))

    def explanation() -> str:
        return (
            f"**{half:,} of {len(shares):,}** blocks carry half of the energy $\\lVert P\\rVert^2$, and {dead:,} are "
            "zero everywhere on this photo."
        )

    blocks_column, text_column = parts.step_columns("wide-blocks", 2)
    with blocks_column:
        show_blocks(maps, k, key="lesson-blocks")
    with text_column:
        if parts.ask(view, 5, question, explanation, ALL_MAPS):
            rank = quantities.energy_rank(shares, k)
            among = "among" if rank <= half else "not among"
            parts.try_it(
                view, 5, "Type the number of another map. Is it among the few that carry half of the energy?",
                f"Map {k} holds **{number(100 * shares[k])} %** of the energy of P and ranks **{ordinal(rank)}** of "
                f"{len(shares):,}, so it is {among} these {half:,}.",
            )  # fmt: skip
            channel_input(maps, k, "lesson_map", choose_map)
            parts.go_on(view, parts.BUILD_PAGE, "Find the block in P", "stacked_bar_chart")


STEPS = (what_is_a_map, a_thousand_maps, why_a_weight, one_block_of_p, all_of_p)
