"""Eq. 1, step by step, with the numbers of the chosen image."""

import numpy as np
import pandas as pd
import streamlit as st

from crosspool.ui.equation.building import Construction, carriers_of_half, ceiling_note, counted_weights, summed_plainly
from crosspool.ui.equation.charts import EQUATION_1, blocks_formula, show_blocks, show_energy
from crosspool.ui.maps.entry_chart import entry_name, show_strongest_entries
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import cell_name, number

POSITIONS_WRITTEN_OUT = 6
ENTRIES_WRITTEN_OUT = 4  # of each patch
ENTRIES_OF_POSITION = 12


def worked_example(maps: ImageMaps, request: MapRequest, built: Construction, channel: int, position: Cell) -> None:
    """One position, one block, and all of P, with all numbers."""
    _one_position(maps, built, channel, position)
    _one_block(maps, request, channel)
    _all_blocks(maps, channel)


def _one_position(maps: ImageMaps, built: Construction, channel: int, position: Cell) -> None:
    """Step 1: the patch and its weight, and what they add."""
    pair, (m, n) = maps.pair, maps.pair.kernel_size
    rows, columns = maps.upper.shape[1:]
    st.header("1 · A patch of one layer, a weight from the next", anchor=False)
    text, table = st.columns([1, 1.2], gap="large")
    text.markdown(
        f"""
A convolution reads layer *t* and writes layer *t*+1. Each of its {rows} × {columns} = **{rows * columns} positions**
*i* looks at one patch of layer *t*: {m} × {n} cells × {pair.lower_channels:,} channels, in total
**{pair.patch_length:,} numbers**, the {term("local feature")} $x_i$. It says **what** is there.

Channel *k* of layer *t*+1 has one number for the same position, $a_{{i,k}}$: how strongly the network found *its*
pattern there. All of them together are the **{term("weighting map")}** *k*. It says **where** to look.

At {cell_name(position)}, map {channel} has the weight **{number(maps.upper[channel][position])}**.
Click in either image above to read another position. Rows, columns, maps and the blocks of P are all counted from 0.
"""
    )
    table.table(_position_in_numbers(maps, built, position))


def _position_in_numbers(maps: ImageMaps, built: Construction, position: Cell) -> pd.DataFrame:
    """The position's patch and product, the sum so far, and the finished block, for the block's strongest entries."""
    step = built.step_of(*position)
    i = built.order[step - 1]
    vectors = [built.features[i], built.products[i], built.sums[step - 1], built.sums[-1]]
    columns = dict(zip(("patch", "weight × patch", "sum so far", "finished block"), vectors, strict=True))
    names = pd.Index([entry_name(int(entry), maps.pair) for entry in built.entries], name="lower channel")
    return pd.DataFrame(columns, names).head(ENTRIES_OF_POSITION).map(number, digits=4)


def positions_written_out(weights: np.ndarray) -> list[Cell]:
    """The heaviest positions of a map, (H, W), heaviest first; where there are enough, no weight is written twice."""
    order = np.argsort(-np.abs(weights), axis=None, kind="stable")
    first_of_each = {number(weight): place for place, weight in reversed([*enumerate(weights.ravel()[order].tolist())])}
    first = sorted(first_of_each.values())
    chosen = sorted(list(dict.fromkeys([*first, *range(len(order))]))[:POSITIONS_WRITTEN_OUT])
    rows, columns = np.unravel_index(order[chosen], weights.shape)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _one_block(maps: ImageMaps, request: MapRequest, channel: int) -> None:
    """Step 2: the weighted sum for one map, written out, and checked against what the app computed."""
    st.header("2 · Weigh, add up: one block of P", anchor=False)
    st.latex(EQUATION_1)
    weights, block = counted_weights(maps, channel, request.border), maps.block(channel)
    strongest = np.argsort(-np.abs(block), kind="stable")[:ENTRIES_WRITTEN_OUT]
    rows = {}
    for cell in positions_written_out(weights):
        products = weights[cell] * maps.patch(*cell)[strongest]
        rows[cell_name(cell)] = [number(weights[cell]), *map(number, products)]
    rows[f"all {weights.size} positions"] = [number(weights.sum()), *(number(entry, 4) for entry in block[strongest])]
    columns = ["weight a", *(f"a · x: entry {entry_name(int(entry), maps.pair)}" for entry in strongest)]
    st.table(pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("position i"))
    if note := ceiling_note(maps, channel):
        st.markdown(note)
    difference = np.abs(summed_plainly(maps, weights[None])[0] - block).max()
    cells = "" if maps.pair.kernel_size == (1, 1) else " (row, column in the patch)"
    st.caption(
        f"Heavy positions with different weights, and the {ENTRIES_WRITTEN_OUT} strongest entries of the "
        f"{term('block')}, named by lower channel{cells}. "
        "Check: the sum over all positions, added up here in double precision, differs from the pooled block by at "
        f"most {number(difference, 1)}, where the block's largest entry is {number(np.abs(block).max(), 4)}."
    )
    show_strongest_entries(block, maps.pair, f"block P_{channel}", key="explained-block")


def _all_blocks(maps: ImageMaps, channel: int) -> None:
    """Step 3: the blocks side by side."""
    pair, shares = maps.pair, maps.statistics.energy_share
    st.header("3 · All blocks side by side: P", anchor=False)
    st.latex(blocks_formula(pair.upper_channels))
    half = carriers_of_half(shares)
    carried = f"the {half} strongest carry half of the {term('energy')}" if half else "none has any energy"
    st.markdown(
        f"{pair.upper_channels:,} blocks of {pair.patch_length:,} numbers: P has **{pair.feature_length:,}**. No "
        "codebook, and nothing to tune: the network's own next layer says where to look. Here "
        f"{int(maps.statistics.dead.sum()):,} maps are zero everywhere, and {carried} "
        r"$\lVert P\rVert^2$."
    )
    show_blocks(maps, channel, key="blocks")
    first, last = channel * pair.patch_length, (channel + 1) * pair.patch_length - 1
    st.caption(f"Block {channel} is numbers {first:,} to {last:,} of the {pair.feature_length:,} of P.")
    show_energy(shares)
    st.caption(
        "Liu, Shen, van den Hengel: The Treasure beneath Convolutional Layers: Cross-convolutional-layer Pooling for "
        "Image Classification, CVPR 2015."
    )
