"""Brings a place of the page into view when it appears, and says what is there."""

from crosspool.ui.widgets.browser import component

_draw = component("ui/widgets/reveal", '<p role="status"></p>')


def reveal(key: str, message: str, name: str = "reveal") -> None:
    """Scroll to here when this is drawn for the first time, or for another `key`; then leave the page where it is.

    Screen readers say `message`, and again when it changes. A second one on a page needs another `name`.
    """
    _draw({"key": key, "message": message}, name)
