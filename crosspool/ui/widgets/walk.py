"""A slider over the steps of a walk, with a button that plays it."""

from collections.abc import Callable

import streamlit as st

from crosspool.gallery.assets import asset, script

STEPS_PLAYED = 120  # about as many are shown from the first to the last, however long the walk is

_HTML = (
    '<div class="walk"><button type="button">▶ Play</button><label><span>Position</span>'
    '<input type="range" min="1" step="1"></label></div>'
)
_component = st.components.v2.component(
    "crosspool.walk", html=_HTML, css=asset("ui/widgets/walk.css"), js=script("ui/widgets/walk.js")
)


def walk(step: int, *, steps: int, end: int, label: str, choose: Callable[[int], None], key: str) -> None:
    """Show `step` of 1..steps; `choose(step)` is called for another one. Playing stops at step `end`."""

    def on_step_change() -> None:
        chosen = st.session_state[key].step
        if chosen is not None:
            choose(min(max(int(chosen), 1), steps))

    data = {"step": step, "steps": steps, "end": end, "stride": max(1, round(steps / STEPS_PLAYED)), "label": label}
    _component(data=data, key=key, on_step_change=on_step_change)
