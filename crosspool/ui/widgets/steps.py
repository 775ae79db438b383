"""The steps of a lesson in a row, each a link, between a Previous and a Next button."""

from collections.abc import Callable, Sequence

from crosspool.ui.widgets.browser import Index, component, one_of

_HTML = (
    '<nav class="steps" aria-label="Steps"><button class="previous" type="button">← <span>Previous</span></button>'
    '<ol></ol><p aria-live="polite"></p><button class="next" type="button"><span>Next</span> →</button></nav>'
)
_draw = component("ui/widgets/steps", _HTML, step=Index)


def steps(titles: Sequence[str], step: int, *, marks: Sequence[str], choose: Callable[[int], None], key: str) -> None:
    """Show `step`, counted from 1, among the titles; `choose(step)` is called when another one is chosen.

    `marks` says of each step how its question was answered: "right", "wrong", "shown", or "" for not yet.
    The links' addresses say `?step=`, so that they can be opened in a new tab or copied.
    """
    data = {"titles": list(titles), "marks": list(marks), "step": step}
    _draw(data, key, step=one_of(range(1, len(titles) + 1), choose))
