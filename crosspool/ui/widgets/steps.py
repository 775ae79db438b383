"""The steps of a lesson in a row, each a link, between a button back and a button on."""

from collections.abc import Callable, Sequence

import streamlit as st

from crosspool.gallery.assets import asset, script

_HTML = (
    '<nav class="steps" aria-label="Steps"><button class="previous" type="button">← <span>Previous</span></button>'
    '<ol></ol><p aria-live="polite"></p><button class="next" type="button"><span>Next</span> →</button></nav>'
)
_component = st.components.v2.component(
    "crosspool.steps", html=_HTML, css=asset("ui/widgets/steps.css"), js=script("ui/widgets/steps.js")
)


def steps(titles: Sequence[str], step: int, *, choose: Callable[[int], None], key: str) -> None:
    """Show `step`, counted from 1, among the titles; `choose(step)` is called for another one.

    The links' addresses say `?step=`, for who opens or copies them.
    """

    def on_step_change() -> None:
        chosen = st.session_state[key].step
        if chosen is not None:
            choose(min(max(int(chosen), 1), len(titles)))

    _component(data={"titles": list(titles), "step": step}, key=key, on_step_change=on_step_change)
