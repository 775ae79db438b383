"""A block of P that the browser builds up position by position, beside the photo and the map."""

import base64
import hashlib
from collections.abc import Callable

import numpy as np

from crosspool.drawing.rendering import Look
from crosspool.ui.equation.building import Construction, PositionOrder, ceiling_note
from crosspool.ui.maps.entry_chart import entry_name
from crosspool.ui.maps.large_images import enlarged
from crosspool.ui.runtime.maps import ImageMaps
from crosspool.ui.widgets.browser import Index, component, data_url, one_of
from crosspool.ui.widgets.cell_image import Cell, Choose, on_grid

PLAYED_ENTRIES = 24
MOST_NUMBERS = 2**17  # sent to the browser: of very fine maps, fewer entries are played

_FRAME = (
    '<div class="frame" tabindex="0" role="application"><img alt="" draggable="false">{}'
    '<div class="cell"></div><div class="handle"></div></div>'
)
_CHART = '<figure class="chart {0}"><figcaption>{1} <small></small></figcaption><div class="columns"></div></figure>'
_HTML = (
    '<div class="player"><div class="stage">'
    f'<figure class="seen"><figcaption><b>Photo</b></figcaption>{_FRAME.format("")}</figure>'
    f'<figure class="over"><figcaption><b>Map</b> <small>bright: added already</small></figcaption>'
    f'{_FRAME.format("<canvas></canvas>")}</figure><div class="charts">'
    + _CHART.format("patch", "<b>Patch <i>x</i> at <span></span></b>")
    + _CHART.format("product", "<b>× weight <span></span> = what it adds</b>")
    + _CHART.format("sum", "<b>Added up: <span></span></b>")
    + '<p class="words"></p></div></div><div class="controls"><button class="play" type="button">▶ Play</button>'
    '<button class="onward" type="button">Step</button><button class="restart" type="button">Back to start</button>'
    '<label class="walk"><span class="place"></span><input type="range" min="1" step="1"></label>'
    '<label class="speed">Speed <select>'
    + "".join(f"<option value={speed}{' selected' * (speed == 1)}>{speed:g}×</option>" for speed in (0.5, 1, 2, 4, 8))
    + '</select></label><label class="order">Order <select><option value="strongest">heaviest first</option>'
    '<option value="rows">row by row</option></select></label>'
    '<label>Map k <input type="number" min="0" step="1" required></label></div><p class="note"></p></div>'
)
_draw = component("ui/equation/player", _HTML, cell=tuple[Index, Index], channel=Index, order=PositionOrder)


def played_entries(maps: ImageMaps) -> int:
    """How many entries of a block are sent to the browser."""
    return min(PLAYED_ENTRIES, max(4, int(MOST_NUMBERS // maps.upper[0].size)), maps.pair.patch_length)


def player(
    maps: ImageMaps, built: Construction, channel: int, position: Cell, look: Look, *, order: PositionOrder,
    choose_cell: Choose, choose_channel: Callable[[int], None], choose_order: Callable[[PositionOrder], None], key: str,
) -> None:  # fmt: skip
    """Show how a block is built, at the selected position; the browser plays it, and says where it stops.

    `choose_cell`, `choose_channel` and `choose_order` are called when another one is chosen there.
    """
    rows, columns = maps.upper.shape[1:]
    framed = enlarged(maps.framed)
    overlaid = look.over(framed, maps.upper[channel], look.colour_range(maps.statistics.peak, channel))
    maps_alone = {
        "photo": data_url(framed),
        "map": data_url(overlaid),
        "alts": ["The image as the network saw it", f"Weighting map {channel} over the image"],
        "rows": rows,
        "columns": columns,
        "weights": _packed(built.weights),
        "features": _packed(built.features),
        "names": [entry_name(int(entry), maps.pair) for entry in built.entries],
        "outside": np.flatnonzero(built.weights != maps.upper[channel]).tolist(),
        "order": order,
        "channel": channel,
        "channels": len(maps.upper),
        "length": maps.pair.patch_length,
        "note": ceiling_note(maps, channel),
    }
    signature = hashlib.sha256(repr(maps_alone).encode()).hexdigest()
    _draw(
        maps_alone | {"cell": list(position), "signature": signature},
        key,
        cell=on_grid((rows, columns), choose_cell),
        channel=one_of(range(len(maps.upper)), choose_channel),
        order=choose_order,
    )


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, np.float32).tobytes()).decode()
