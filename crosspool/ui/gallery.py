"""The gallery: weighting maps over the photo as tiles to look through and to choose from."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from crosspool.rendering import Limits, Scale, colour_limits, colour_table, quantise
from crosspool.ui.browser import asset, data_url
from crosspool.ui.compute import ImageMaps

PHOTO_SIDE = 224
TILE_CELLS = 112  # a tile is about that many pixels wide: more cells would travel for nothing


@dataclass(frozen=True)
class Look:
    """How maps are drawn: see `crosspool.rendering`."""

    colour_map: str
    opacity: float
    smooth: bool
    scale: Scale
    signed: bool


_component = st.components.v2.component(
    "crosspool.gallery",
    html='<div class="grid"></div>',
    css=asset("gallery.css"),
    js=asset("paint.js") + asset("gallery.js"),
)


def gallery(
    maps: ImageMaps, channels: Sequence[int], *, selected: int, look: Look, choose: Callable[[int], None], key: str
) -> None:
    """Show the given channels' maps over the image; `choose(channel)` is called when one is pressed."""

    def on_channel_change() -> None:
        channel = st.session_state[key].channel
        if channel is not None:
            choose(int(channel))

    data = _data(maps, channels, look)
    _component(data={**data, "selected": selected}, key=key, on_channel_change=on_channel_change)


def _data(maps: ImageMaps, channels: Sequence[int], look: Look) -> dict[str, object]:
    steps = np.stack(
        [quantise(at_most(maps.upper[channel], TILE_CELLS), limits_of(maps, channel, look)) for channel in channels]
    )
    data: dict[str, object] = {
        "photo": data_url(maps.framed.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)),
        "maps": base64.b64encode(steps.tobytes()).decode(),
        "table": base64.b64encode(colour_table(look.colour_map).tobytes()).decode(),
        "rows": steps.shape[1],
        "columns": steps.shape[2],
        "opacity": look.opacity,
        "smooth": look.smooth,
        "tiles": [_tile(maps, channel) for channel in channels],
    }
    return data | {"signature": hashlib.sha256(repr(data).encode()).hexdigest()}


def limits_of(maps: ImageMaps, channel: int, look: Look) -> Limits:
    """The range of weights that the colours of one map span."""
    peaks = maps.statistics.peak
    return colour_limits(peaks if look.scale == "layer" else peaks[[channel]], signed=look.signed)


def at_most(weights: np.ndarray, cells: int) -> np.ndarray:
    """A large map averaged down for a tile; others as they are."""
    if max(weights.shape) <= cells:
        return weights
    size = (min(weights.shape[1], cells), min(weights.shape[0], cells))
    return np.asarray(Image.fromarray(weights).resize(size, Image.Resampling.BOX))


def _tile(maps: ImageMaps, channel: int) -> dict[str, object]:
    statistics = maps.statistics
    share = f"{100 * statistics.energy_share[channel]:.2g} %"
    if statistics.dead[channel]:
        return {"channel": int(channel), "share": "dead", "label": f"map {channel}: zero everywhere on this image"}
    peak, row, column = (values[channel] for values in (statistics.peak, statistics.peak_row, statistics.peak_column))
    label = f"map {channel}: peak {peak:.3g} at row {row}, column {column}; {share} of the energy of P"
    return {"channel": int(channel), "share": share, "label": label}
