"""One channel, one position: where a channel is evidence for the class, and which channels are at a position."""

from dataclasses import replace

import numpy as np
import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look, colour_range_of
from crosspool.ui.contributions.evidence_overlay import columns_that_wrap, evidence_overlay
from crosspool.ui.contributions.question import ContributionState, choose_channel, choose_contribution_cell
from crosspool.ui.contributions.wording import cell_of_other_grid
from crosspool.ui.maps.large_images import overlay_image
from crosspool.ui.widgets.bars import Bar, bars
from crosspool.ui.widgets.text import as_it_is, signed

CHANNELS_AT_A_POSITION = 10  # channels listed at a position


def one_channel(view: ContributionState, look: Look) -> None:
    """Where the selected channel contributes, and which channels contribute at the selected position."""
    contributions, channel = view.contributions, view.channel
    name, value = as_it_is(view.names[channel]), signed(contributions.channels[channel])
    part, k = contributions.channel(channel)
    st.header(f"Channel {name} adds {value}", anchor=False)
    if view.selected is None:
        st.caption(f"It holds {100 * part.energy[k]:.2g} % of the energy.")
        return
    weights, over, speakers = columns_that_wrap("channel", 3)
    with weights:
        st.markdown("**Its weighting map**")
        weights_overlay(view, look)
    with over:
        st.markdown(f"**Its evidence for {view.wording}**")
        evidence_overlay(view, view.evidence(channel), look, key="evidence", whose=f"channel {view.names[channel]}")
    with speakers:
        speakers_here(view)


def weights_overlay(view: ContributionState, look: Look) -> None:
    """The selected channel's weighting map; clicks select a position."""
    assert view.selected is not None
    values, cell, size = view.weights(view.channel), view.selected.cell, view.selected.size
    mixed, shape = bool(values.min() < 0), (values.shape[0], values.shape[1])
    overlay_image(
        view.explained.photo,
        values,
        colour_range_of(values, signed=mixed),
        replace(look, colour_map=SIGNED_COLOUR_MAP) if mixed else look,
        position=cell_of_other_grid(cell, size, shape),
        choose=lambda chosen: choose_contribution_cell(cell_of_other_grid(chosen, shape, size)),
        alt=f"Weighting map {view.names[view.channel]} over the image, peak {values.max():.3g}.",
        label="weight, on the scale of this map",
        key="weights-map",
    )


def speakers_here(view: ContributionState) -> None:
    """The channels that contribute most at the position, for or against; a click selects one."""
    assert view.selected is not None
    (row, column), contributions = view.selected.cell, view.contributions
    amounts = contributions.channels_at(row, column)
    strongest = [int(k) for k in np.argsort(-np.abs(amounts), kind="stable")[:CHANNELS_AT_A_POSITION] if amounts[k]]
    st.markdown(f"**Strongest channels at row {row}, column {column}**")
    rows = [
        Bar(
            str(k), view.names[k], float(amounts[k]), signed(amounts[k]),
            f"channel {view.names[k]} adds {signed(amounts[k])} at this position",
        )
        for k in sorted(strongest, key=lambda k: -amounts[k])
    ]  # fmt: skip
    bars(rows, key="speakers", choose=lambda k: choose_channel(int(k), stay=True), selected=str(view.channel))
    st.caption(f"All {len(amounts):,} channels together add {signed(amounts.sum())} here.")
