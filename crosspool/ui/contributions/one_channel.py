"""One channel, one position: where a channel is evidence for the class, and which channels are at a position."""

from dataclasses import replace

import numpy as np
import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look, colour_range_of
from crosspool.ui.contributions.evidence_overlay import columns_that_wrap, evidence_overlay
from crosspool.ui.contributions.question import ContributionState, choose_contribution_cell, choose_contributor
from crosspool.ui.contributions.wording import moved
from crosspool.ui.maps.large_pictures import overlay_picture
from crosspool.ui.widgets.bars import Bar, bars
from crosspool.ui.widgets.text import as_it_is, signed

CHANNELS_AT_A_POSITION = 10  # channels listed at a position


def one_channel(view: ContributionState, look: Look) -> None:
    """Where the selected channel contributes, and which channels contribute at the selected position."""
    found, channel = view.found, view.channel
    name, value = as_it_is(view.names[channel]), signed(found.channels[channel])
    part, k = found.channel(channel)
    st.header(f"Channel {name} adds {value}", anchor=False)
    if view.place is None:
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
    assert view.place is not None
    values, cell, size = view.weights(view.channel), view.place.cell, view.place.size
    mixed, shape = bool(values.min() < 0), (values.shape[0], values.shape[1])
    overlay_picture(
        view.seen.photo,
        values,
        colour_range_of(values, signed=mixed),
        replace(look, colour_map=SIGNED_COLOUR_MAP) if mixed else look,
        position=moved(cell, size, shape),
        choose=lambda chosen: choose_contribution_cell(moved(chosen, shape, size)),
        alt=f"Weighting map {view.names[view.channel]} over the image, peak {values.max():.3g}.",
        label="weight, on the scale of this map",
        key="weights-map",
    )


def speakers_here(view: ContributionState) -> None:
    """The channels that contribute most at the position, for or against; a click selects one."""
    assert view.place is not None
    (row, column), found = view.place.cell, view.found
    said = found.channels_at(row, column)
    loudest = [int(k) for k in np.argsort(-np.abs(said), kind="stable")[:CHANNELS_AT_A_POSITION] if said[k]]
    st.markdown(f"**Strongest channels at row {row}, column {column}**")
    rows = [
        Bar(
            str(k), view.names[k], float(said[k]), signed(said[k]),
            f"channel {view.names[k]} adds {signed(said[k])} at this position",
        )
        for k in sorted(loudest, key=lambda k: -said[k])
    ]  # fmt: skip
    bars(rows, key="speakers", choose=lambda k: choose_contributor(int(k), stay=True), selected=str(view.channel))
    st.caption(f"All {len(said):,} channels together add {signed(said.sum())} here.")
