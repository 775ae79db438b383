"""Steps 4 and 5: one block of P, and all of them."""

import numpy as np
import streamlit as st

from crosspool.text import ordinal
from crosspool.ui.equation.building import construct_block
from crosspool.ui.equation.charts import blocks_in_a_row, growing_block
from crosspool.ui.lesson.quantities import carriers_of_half, energy_rank
from crosspool.ui.lesson.state import LessonState, choose_map
from crosspool.ui.lesson.step_parts import BUILD_PAGE, cell_chooser, go_on, step_columns, step_text, try_it
from crosspool.ui.maps.entry_chart import CHART_CONFIG, CHART_ENTRIES, entry_name
from crosspool.ui.maps.large_images import map_image
from crosspool.ui.maps.selection import channel_input
from crosspool.ui.widgets.text import number

PRODUCTS_WRITTEN_OUT = 4  # products written out


def one_block_of_p(view: LessonState) -> None:
    """Step 4."""
    maps, k = view.maps, view.channel
    built = construct_block(maps, k, view.request.border, "strongest", CHART_ENTRIES)
    step = built.step_of(*view.position)
    step_text(
        "Multiply every patch by its weight and add them up: one block of P for one map. It has as many numbers as a "
        f"patch, **{maps.pair.patch_length:,}**, and it summarises what was there where map {k} responded."
    )
    st.latex(r"P_k \;=\; \sum_{i=1}^{N} a_{i,k}\, x_i \qquad \text{(Eq. 1)}")
    over, bars, text = step_columns("block")
    with over:
        map_image(maps, k, view.position, view.look, cell_chooser(view))
    with bars:
        st.plotly_chart(
            growing_block(built, step, k, maps.pair),
            key="lesson-block",
            config=CHART_CONFIG,
            alt=f"Bar charts of the strongest entries of block {k}: patch, product, sum so far and finished block",
        )
    with text:
        st.markdown(
            f"For the block's strongest number, lower channel {entry_name(int(built.entries[0]), maps.pair)}: "
            f"{sum_of(built.products[built.order, 0])} = **{number(built.sums[-1, 0], 4)}**."
        )
        following = built.position_at(min(step + 1, built.end))
        st.button(
            "Add the next position",
            icon=":material/add:",
            key="add-next",
            on_click=cell_chooser(view),
            args=(following,),
        )
        try_it(
            "Add positions, the heaviest first. How many make up half of the map's weight?",
            f"**{step} of {len(built.order)}** positions make up **{100 * built.weight_share(step):.0f} %** of the "
            "weight.",
        )
        go_on(view, BUILD_PAGE, "Build this block yourself", "stacked_bar_chart")


def sum_of(products: np.ndarray) -> str:
    """The first few products written out, and how many more there are."""
    written = " + ".join(number(value) for value in products[:PRODUCTS_WRITTEN_OUT])
    more = len(products) - PRODUCTS_WRITTEN_OUT
    return f"{written} + {more} more" if more > 0 else written


def all_of_p(view: LessonState) -> None:
    """Step 5."""
    maps, k, shares = view.maps, view.channel, view.maps.statistics.energy_share
    half, dead = carriers_of_half(shares), int(maps.statistics.dead.sum())
    step_text(
        f"P is all blocks side by side: {len(shares):,} × {maps.pair.patch_length:,} = "
        f"**{maps.pair.feature_length:,} numbers** for one photo. No codebook, nothing to tune: the network's own next "
        "layer says where to look. The blocks are far from equal."
    )
    figures = {
        "blocks": f"{len(shares):,}",
        "zero everywhere": f"{dead:,}",
        "carry half of the energy": f"{half:,}",
        "numbers in P": f"{maps.pair.feature_length:,}",
    }
    row, text = step_columns("wide-blocks", 2)
    with row:
        with st.container(horizontal=True, gap="large"):
            for label, value in figures.items():
                st.metric(label, value, width="content")
        st.plotly_chart(
            blocks_in_a_row(np.linalg.norm(maps.pooled, axis=1), k, maps.pair.patch_length),
            key="lesson-blocks",
            config=CHART_CONFIG,
            alt=f"Bar chart of the size of all {len(shares):,} blocks in the order in which they stand in P",
        )
    with text:
        here = energy_rank(shares, k)
        among = "among" if here <= half else "not among"
        try_it(
            "Type the number of another map. Is it among the few that carry half of the energy?",
            f"Map {k} holds **{number(100 * shares[k])} %** of the energy of P and ranks **{ordinal(here)}** of "
            f"{len(shares):,}, so it is {among} these {half:,}.",
        )
        channel_input(maps, k, "lesson_map", choose_map)
        go_on(view, BUILD_PAGE, "Find the block in P", "stacked_bar_chart")
