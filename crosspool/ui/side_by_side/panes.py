"""Two maps over their images under linked cursors, each above maps to choose from."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look
from crosspool.gallery.mapset import MAX_CELLS, averaged_down, colour_tables, quantised_maps
from crosspool.ui.runtime.maps import ImageMaps
from crosspool.ui.widgets.browser import Index, RefusedError, component, data_url

PHOTO_SIDE = 512

_draw = component("ui/side_by_side/panes", '<div class="panes"></div>', chosen=tuple[Literal["left", "right"], Index])


@dataclass(frozen=True)
class Pane:
    """One side: its title, a description of the image, its maps, and the channels to choose from, each with a note."""

    title: str
    alt: str
    maps: ImageMaps
    selected: int
    heading: str
    choices: Sequence[tuple[int, str]]


def linked_panes(left: Pane, right: Pane, look: Look, *, choose: Callable[[str, int], None], key: str) -> None:
    """Show both sides, each map from 0 to its own peak; `choose(side, channel)` is called when another one is pressed.

    `side` is "left" or "right".
    """
    sides = {"left": _side(left), "right": _side(right)}
    appearance = {"opacity": look.opacity, "overlay": look.overlay, "smooth": look.smooth}
    counts = {name: len(pane.maps.upper) for name, pane in (("left", left), ("right", right))}

    def chosen(change: tuple[str, int]) -> None:
        side, channel = change
        if channel >= counts[side]:
            raise RefusedError
        choose(side, channel)

    table = colour_tables()[look.colour_map]
    signed_table = colour_tables()[SIGNED_COLOUR_MAP]
    _draw({**sides, "look": appearance, "table": table, "signedTable": signed_table}, key, chosen=chosen)


def _side(pane: Pane) -> dict[str, Any]:
    maps = pane.maps
    rows, columns = maps.upper.shape[1:]
    row, column = int(maps.statistics.peak_row[pane.selected]), int(maps.statistics.peak_column[pane.selected])
    choices = [{"channel": channel, "note": note, "map": _map(maps, channel)} for channel, note in pane.choices]
    return {
        "title": pane.title,
        "alt": pane.alt,
        "photo": data_url(maps.framed.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)),
        "rows": rows,
        "columns": columns,
        "signed": maps.signed,
        "peakPlace": [(column + 0.5) / columns, (row + 0.5) / rows],
        "selected": pane.selected,
        "map": _map(maps, pane.selected),
        "weights": _text(averaged_down(maps.upper[pane.selected], MAX_CELLS).astype("<f4")),
        "heading": pane.heading,
        "choices": choices,
    }


def _map(maps: ImageMaps, channel: int) -> dict[str, Any]:
    """A map in 8 bits, to be drawn."""
    small = averaged_down(maps.upper[channel], MAX_CELLS)[None]
    peak = maps.statistics.peak[channel : channel + 1]
    cells = quantised_maps(np.asarray(small), peak, 8, signed=maps.signed)
    rows, columns = small.shape[1:]
    return {"rows": rows, "columns": columns, "cells": _text(cells)}


def _text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
