"""The mark on the link to the current page, in a row of links that scrolls."""

from crosspool.ui.widgets.browser import component

_draw = component("ui/widgets/current_tab")


def mark_current_tab(current: int) -> None:
    """Bring the link at this place of the row that this is drawn in into sight, and mark it; -1 marks none."""
    _draw({"current": current}, "current-tab")
