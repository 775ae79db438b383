"""Brings a place of the page into view when it appears."""

from crosspool.ui.widgets.browser import component

_draw = component("ui/widgets/reveal")


def reveal(key: str) -> None:
    """Scroll to here when this is drawn for the first time, or for another `key`; then leave the page where it is."""
    _draw({"key": key}, "reveal")
