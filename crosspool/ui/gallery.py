"""The gallery: weighting maps over the photo as tiles to look through and to choose from."""

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import streamlit as st
from PIL import Image

from crosspool.rendering import Scale, colour_limits, colour_table, quantise
from crosspool.ui.compute import ImageMaps

PHOTO_SIDE = 224


@dataclass(frozen=True)
class Look:
    """How maps are drawn: see `crosspool.rendering`."""

    colour_map: str
    opacity: float
    smooth: bool
    scale: Scale
    signed: bool


def asset(name: str) -> str:
    """The text of a script or stylesheet that lies beside this module."""
    return files("crosspool.ui").joinpath(name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "crosspool.gallery", html='<div class="grid"></div>', css=asset("gallery.css"), js=asset("gallery.js")
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
    chosen = maps.upper[list(channels)]
    layer = colour_limits(maps.upper, signed=look.signed)
    steps = np.stack(
        [quantise(a, layer if look.scale == "layer" else colour_limits(a, signed=look.signed)) for a in chosen]
    )
    data: dict[str, object] = {
        "photo": data_url(maps.framed.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.LANCZOS)),
        "maps": base64.b64encode(steps.tobytes()).decode(),
        "table": base64.b64encode(colour_table(look.colour_map).tobytes()).decode(),
        "rows": chosen.shape[1],
        "columns": chosen.shape[2],
        "opacity": look.opacity,
        "smooth": look.smooth,
        "tiles": [_tile(maps, channel) for channel in channels],
    }
    return data | {"signature": hashlib.sha256(repr(data).encode()).hexdigest()}


def _tile(maps: ImageMaps, channel: int) -> dict[str, object]:
    statistics = maps.statistics
    share = f"{100 * statistics.energy_share[channel]:.2g} %"
    if statistics.dead[channel]:
        return {"channel": int(channel), "share": "dead", "label": f"map {channel}: zero everywhere on this image"}
    peak, row, column = (values[channel] for values in (statistics.peak, statistics.peak_row, statistics.peak_column))
    label = f"map {channel}: peak {peak:.3g} at row {row}, column {column}; {share} of the energy of P"
    return {"channel": int(channel), "share": share, "label": label}


def data_url(picture: Image.Image) -> str:
    """The picture as a JPEG in a data URL."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
