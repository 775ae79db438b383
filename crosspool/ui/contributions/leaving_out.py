"""Leaving channels out: which, and what the scores become without them."""

import streamlit as st

from crosspool.pooled_parts import Vector
from crosspool.ui.contributions.overview import scores_chart
from crosspool.ui.contributions.question import ContributionChoices, ContributionState, left_out, tick_all_channels
from crosspool.ui.contributions.wording import Ablation, change_sentence, channels_to_leave_out
from crosspool.ui.visit.state import bound, visit_state

ABLATIONS: dict[Ablation, str] = {"most": "Strongest for", "least": "Weakest", "random": "Random"}


ABLATION_HELP: dict[Ablation, str] = {
    "most": "The channels with the largest contributions.",
    "least": "The channels with the smallest contributions: the strongest against it.",
    "random": "As many channels chosen at random, to compare with.",
}


def leaving_out_section(view: ContributionState) -> None:
    """Untick many channels at once, and show the scores without them."""
    contributions, unticked = view.contributions, sorted(left_out())
    st.markdown("**Without the unticked channels**")
    if unticked:
        before, after = view.explained.scores, view.explained.explanation.without_channels(unticked)
        frozen = float(contributions.channels[unticked].sum())
        st.markdown(change_sentence(before, after, view.classes, view.question, frozen, len(unticked)))
        scores_chart(view, after, "scores-after")
        st.caption("Pale: with all channels. Solid: without the unticked ones.")
        st.button("Tick all again", on_click=tick_all_channels, icon=":material/check_box:")
    else:
        st.caption("Untick a channel in the lists, or many at once here, and watch the scores change.")
    state = visit_state(ContributionChoices)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=130):
            st.number_input("Untick", 1, len(contributions.channels), **bound(state, "drop_count"))
        with st.container(width=110):
            st.number_input("Seed", 0, 9999, help="For the random channels.", **bound(state, "drop_seed"))
    with st.container(horizontal=True, gap="small"):
        for ablation, title in ABLATIONS.items():
            st.button(
                title,
                key=f"drop-{ablation}",
                on_click=leave_out,
                args=(contributions.channels, ablation),
                help=ABLATION_HELP[ablation],
            )


def leave_out(contributions: Vector, ablation: Ablation) -> None:
    state = visit_state(ContributionChoices)
    state.unticked = channels_to_leave_out(contributions, ablation, state.drop_count, state.drop_seed)
