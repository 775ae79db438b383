"""Named values as bars to either side of zero, to choose from, and to tick; with small maps over a photo."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, ColourRange, Look, quantise
from crosspool.gallery.mapset import averaged_down, colour_tables
from crosspool.ui.widgets.browser import Id, Switch, component, data_url, one_of

PHOTO_SIDE = 128
MAP_CELLS = 64  # a small map is that many pixels wide

SmallMap = dict[str, int | str]  # as bars.js draws it

_draw = component("ui/widgets/bars", '<div class="bars" role="list"></div>', chosen=Id, ticked=tuple[Id, Switch])


@dataclass(frozen=True)
class Bar:
    """One row: `text` is printed above the bar, `note` below it; `label` describes the row to a screen reader.

    `after` is the value's new amount after a change; `ticked` is None for a row without a box.
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


def small_map(values: np.ndarray, colour_range: ColourRange, *, signed: bool, photo: int = 0) -> SmallMap:
    """A map, (H, W), to draw in a row over photo number `photo`; `signed` ones have the diverging colours."""
    steps = quantise(averaged_down(values.astype(np.float32), MAP_CELLS), colour_range)
    rows, columns = steps.shape
    cells = base64.b64encode(steps.tobytes()).decode()
    return {"rows": rows, "columns": columns, "cells": cells, "table": int(signed), "photo": photo}


def bars(
    rows: Sequence[Bar],
    *,
    key: str,
    choose: Callable[[str], None],
    tick: Callable[[str, bool], None] = lambda id_, ticked: None,
    selected: str | None = None,
    photos: Sequence[Image.Image] = (),
    look: Look | None = None,
    bar_range: tuple[float, float] | None = None,
) -> None:
    """Show the rows; `choose(id)` is called when one is pressed, `tick(id, ticked)` when its box is.

    `look` is how small maps are drawn; rows without maps need none. `bar_range` is the range of values that the bars
    span; without it, the longest bars just fit.
    """
    photos = [photo.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS) for photo in photos]
    appearance: dict[str, object] = {"photos": [data_url(photo) for photo in photos]}
    if look is not None:
        tables = [colour_tables()[name] for name in (look.colour_map, SIGNED_COLOUR_MAP)]
        appearance |= {"tables": tables, "opacity": look.opacity, "overlay": look.overlay, "smooth": look.smooth}
    values = [0.0, *(value for row in rows for value in (row.value, row.after) if value is not None)]
    drawn_anew = [*appearance.values(), *((row.id, row.maps, row.ticked is None) for row in rows)]
    data = appearance | {
        "rows": [asdict(row) for row in rows],
        "range": bar_range or (min(values), max(values) if any(values) else 1.0),
        "selected": selected,
        "signature": hashlib.sha256(repr(drawn_anew).encode()).hexdigest(),
    }
    ids, boxes = {row.id for row in rows}, {row.id for row in rows if row.ticked is not None}

    def ticked(change: tuple[str, bool]) -> None:
        one_of(boxes, lambda id_: tick(id_, change[1]))(change[0])

    _draw(data, key, chosen=one_of(ids, choose), ticked=ticked)
