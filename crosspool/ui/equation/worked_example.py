"""Eq. 1, step by step, with the numbers of the chosen image."""

import numpy as np
import pandas as pd
import streamlit as st

from crosspool.ui.equation.building import carriers_of_half, counted_weights, summed_plainly
from crosspool.ui.equation.charts import EQUATION_1, blocks_formula, show_energy
from crosspool.ui.maps.entry_chart import entry_name, show_strongest_entries
from crosspool.ui.maps.large_images import beside_large_images, headline
from crosspool.ui.maps.page import maps_page
from crosspool.ui.maps.selection import channel_input, selected_cell, selected_channel
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.widgets.text import cell_name, number

POSITIONS_WRITTEN_OUT = 6
ENTRIES_WRITTEN_OUT = 4  # of each patch


def worked_example_page() -> None:
    """The page What am I looking at?"""
    maps_page("What am I looking at?", _worked_example)


def _worked_example(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    headline(image, request, maps)
    channel = selected_channel(maps)
    _two_layers(maps, request, channel)
    _one_block(maps, request, channel)
    _all_blocks(maps)


def _two_layers(maps: ImageMaps, request: MapRequest, channel: int) -> None:
    """Step 1: the patch and its weight."""
    position, pair, (m, n) = selected_cell(maps, channel), maps.pair, maps.pair.kernel_size
    rows, columns = maps.upper.shape[1:]
    st.header("1 · A patch of one layer, a weight from the next", anchor=False)
    with beside_large_images(maps, request, channel, position):
        st.markdown(
            f"""
A convolution reads layer *t* and writes layer *t*+1. Each of its {rows} × {columns} = **{rows * columns} positions**
*i* looks at one patch of layer *t*: {m} × {n} cells × {pair.lower_channels} channels, in total
**{pair.patch_length:,} numbers**, the *local feature* $x_i$. It says **what** is there.

Channel *k* of layer *t*+1 has one number for the same position, $a_{{i,k}}$: how strongly the network found *its*
pattern there. All of them together are the **weighting map** *k*. It says **where** to look.

At {cell_name(position)}, map {channel} has the weight **{number(maps.upper[channel][position])}**.
Click in either image to read another position. Rows, columns, maps and the blocks of P are all counted from 0.
"""
        )
        channel_input(maps, channel, "explained")


def _one_block(maps: ImageMaps, request: MapRequest, channel: int) -> None:
    """Step 2: the weighted sum for one map, written out, and checked against what the app computed."""
    st.header("2 · Weigh, add up: one block of P", anchor=False)
    st.latex(EQUATION_1)
    weights, block = counted_weights(maps, channel, request.border), maps.pooled[channel]
    heaviest = np.argsort(-np.abs(weights), axis=None)[:POSITIONS_WRITTEN_OUT]
    strongest = np.argsort(-np.abs(block), kind="stable")[:ENTRIES_WRITTEN_OUT]
    rows = {}
    for row, column in np.stack(np.unravel_index(heaviest, weights.shape), axis=1).tolist():
        products = weights[row, column] * maps.patch(row, column)[strongest]
        rows[cell_name((row, column))] = [number(weights[row, column]), *map(number, products)]
    rows[f"all {weights.size} positions"] = [number(weights.sum()), *(number(entry, 4) for entry in block[strongest])]
    columns = ["weight a", *(f"a · x: entry {entry_name(int(entry), maps.pair)}" for entry in strongest)]
    st.table(pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("position i"))
    difference = np.abs(summed_plainly(maps, weights[None])[0] - block).max()
    st.caption(
        f"The {POSITIONS_WRITTEN_OUT} heaviest positions, and the {ENTRIES_WRITTEN_OUT} strongest entries of the "
        f"block, named by lower channel{'' if maps.pair.kernel_size == (1, 1) else ' (row, column in the patch)'}. "
        "Check: the sum over all positions, added up here in double precision, differs from the pooled block by at "
        f"most {difference:.1g}, where the block's largest entry is {np.abs(block).max():.4g}."
    )
    show_strongest_entries(block, maps.pair, f"block P_{channel}", key="explained-block")
    st.page_link("pages/build_p.py", label="Build P: add up this block yourself", icon=":material/stacked_bar_chart:")


def _all_blocks(maps: ImageMaps) -> None:
    """Step 3: the blocks side by side."""
    pair, shares = maps.pair, maps.statistics.energy_share
    st.header("3 · All blocks side by side: P", anchor=False)
    st.latex(blocks_formula(pair.upper_channels))
    half = carriers_of_half(shares)
    carried = f"the {half} strongest carry half of the energy" if half else "none has any energy"
    st.markdown(
        f"{pair.upper_channels:,} blocks of {pair.patch_length:,} numbers: P has **{pair.feature_length:,}**. No "
        "codebook, and nothing to tune: the network's own next layer says where to look. Here "
        f"{int(maps.statistics.dead.sum()):,} maps are zero everywhere, and {carried} "
        r"$\lVert P\rVert^2$."
    )
    show_energy(shares)
    st.caption(
        "Liu, Shen, van den Hengel: The Treasure beneath Convolutional Layers: Cross-convolutional-layer Pooling for "
        "Image Classification, CVPR 2015."
    )
