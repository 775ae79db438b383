"""Named values as bars to either side of zero, to choose from, and to tick; with small maps over a photo."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import streamlit as st
from PIL import Image

from crosspool.drawing.rendering import ColourRange, colour_table, quantise
from crosspool.gallery.assets import asset, script
from crosspool.gallery.mapset import averaged_down
from crosspool.ui.widgets.browser import data_url

PHOTO_SIDE = 128
MAP_CELLS = 64  # a small map is that many pixels wide

_component = st.components.v2.component(
    "crosspool.bars",
    html='<div class="bars" role="list"></div>',
    css=asset("ui/widgets/bars.css"),
    js=script("ui/widgets/bars.js"),
)


@dataclass(frozen=True)
class SmallMap:
    """A map, (H, W), as 8-bit steps of its colours; `photo` counts the pictures that it may lie over."""

    rows: int
    columns: int
    cells: str
    table: int
    photo: int


@dataclass(frozen=True)
class Bar:
    """One row: `text` is printed above the bar, `note` below it; `label` says it all to those who cannot see it.

    `after` is what the value becomes; `ticked` is None for a row without a box.
    """

    id: str
    name: str
    value: float
    text: str
    label: str
    note: str = ""
    after: float | None = None
    ticked: bool | None = None
    maps: tuple[SmallMap, ...] = ()


def small_map(values: np.ndarray, colour_range: ColourRange, *, table: int, photo: int = 0) -> SmallMap:
    """A map made ready to be drawn in a row, in the colours of that table."""
    steps = quantise(averaged_down(values.astype(np.float32), MAP_CELLS), colour_range)
    return SmallMap(steps.shape[0], steps.shape[1], base64.b64encode(steps.tobytes()).decode(), table, photo)


def bars(
    rows: Sequence[Bar],
    *,
    key: str,
    choose: Callable[[str], None],
    tick: Callable[[str, bool], None] | None = None,
    selected: str | None = None,
    photos: Sequence[Image.Image] = (),
    colour_maps: Sequence[str] = (),
    opacity: float = 1.0,
    smooth: bool = True,
    bar_range: tuple[float, float] | None = None,
) -> None:
    """Show the rows; `choose(id)` is called on one that is pressed, `tick(id, ticked)` on a box.

    `bar_range` are the values at the ends of the bars; without them, all bars just fit.
    """

    def on_chosen_change() -> None:
        chosen = st.session_state[key].chosen
        if chosen is not None:
            choose(str(chosen))

    def on_ticked_change() -> None:
        ticked = st.session_state[key].ticked
        if ticked is not None and tick is not None:
            tick(str(ticked[0]), bool(ticked[1]))

    data = {
        "rows": [asdict(row) for row in rows],
        "photos": [data_url(photo.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)) for photo in photos],
        "tables": [base64.b64encode(colour_table(name).tobytes()).decode() for name in colour_maps],
        "opacity": opacity,
        "smooth": smooth,
        "range": bar_range or _range(rows),
        "selected": selected,
    }
    lasting = [data[name] for name in ("photos", "tables", "opacity", "smooth")]
    lasting += [(row.id, row.maps, row.ticked is None) for row in rows]
    data["signature"] = hashlib.sha256(repr(lasting).encode()).hexdigest()
    _component(data=data, key=key, on_chosen_change=on_chosen_change, on_ticked_change=on_ticked_change)


def _range(rows: Sequence[Bar]) -> tuple[float, float]:
    values = [0.0, *(value for row in rows for value in (row.value, row.after) if value is not None)]
    low, high = min(values), max(values)
    return (low, high) if high > low else (0.0, 1.0)
