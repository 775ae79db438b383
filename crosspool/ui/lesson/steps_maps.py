"""Steps 1 to 3: what a map is, how many there are, and why its numbers are weights."""

import numpy as np
import streamlit as st

from crosspool.drawing.rendering import overlay
from crosspool.ui.lesson.quantities import peak_cell, sides_of_maps, varied_maps
from crosspool.ui.lesson.state import LessonState, choose_map
from crosspool.ui.lesson.step_parts import (
    EXPLAINED_PAGE,
    MAPS_PAGE,
    cell_chooser,
    cell_name,
    go_on,
    step_columns,
    step_text,
    try_it,
    weight_here,
)
from crosspool.ui.maps.entry_chart import CHART_CONFIG, entry_name, strongest_entries
from crosspool.ui.maps.large_images import input_image, map_image
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.text import number
from crosspool.ui.widgets.thumbnails import Thumbnail, thumbnails

TILE_PIXELS = 168  # pixels


def what_is_a_map(view: LessonState) -> None:
    """Step 1."""
    sides, weights = sides_of_maps(), view.maps.upper[view.channel]
    rows, columns = weights.shape
    step_text(
        f"The photo passes through the network layer by layer and becomes coarser on the way: "
        f"{' → '.join(map(str, sides))} cells per side. What one channel of the last layer makes of it is a "
        f"**weighting map**: {rows} × {columns} = **{weights.size} numbers**, each of which says how strongly the "
        "channel's own pattern was found there."
    )
    input_column, over, text = step_columns("map")
    with input_column:
        input_image(view.maps, view.request, view.position, cell_chooser(view))
    with over:
        map_image(view.maps, view.channel, view.position, view.look, cell_chooser(view))
    with text:
        here, top, low = weight_here(view), float(weights.max()), float(weights.min())
        answer = f"At {cell_name(view.position)} the weight is **{number(here)}**"
        if here == low:
            answer += f": the smallest. {int((weights == low).sum())} of {weights.size} positions have it."
        elif top:
            at_peak = cell_name(peak_cell(view.maps, view.channel))
            answer += f", {100 * here / top:.0f} % of the largest, which is at {at_peak}."
        try_it("Click a cell where the map is weak: where is its weight smallest?", answer)
        go_on(view, MAPS_PAGE, "See this map on its page", "grid_view")


def a_thousand_maps(view: LessonState) -> None:
    """Step 2."""
    maps = view.maps
    step_text(
        f"The layer has **{len(maps.upper):,} channels**, so there are as many maps of this one photo. Each looks "
        "for something different and lights up elsewhere. Nobody told a channel what to look for: training did that."
    )
    channels = varied_maps(maps)
    pictures, text = step_columns("wide-tiles", 2)
    with pictures:
        thumbnails(
            map_thumbnails(view, channels),
            selected=str(view.channel),
            choose=lambda name: choose_map(int(name)),
            key="lesson-tiles",
            wrapped=True,
        )
        st.caption(f"{len(channels)} strong maps with their peaks at different positions, each on its own scale.")
    with text:
        statistics, k = maps.statistics, view.channel
        try_it(
            "Click a map. Does it pick out one thing, or spread over the image?",
            f"Map {k} has weight at **{statistics.active[k]} of {maps.upper[k].size}** positions. Its largest, "
            f"{number(statistics.peak[k])}, is at {cell_name(peak_cell(maps, k))}.",
        )
        go_on(view, MAPS_PAGE, f"See all {len(maps.upper):,} maps", "grid_view")


def why_a_weight(view: LessonState) -> None:
    """Step 3."""
    pair, patch, here = view.maps.pair, view.maps.patch(*view.position), weight_here(view)
    step_text(
        f"At each position *i*, the layer before holds **{pair.patch_length:,} numbers**, the patch $x_i$: they say "
        f"**what** is there. The map's number at the same position, $a_{{i,k}}$, says how much the patch **counts** "
        "for channel *k*. That is why it is called a weight."
    )
    over, bars, text = step_columns("weight")
    with over:
        map_image(view.maps, view.channel, view.position, view.look, cell_chooser(view))
    with bars:
        st.markdown(f"**The patch at {cell_name(view.position)}**")
        st.plotly_chart(
            strongest_entries(patch, pair, "patch x<sub>i</sub>"),
            key="lesson-patch",
            config=CHART_CONFIG,
            alt=f"Bar chart of the strongest of {len(patch)} numbers of the patch at {cell_name(view.position)}",
        )
    with text:
        entry = int(np.abs(patch).argmax())
        try_it(
            "Move the position. When does a patch with large numbers still count for nothing?",
            f"Here the weight is **{number(here)}** and the patch's number that is largest in magnitude, lower channel "
            f"{entry_name(entry, pair)}, is {number(patch[entry])}. Together: {number(here)} × {number(patch[entry])} "
            f"= **{number(here * float(patch[entry]))}**.",
        )
        go_on(view, EXPLAINED_PAGE, "Read it with all numbers", "school")


def map_thumbnails(view: LessonState, channels: list[int]) -> list[Thumbnail]:
    """Maps over the image in small, each with its peak in words."""
    small = view.maps.framed.resize((TILE_PIXELS, TILE_PIXELS))
    thumbnails_of_maps = []
    for channel in channels:
        colour_range = view.look.colour_range(view.maps.statistics.peak, channel)
        overlaid = overlay(
            small,
            view.maps.upper[channel],
            colour_range=colour_range,
            colour_map=view.look.colour_map,
            opacity=view.look.opacity,
            smooth=False,
        )
        row, column = peak_cell(view.maps, channel)
        alt = f"Map {channel}: largest, {number(view.maps.statistics.peak[channel])}, at row {row}, column {column}"
        thumbnails_of_maps.append(Thumbnail(str(channel), f"Map {channel}", alt, data_url(overlaid)))
    return thumbnails_of_maps
