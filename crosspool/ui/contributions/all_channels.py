"""All channels: the strongest, ranked, with their maps; what the scores are without some; and a table of every one."""

from typing import Any

import numpy as np
import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, ColourRange, colour_range_of
from crosspool.text import rough_percent
from crosspool.ui.contributions import wording
from crosspool.ui.contributions.evidence import channel_bar, channel_bars, columns_that_wrap, scores_chart
from crosspool.ui.contributions.question import ContributionState
from crosspool.ui.maps.large_images import colour_scale
from crosspool.ui.visit.state import bound, selected_row
from crosspool.ui.widgets.bars import Bar, small_map
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import file_stem

LIST_LENGTHS = (4, 8, 16, 32)  # channels listed for the class, and as many against it
SCALE_NOTE = "evidence at a position, one scale for all small maps in red and blue"
ROW_NOTE = (
    f"Each row: the channel's {term('weighting map')} on a scale of its own, from 0 to its {term('peak')}; its "
    f"evidence; what it adds to the score; and its share of the {term('energy')}."
)
ABLATIONS: dict[wording.Ablation, tuple[str, str]] = {
    "most": ("Strongest for", "The channels with the largest contributions."),
    "least": ("Weakest", "The channels with the smallest contributions: the strongest against it."),
    "random": ("Random", "As many channels chosen at random, to compare with."),
}
COLUMNS: dict[str, Any] = {  # of the table, as Streamlit describes them
    "contribution": st.column_config.NumberColumn(format="%.4g"),
    "energy_share": st.column_config.NumberColumn("share of energy", format="percent"),
    "evidence_there": st.column_config.NumberColumn("strongest evidence", format="%.4g"),
    "row": st.column_config.NumberColumn("its row", help="Of cells with equally strong evidence, that of the first."),
    "column": "its column",
}


def ranked_channels(view: ContributionState) -> None:
    """The strongest channels for the class and against it, each to be unticked, and what that changes."""
    contributions, choices = view.contributions, view.choices
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.header("Channels, ranked", anchor=False, width="content")
        st.segmented_control(
            "Number of each", LIST_LENGTHS, required=True, **bound(choices, "ranked", among=LIST_LENGTHS)
        )
    ahead, behind = wording.strongest_channels(contributions.channels, choices.ranked)
    colour_range = None
    if view.selected is not None and (ahead or behind):
        colour_range = colour_range_of(np.stack([np.abs(view.evidence(k)).max() for k in ahead + behind]), signed=True)
        st.caption(ROW_NOTE)
        colour_scale(colour_range, SIGNED_COLOUR_MAP, SCALE_NOTE)
    left, middle, right = columns_that_wrap("ranked", 3)
    widest = float(np.abs(contributions.channels).max(initial=0)) or 1.0
    photos = [view.explained.photo] if colour_range is not None else []
    lists: dict[wording.Side, Any] = {"for": (left, ahead, (0.0, widest)), "against": (middle, behind, (-widest, 0.0))}

    def tick(row: str, counted: bool) -> None:
        choices.tick(int(row), counted)

    for side, (column, channels, ends) in lists.items():
        with column:
            st.markdown(f"**{wording.side_title(side, *view.titled_question)}**")
            if not channels:
                st.caption(f"No channel is evidence {side} it.")
                continue
            rows = [_ranked_bar(view, channel, colour_range) for channel in channels]
            channel_bars(view, rows, key=f"ranked-{side}", tick=tick, photos=photos, bar_range=ends)
    with right:
        _leaving_out_section(view)


def _ranked_bar(view: ContributionState, channel: int, colour_range: ColourRange | None) -> Bar:
    """A channel with its contribution, its weighting map and its evidence."""
    part, k = view.contributions.channel(channel)
    maps = []
    if colour_range is not None:
        weights = view.weights(channel)
        mixed = bool(weights.min() < 0)
        maps.append(small_map(weights, colour_range_of(weights, signed=mixed), signed=mixed))
        maps.append(small_map(view.evidence(channel), colour_range, signed=True))
    value, note = float(view.contributions.channels[channel]), f"{rough_percent(part.energy[k])} of the energy"
    ticked = channel not in view.choices.unticked
    return channel_bar(view, channel, value, f", {note}", note=note, ticked=ticked, maps=tuple(maps))


# --- leaving channels out


def _leaving_out_section(view: ContributionState) -> None:
    """The scores without the unticked channels, and buttons to untick many at once."""
    channels, choices = view.contributions.channels, view.choices
    unticked = sorted(choices.unticked)
    st.markdown("**Without the unticked channels**")
    if unticked:
        before, after = view.explained.scores, view.explained.explanation.without_channels(unticked)
        classes, frozen = list(view.titles.values()), float(channels[unticked].sum())
        st.markdown(wording.change_sentence(before, after, classes, view.titled_question, frozen, len(unticked)))
        scores_chart(view, after, "scores-after")
        st.caption("Pale: with all channels. Solid: without the unticked ones.")
        st.button("Tick all again", on_click=choices.tick_all, icon=":material/check_box:")
    else:
        st.caption("Untick a channel in the lists, or many at once here, and watch the scores change.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.number_input("Untick", 1, len(channels), width=130, **bound(choices, "drop_count"))
        st.number_input("Seed", 0, 9999, width=110, help="For the random channels.", **bound(choices, "drop_seed"))

    def leave_out(ablation: wording.Ablation) -> None:
        choices.unticked = wording.channels_to_leave_out(channels, ablation, choices.drop_count, choices.drop_seed)

    with st.container(horizontal=True, gap="small"):
        for ablation, (title, hint) in ABLATIONS.items():
            st.button(title, key=f"drop-{ablation}", on_click=leave_out, args=(ablation,), help=hint)


# --- the table


def channel_table_section(view: ContributionState) -> None:
    """All channels as numbers, to download; a selected row selects its channel."""
    expander = st.expander("All channels as a table", icon=":material/table:", key="channel-table", on_change="rerun")
    if not expander.open:
        return
    choices, table = view.choices, wording.contribution_table(view.contributions)
    order = np.argsort(-table["contribution"].to_numpy(), kind="stable")

    def on_select() -> None:
        row = selected_row("contributions", len(order))
        if row is not None:
            choices.choose_channel(int(order[row]))

    with expander:
        st.dataframe(
            table.iloc[order], hide_index=True, height=320, key="contributions", column_config=COLUMNS,
            on_select=on_select, selection_mode="single-row",
        )  # fmt: skip
        title = "-".join(file_stem(text) for text in (view.image.title, view.classifier.name, *view.question) if text)
        data, icon = table.to_csv(index=False), ":material/download:"
        st.download_button("Table as CSV", data, f"{title}.csv", "text/csv", icon=icon, on_click="ignore")
