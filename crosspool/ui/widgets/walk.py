"""A slider over the steps of a walk, with a button that plays it."""

from collections.abc import Callable

from crosspool.ui.widgets.browser import component

STEPS_PLAYED = 120  # about as many are shown from the first to the last, however long the walk is

_HTML = (
    '<div class="walk"><button type="button">▶ Play</button><label><span>Position</span>'
    '<input type="range" min="1" step="1"></label></div>'
)
_draw = component("ui/widgets/walk", _HTML)


def walk(step: int, *, steps: int, end: int, label: str, choose: Callable[[int], None], key: str) -> None:
    """Show `step` of 1..steps; `choose(step)` is called when another one is chosen. Playing stops at step `end`."""
    data = {"step": step, "steps": steps, "end": end, "stride": max(1, round(steps / STEPS_PLAYED)), "label": label}
    _draw(data, key, step=lambda chosen: choose(min(max(int(chosen), 1), steps)))
