"""Taking maps away: as a slide, as tables and numbers, as a page of their own, as code, and as a link."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import streamlit as st

from crosspool.backbones import UNTRAINED, backbone_specs, choose_device
from crosspool.drawing.rendering import Look
from crosspool.gallery.map_files import ChosenMaps
from crosspool.provenance import Provenance
from crosspool.statistics import Criterion
from crosspool.ui.maps.controls import link_params
from crosspool.ui.maps.selection import MapsState
from crosspool.ui.maps.snippet import drawing_code, python_code
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import LONGEST_SIDE, SourceImage
from crosspool.ui.visit.state import bound, visit_state
from crosspool.ui.widgets.text import file_stem

FIRST = 23  # maps of the gallery on a sheet: with the image three full rows
# A kind of file: what its button says, its type for the browser, its icon, and what is in it.
Kind = tuple[str, str, str, str]
SOME: dict[str, Kind] = {
    "png": ("PNG", "image/png", ":material/image:", "A slide, 1920 × 1080 pixels"),
    "svg": ("SVG", "image/svg+xml", ":material/shape_line:", "The same slide with editable text"),
    "csv": ("CSV", "text/csv", ":material/table:", "One row per weight: channel, row, column, weight"),
}
ALL: dict[str, Kind] = {
    "npz": ("NPZ", "application/octet-stream", ":material/data_array:", "Lower and upper maps, P and all settings"),
    "html": ("HTML page", "text/html", ":material/web:", "The gallery in one file that works offline"),
}
STATISTICS: Kind = ("Statistics", "text/csv", ":material/table_view:", "One row per channel, as in the table (CSV)")


def download_and_share(
    picture: SourceImage,
    request: MapRequest,
    maps: ImageMaps,
    *,
    channel: int,
    pins: Sequence[int],
    first: Sequence[int],
    look: Look,
) -> None:
    """Offer the selected map, the pinned maps or the first of the gallery; a file is made when it is asked for."""
    st.header("Download and share", anchor=False)
    channels = _choose(channel, pins, first)
    files_of = partial(_chosen_maps, picture, request, channels, pins, look, visit_state(MapsState).sort)
    chosen = files_of(maps)
    stem = "-".join(
        [
            file_stem(picture.title),
            request.backbone,
            *([UNTRAINED] if request.weights == UNTRAINED else []),
            request.pair,
        ]
    )
    some = f"{stem}-{_numbers(chosen.channels)}"
    files, code, link = st.tabs(["Files", "Python", "Link"])
    with files:
        with st.container(horizontal=True):
            for kind, about in SOME.items():
                _download(about, partial(_file, picture, request, files_of, kind), f"{some}.{kind}")
        st.caption("Slides of 1920 × 1080 pixels (the text in the SVG can be edited), and a table of all weights.")
        with st.container(horizontal=True):
            for kind, about in ALL.items():
                _download(about, partial(_file, picture, request, files_of, kind), f"{stem}.{kind}")
            _download(STATISTICS, partial(_statistics, picture, request), f"{stem}-statistics.csv")
        st.caption(
            "For all maps: the numbers with P and all settings, the gallery in one file, and statistics per channel."
        )
    with code:
        script = f"{python_code(request, picture)}\n\n{drawing_code(chosen, f'{some}.png')}"
        st.code(script, language="python", wrap_lines=True)
        st.caption("This code reproduces the maps, P and this slide.")
    with link:
        _link(picture)


def _choose(channel: int, pins: Sequence[int], first: Sequence[int]) -> list[int]:
    """Which maps: those of one of the groups that are there."""
    groups = {"this": [channel], "pinned": list(pins), "first": list(first)[:FIRST]}
    names = {
        "this": f"Map {channel}",
        "pinned": f"Pinned ({len(pins)})",
        "first": f"First {len(groups['first'])} of the gallery",
    }
    offered = [group for group, channels in groups.items() if channels]
    state = visit_state(MapsState)
    if state.download not in offered:
        state.download = "this"
    st.segmented_control(
        "Which maps", offered, format_func=names.__getitem__, required=True, **bound(state, "download")
    )
    return groups[state.download]


def _chosen_maps(
    picture: SourceImage,
    request: MapRequest,
    channels: Sequence[int],
    pins: Sequence[int],
    look: Look,
    sort: Criterion | Literal["box"],
    maps: ImageMaps,
) -> ChosenMaps:
    weights = backbone_specs()[request.backbone].weights
    provenance = Provenance(
        backbone=request.backbone,
        weights=request.weights,
        weights_checksum=None if request.weights == UNTRAINED else weights.checksum,
        pair=maps.pair,
        size=request.size,
        framing=request.framing,
        signed=request.signed,
        border=request.border,
        device=str(choose_device()),
    )
    image = {"name": Path(picture.file).name, "sha256": picture.key}
    return ChosenMaps(
        image=image | ({"shrunk_to": LONGEST_SIDE} if picture.shrunk else {}),
        provenance=provenance,
        framed=maps.framed,
        lower=maps.lower,
        upper=maps.upper,
        pooled=maps.pooled,
        statistics=maps.statistics,
        channels=channels,
        look=look,
        pins=pins,
        sort="energy_share" if sort == "box" else sort,
    )


def _numbers(channels: Sequence[int]) -> str:
    """Which maps a file holds, for its name."""
    if len(channels) > 8:
        return f"{len(channels)}-maps"
    return "-".join(["map" if len(channels) == 1 else "maps", *map(str, channels)])


# Streamlit holds what makes a file for as long as its button is there: so that is no maps, but what asks for them.


def _maps(picture: SourceImage, request: MapRequest) -> ImageMaps:
    server = current_server()
    return image_maps(server, request, lambda: picture.image, seconds=server.settings.wait_seconds)


def _file(picture: SourceImage, request: MapRequest, files_of: Callable[[ImageMaps], ChosenMaps], kind: str) -> bytes:
    return files_of(_maps(picture, request)).file(kind)


def _statistics(picture: SourceImage, request: MapRequest) -> str:
    table: str = _maps(picture, request).statistics.table().to_csv(index=False)
    return table


def _download(kind: Kind, data: Callable[[], str | bytes], name: str) -> None:
    label, mime, icon, about = kind
    st.download_button(label, data, name, mime, icon=icon, help=about, on_click="ignore", key=f"take {label}")


def _link(picture: SourceImage) -> None:
    """The address of what is shown."""
    params = link_params()
    address = st.context.url or ""
    st.code(f"{address}?{urlencode(params, safe=',')}" if params else address, language=None, wrap_lines=True)
    if picture.sample:
        st.caption("This link opens the same image, settings and maps.")
    else:
        st.caption(
            "Your image is not in the link: it stays in this visit. Anyone who opens the link sees a sample with these "
            "settings; to send the image and its maps, download the HTML page."
        )
