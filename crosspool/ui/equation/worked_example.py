"""Eq. 1, step by step, with the numbers of the chosen image."""

import numpy as np
import pandas as pd
import streamlit as st

from crosspool.ui.equation.building import counted_weights, summed_plainly
from crosspool.ui.equation.charts import energy_by_channel
from crosspool.ui.maps.entry_chart import CHART_CONFIG, entry_name, strongest_entries
from crosspool.ui.maps.large_images import headline, input_image, map_image
from crosspool.ui.maps.page import maps_page
from crosspool.ui.maps.selection import channel_input, current_look, selected_cell, selected_channel
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.widgets.text import number

POSITIONS_WRITTEN_OUT = 6  # positions written out


ENTRIES_WRITTEN_OUT = 4  # entries of each patch written out


def two_layers(maps: ImageMaps, request: MapRequest, channel: int) -> None:
    """Step 1: the patch and its weight."""
    position = selected_cell(maps, channel)
    pair = maps.pair
    m, n = pair.kernel_size
    rows, columns = maps.upper.shape[1:]
    st.header("1 · A patch of one layer, a weight from the next", anchor=False)
    with st.container(key="large"):
        input_column, over, text = st.columns(3, gap="medium")
    with input_column:
        input_image(maps, request, position)
    with over:
        map_image(maps, channel, position, current_look(maps.signed))
    with text:
        st.markdown(
            f"""
A convolution reads layer *t* and writes layer *t*+1. Each of its {rows} × {columns} = **{rows * columns} positions**
*i* looks at one patch of layer *t*: {m} × {n} cells × {pair.lower_channels} channels, in total
**{pair.patch_length:,} numbers**, the *local feature* $x_i$. It says **what** is there.

Channel *k* of layer *t*+1 has one number for the same position, $a_{{i,k}}$: how strongly the network found *its*
pattern there. All of them together are the **weighting map** *k*. It says **where** to look.

At row {position[0]}, column {position[1]}, map {channel} has the weight **{number(maps.upper[channel][position])}**.
Click in either image to read another position.
"""
        )
        channel_input(maps, channel, "explained")


def one_block_in_numbers(maps: ImageMaps, request: MapRequest, channel: int) -> None:
    """Step 2: the weighted sum for one map, written out, and checked against what the app computed."""
    st.header("2 · Weigh, add up: one block of P", anchor=False)
    st.latex(r"P_k \;=\; \sum_{i=1}^{N} a_{i,k}\, x_i \qquad \text{(Eq. 1)}")
    weights = counted_weights(maps, channel, request.border)
    order = np.argsort(-np.abs(weights), axis=None)[:POSITIONS_WRITTEN_OUT]
    cells = [(int(i) // weights.shape[1], int(i) % weights.shape[1]) for i in order]
    strongest = np.argsort(-np.abs(maps.pooled[channel]), kind="stable")[:ENTRIES_WRITTEN_OUT]
    names = [f"entry {entry_name(int(entry), maps.pair)}" for entry in strongest]
    rows = []
    for row, column in cells:
        product = weights[row, column] * maps.patch(row, column)
        rows.append(
            [f"row {row}, column {column}", number(weights[row, column]), *(number(v) for v in product[strongest])]
        )
    block = maps.pooled[channel][strongest]
    rows.append([f"all {weights.size} positions", number(weights.sum()), *(number(v, 4) for v in block)])
    st.table(
        pd.DataFrame(rows, columns=["position i", "weight a", *(f"a · x: {name}" for name in names)]).set_index(
            "position i"
        )
    )
    difference = np.abs(summed_plainly(maps, weights[None])[0] - maps.pooled[channel]).max()
    st.caption(
        f"The {POSITIONS_WRITTEN_OUT} heaviest positions, and the {ENTRIES_WRITTEN_OUT} strongest entries of the "
        f"block, named by lower channel{'' if maps.pair.kernel_size == (1, 1) else ' (row, column in the patch)'}. "
        "Check: the sum over all positions, added up here in double precision, differs from the pooled block by at "
        f"most {difference:.1g}, where the block's largest entry is {np.abs(maps.pooled[channel]).max():.4g}."
    )
    st.plotly_chart(
        strongest_entries(maps.pooled[channel], maps.pair, f"block P_{channel}"),
        config=CHART_CONFIG,
        alt=f"Bar chart of the strongest entries of block {channel}",
    )
    st.page_link("pages/build_p.py", label="Build P: add up this block yourself", icon=":material/stacked_bar_chart:")


def all_blocks(maps: ImageMaps) -> None:
    """Step 3: the blocks side by side."""
    pair, statistics = maps.pair, maps.statistics
    st.header("3 · All blocks side by side: P", anchor=False)
    st.latex(r"P \;=\; [\,P_1;\; P_2;\; \dots;\; P_{D_{t+1}}\,]")
    top = np.sort(statistics.energy_share)[::-1]
    half = int(np.searchsorted(top.cumsum(), 0.5)) + 1
    carried = f"the {half} strongest carry half of the energy" if top.any() else "none has any energy"
    st.markdown(
        f"{pair.upper_channels:,} blocks of {pair.patch_length:,} numbers: P has **{pair.feature_length:,}**. No "
        "codebook, and nothing to tune: the network's own next layer says where to look. Here "
        f"{int(statistics.dead.sum()):,} maps are zero everywhere, and {carried} "
        r"$\lVert P\rVert^2$."
    )
    st.plotly_chart(
        energy_by_channel(statistics.energy_share),
        config=CHART_CONFIG,
        alt="Bar chart of the share of the energy of P that each block carries, the largest first",
    )
    st.caption(
        "Liu, Shen, van den Hengel: The Treasure beneath Convolutional Layers: Cross-convolutional-layer Pooling for "
        "Image Classification, CVPR 2015."
    )


def worked_example(picture: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    """The three steps."""
    headline(picture, request, maps)
    channel = selected_channel(maps)
    two_layers(maps, request, channel)
    one_block_in_numbers(maps, request, channel)
    all_blocks(maps)


def worked_example_page() -> None:
    """The page."""
    maps_page("What am I looking at?", worked_example)
