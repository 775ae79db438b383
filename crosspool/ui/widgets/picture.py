"""A picture of which a cell can be chosen by click, drag or arrow key, with a numeric colour bar below."""

from collections.abc import Callable

import streamlit as st
from PIL import Image

from crosspool.drawing.rendering import ColourRange, colour_table
from crosspool.gallery.assets import asset, script
from crosspool.ui.widgets.browser import data_url
from crosspool.ui.widgets.text import number

Cell = tuple[int, int]  # row, column

_HTML = (
    '<div class="frame" tabindex="0" role="application">'
    '<img alt="" draggable="false"><div class="cell"></div><div class="handle"></div></div>'
    '<div class="bar"><div class="colours"></div><div class="numbers"></div><div class="label"></div></div>'
)
_component = st.components.v2.component(
    "crosspool.picture", html=_HTML, css=asset("ui/widgets/picture.css"), js=script("ui/widgets/picture.js")
)


def colour_bar(colour_range: ColourRange, colour_map: str, label: str) -> dict[str, object]:
    """A colour bar with five numbers over the range of `colour_range`."""
    low, high = colour_range
    table = colour_table(colour_map)[::15]
    return {
        "colours": [f"rgb({r} {g} {b})" for r, g, b in table.tolist()],
        "ticks": [number(low + (high - low) * step / 4) for step in range(5)],
        "label": label,
    }


def picture(
    shown: Image.Image,
    *,
    alt: str,
    map_size: Cell,
    cell: Cell,
    choose: Callable[[Cell], None],
    key: str,
    bar: dict[str, object] | None = None,
) -> None:
    """Show a picture under a grid of `map_size` (rows, columns) cells; `choose((row, column))` is called on one."""

    def on_cell_change() -> None:
        chosen = st.session_state[key].cell
        if chosen is not None:
            choose((int(chosen[0]), int(chosen[1])))

    data = {
        "picture": data_url(shown),
        "alt": alt,
        "rows": map_size[0],
        "columns": map_size[1],
        "cell": list(cell),
        "bar": bar,
    }
    _component(data=data, key=key, on_cell_change=on_cell_change)
