"""Download and share: maps as a slide, as tables and numbers, as a page of their own, as code, and as a link."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from crosspool.backbones import OWN, UNTRAINED, architecture, choose_device, spec_of
from crosspool.backbones.given_module import VARIABLE
from crosspool.drawing.rendering import Look
from crosspool.gallery.map_files import ChosenMaps
from crosspool.gallery.pointing import MapOrder, PhotoBox
from crosspool.provenance import Provenance
from crosspool.text import human_bytes
from crosspool.ui.maps.page import view_address
from crosspool.ui.maps.selection import MapsState, first_channels, pinned_channels
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.maps import ImageMaps, MapRequest, image_maps
from crosspool.ui.runtime.meaning import channel_table, pair_meaning
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.exports import File, made_in_turn
from crosspool.ui.visit.images import LONGEST_SIDE, SourceImage
from crosspool.ui.visit.link import LinkState, box_of
from crosspool.ui.visit.state import choose_option, visit_state
from crosspool.ui.visit.waiting import place_shown
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import file_stem

MOST_ROWS = 2**19  # of a table of weights, which takes seconds
MOST_BYTES = 64 * 2**20  # of a file of all numbers
SHEET_MAPS = 23  # of the gallery on a sheet: with the image three full rows
# A kind of file: what its button says, its type for the browser, its icon, and what is in it.
Kind = tuple[str, str, str, str]
KINDS_OF_CHOSEN_MAPS: dict[str, Kind] = {
    "png": ("PNG", "image/png", ":material/image:", "A slide, 1920 × 1080 pixels"),
    "svg": ("SVG", "image/svg+xml", ":material/shape_line:", "The same slide with editable text"),
    "csv": ("CSV", "text/csv", ":material/table:", "One row per weight: channel, row, column, weight"),
}
KINDS_OF_ALL_MAPS: dict[str, Kind] = {
    "npz": ("NPZ", "application/octet-stream", ":material/data_array:", "Lower and upper maps, P and all settings"),
    "html": ("HTML page", "text/html", ":material/web:", "The gallery in one file that works offline"),
}
STATISTICS: Kind = ("Statistics", "text/csv", ":material/table_view:", "One row per channel, as in the table (CSV)")


@dataclass(frozen=True)
class _MapFiles:
    """What the files are made from when they are asked for.

    Streamlit holds this as long as its button is there, so it holds no maps, but asks for them.
    """

    image: SourceImage
    request: MapRequest
    channels: Sequence[int]
    pins: Sequence[int]
    look: Look
    sort: MapOrder
    box: PhotoBox | None

    def maps(self, on_progress: OnProgress) -> ImageMaps:
        server = current_server()
        seconds = server.settings.wait_seconds
        return image_maps(server, self.request, lambda: self.image.image, on_progress, seconds=seconds)

    def file(self, kind: str, on_progress: OnProgress) -> bytes:
        chosen = self.chosen_maps(self.maps(on_progress), on_progress)
        server = current_server()
        with server.compute.turn(on_progress, seconds=server.settings.wait_seconds):
            return chosen.file(kind)

    def statistics(self, on_progress: OnProgress) -> str:
        table = channel_table(current_server(), self.request, self.maps(on_progress), on_progress)
        text: str = table.to_csv(index=False)
        return text

    def chosen_maps(self, maps: ImageMaps, on_progress: OnProgress) -> ChosenMaps:
        request, about_image = self.request, {"name": Path(self.image.file).name, "sha256": self.image.key}
        shrunk = {"shrunk_to": LONGEST_SIDE} if self.image.shrunk else {}
        weights, spec = request.weights, spec_of(request.backbone)
        checksum = None if weights == UNTRAINED else spec.weights.checksum or None
        settings = (maps.pair, request.size, request.framing, request.signed, request.border)
        weights = OWN if spec.is_own else weights
        made_by = (str(choose_device()), maps.engine)
        provenance = Provenance(architecture(request.backbone), weights, checksum, *settings, *made_by)
        results = (maps.framed, maps.lower, maps.upper, maps.pooled, maps.statistics)
        meaning = pair_meaning(current_server(), request, on_progress).classes
        return ChosenMaps(
            about_image | shrunk,
            provenance,
            *results,
            self.channels,
            self.look,
            self.pins,
            self.sort,
            self.box,
            meaning,
        )


def download_and_share(image: SourceImage, request: MapRequest, maps: ImageMaps, channel: int, look: Look) -> None:
    """Offer the selected map, the pinned maps or the first of the gallery; a file is made when it is asked for."""
    pins, first = pinned_channels(maps), first_channels(maps, request)[:SHEET_MAPS]
    groups = {"this": [channel], "pinned": pins, "first": first}
    names = {"this": f"Map {channel}", "pinned": f"Pinned ({len(pins)})", "first": f"First {len(first)} of the gallery"}
    offered = {group: names[group] for group, channels in groups.items() if channels}
    full = f"With the image, {SHEET_MAPS} maps fill three rows of a slide."
    channels = groups[choose_option("Which maps", offered, visit_state(MapsState), "download", help=full)]
    box = box_of(visit_state(LinkState).box)
    map_files = _MapFiles(image, request, channels, pins, look, visit_state(MapsState).sort, box)
    untrained = [UNTRAINED] if request.weights == UNTRAINED else []
    stem = "-".join([file_stem(image.title), request.backbone, *untrained, request.pair])
    chosen_stem = f"{stem}-{_numbers(channels)}"
    files, code, link = st.tabs(["Files", "Python", "Link"])
    with files:
        with st.container(horizontal=True):
            for kind, about in KINDS_OF_CHOSEN_MAPS.items():
                reason = _too_many_weights(maps, channels) if kind == "csv" else ""
                _download(about, partial(map_files.file, kind), f"{chosen_stem}.{kind}", reason)
        st.caption("Slides of 1920 × 1080 pixels (the text in the SVG can be edited), and a table of all weights.")
        with st.container(horizontal=True):
            for kind, about in KINDS_OF_ALL_MAPS.items():
                reason = _too_many_numbers(maps) if kind == "npz" else ""
                _download(about, partial(map_files.file, kind), f"{stem}.{kind}", reason)
            _download(STATISTICS, map_files.statistics, f"{stem}-statistics.csv")
        st.caption(
            f"For all maps: the numbers with {term('P')} and all settings, the gallery in one file, and statistics per "
            f"{term('channel')}."
        )
    with code:
        drawing = _drawing_code(map_files.chosen_maps(maps, place_shown()), f"{chosen_stem}.png")
        st.code(f"{_pooling_code(request, image)}\n\n{drawing}", language="python", wrap_lines=True)
        st.caption("This code reproduces the maps, P and this slide.")
    with link:
        _link(image)


def _numbers(channels: Sequence[int]) -> str:
    """Which maps a file holds, for its name."""
    if len(channels) > 8:
        return f"{len(channels)}-maps"
    return "-".join(["map" if len(channels) == 1 else "maps", *map(str, channels)])


def _too_many_weights(maps: ImageMaps, channels: Sequence[int]) -> str:
    """Why there is no table of the weights of these maps, in a sentence, or ""."""
    weights = len(channels) * maps.upper[0].size
    if weights <= MOST_ROWS:
        return ""
    return f"A table of {weights:,} weights is too long for this page; choose fewer maps, or use crosspool maps."


def _too_many_numbers(maps: ImageMaps) -> str:
    """Why there is no file of all numbers, in a sentence, or ""."""
    nbytes = maps.lower.nbytes + maps.upper.nbytes + 4 * maps.pair.feature_length
    if nbytes <= MOST_BYTES:
        return ""
    return f"A file of {human_bytes(nbytes)} is too large for this page; choose a smaller input, or use crosspool maps."


def _download(kind: Kind, make: Callable[[OnProgress], File], name: str, reason: str = "") -> None:
    """A button for a file, or where there is none, the `reason`."""
    label, mime, icon, about = kind
    st.download_button(
        label, made_in_turn(make, name, mime), name, mime, icon=icon, help=reason or about, on_click="ignore",
        key=f"take {label}", disabled=bool(reason),
    )  # fmt: skip


def _link(image: SourceImage) -> None:
    """Show the address of the current view."""
    st.code(view_address(), language=None, wrap_lines=True)
    if image.sample:
        st.caption("This link opens the same image and settings, the selected map and the pinned ones.")
    else:
        st.caption(
            "Your image is not in the link: it stays in this visit. Anyone who opens the link sees a sample with these "
            "settings; to send the image and its maps, download the HTML page."
        )


# --- the Python code


def _pooling_code(request: MapRequest, image: SourceImage) -> str:
    """A script for the library that yields the same lower and upper maps and the same P."""
    weights = f", weights={UNTRAINED!r}" if request.weights == UNTRAINED else ""
    framing = f", framing={request.framing!r}" if request.framing != "crop" else ""
    signed = ", signed=True" if request.signed else ""
    border = f", border={request.border!r}" if request.border != "zero" else ""
    imports, shrink, file = "import crosspool\n", "", repr(image.file)
    if spec_of(request.backbone).is_own:
        imports = f"# With {VARIABLE} in the environment, as the server has it\n{imports}"
    if image.sample:  # wherever crosspool is installed
        imports += "from crosspool.samples import samples\n"
        file = f"next(photo.path for photo in samples() if photo.id == {image.sample!r})"
    if image.shrunk:
        imports += "from crosspool.images import shrunk_file\n"
        shrink = f"image = crosspool.load_image(shrunk_file(image, {LONGEST_SIDE}))  # as the page does on receipt\n"
    return f"""{imports}
image = crosspool.load_image({file})
{shrink}backbone = crosspool.load_backbone({request.backbone!r}{weights})
pair = backbone.architecture.pair({request.pair!r})
maps = backbone.activations(image, pair, size={request.size}{framing}{signed})
P = crosspool.cross_layer_pool(maps.lower, maps.upper, **pair.geometry{border})  # (1, D_{{t+1}}, D_t*m*n)"""


def _drawing_code(chosen: ChosenMaps, file: str) -> str:
    """What follows `_pooling_code` and writes the slide of the chosen maps."""
    return f"""from crosspool.drawing.rendering import Look
from crosspool.drawing.slides import slide

figure = slide(
    maps.framed[0],
    maps.upper[0].cpu().numpy(),
    {list(chosen.channels)},
    crosspool.channel_statistics(maps.upper[0], P[0]),
    caption={chosen.caption!r},
    look={chosen.look!r},
)
figure.savefig({file!r})"""
