"""The marks of the current page: on its link, in a row that scrolls, and on the document, for its side bar."""

from crosspool.ui.widgets.browser import component

_draw = component("ui/widgets/current_tab")


def mark_current_tab(current: int, *, has_side_bar: bool) -> None:
    """Bring the link at this place of the row that this is drawn in into sight, and mark it; -1 marks none.

    Streamlit keeps the side bar of the page before, emptied, unless the document says that this page has none.
    """
    _draw({"current": current, "hasSideBar": has_side_bar}, "current-tab")
