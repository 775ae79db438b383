"""All channels: the strongest, ranked, with their maps; and every one in a table."""

import numpy as np
import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, ColourRange, Look, colour_range_of
from crosspool.ui.contributions.evidence_overlay import columns_that_wrap
from crosspool.ui.contributions.leaving_out import leaving_out_section
from crosspool.ui.contributions.question import (
    ContributionChoices,
    ContributionState,
    choose_channel,
    left_out,
    tick_channel,
)
from crosspool.ui.contributions.wording import contribution_table, strongest_channels
from crosspool.ui.maps.large_images import colour_scale
from crosspool.ui.visit.state import bound, visit_state
from crosspool.ui.widgets.bars import Bar, SmallMap, bars, small_map
from crosspool.ui.widgets.text import file_stem, signed

LIST_LENGTHS = (4, 8, 16, 32)  # channels listed for the class, and as many against it


def ranked_channels(view: ContributionState, look: Look) -> None:
    """The strongest channels for the class and against it, each to be unticked, and what that changes."""
    contributions = view.contributions
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.header("Channels, ranked", anchor=False, width="content")
        state = visit_state(ContributionChoices)
        st.segmented_control("Number of each", LIST_LENGTHS, required=True, **bound(state, "ranked"))
    ahead, behind = strongest_channels(contributions.channels, state.ranked)
    colour_range = None
    if view.selected is not None and (ahead or behind):
        colour_range = colour_range_of(np.stack([np.abs(view.evidence(k)).max() for k in ahead + behind]), signed=True)
        colour_scale(
            colour_range,
            SIGNED_COLOUR_MAP,
            "evidence at a position, one scale for all the small maps on the right; those on the left are the "
            "weighting maps, each from 0 to its own peak",
        )
    left, middle, right = columns_that_wrap("ranked", 3)
    widest = float(np.abs(contributions.channels).max(initial=0)) or 1.0
    for column, title, listed in ((left, "for", ahead), (middle, "against", behind)):
        with column:
            st.markdown(f"**Strongest {title} {view.wording}**")
            if not listed:
                st.caption(f"No channel is evidence {title} it.")
                continue
            ends = (0.0, widest) if title == "for" else (-widest, 0.0)
            channel_bars(view, listed, look, colour_range, key=f"ranked-{title}", ends=ends)
    with right:
        leaving_out_section(view)


def channel_bars(
    view: ContributionState,
    listed: list[int],
    look: Look,
    colour_range: ColourRange | None,
    *,
    key: str,
    ends: tuple[float, float],
) -> None:
    """Channels with their weighting maps, their evidence and their contribution."""
    contributions = view.contributions
    rows = []
    for channel in listed:
        part, k = contributions.channel(channel)
        maps: tuple[SmallMap, ...] = ()
        if colour_range is not None:
            weights = view.weights(channel)
            mixed = bool(weights.min() < 0)
            maps = (
                small_map(weights, colour_range_of(weights, signed=mixed), signed=mixed),
                small_map(view.evidence(channel), colour_range, signed=True),
            )
        name, value = view.names[channel], float(contributions.channels[channel])
        note = f"{100 * part.energy[k]:.2g} % of the energy"
        label = f"channel {name}: contribution {signed(value)}, {note}"
        counted = channel not in left_out()
        rows.append(Bar(str(channel), name, value, signed(value), label, note, ticked=counted, maps=maps))
    bars(
        rows,
        key=key,
        choose=lambda k: choose_channel(int(k)),
        tick=lambda k, counted: tick_channel(int(k), counted),
        selected=str(view.channel),
        photos=[view.explained.photo] if colour_range is not None else [],
        look=look,
        bar_range=ends,
    )


def channel_table_section(view: ContributionState) -> None:
    """All channels as numbers, to download; a selected row is shown enlarged."""
    listed = st.expander("All channels as a table", icon=":material/table:", key="channel-table", on_change="rerun")
    if not listed.open:
        return
    table = contribution_table(view.contributions)
    order = np.argsort(-table["contribution"].to_numpy(), kind="stable")

    def on_select() -> None:
        selected = st.session_state["contributions"].selection.rows
        if selected:
            choose_channel(int(order[selected[0]]))

    with listed:
        st.dataframe(
            table.iloc[order],
            hide_index=True,
            height=320,
            key="contributions",
            on_select=on_select,
            selection_mode="single-row",
            column_config={
                "contribution": st.column_config.NumberColumn(format="%.4g"),
                "energy_share": st.column_config.NumberColumn("share of energy", format="percent"),
                "evidence_there": st.column_config.NumberColumn("strongest evidence", format="%.4g"),
                "row": "its row",
                "column": "its column",
            },
        )
        name = "-".join(file_stem(text) for text in (view.picture.title, view.subject.name, *view.question) if text)
        st.download_button(
            "Table as CSV",
            table.to_csv(index=False),
            f"{name}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
