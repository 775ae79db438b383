"""The page Weighting maps: photo, selected map and the wall of all maps on one screen, the rest in drawers below."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from crosspool.channel_meaning import ClassWeight
from crosspool.grids import largest_cells
from crosspool.receptive_field import patch_box
from crosspool.text import rough_percent
from crosspool.ui.maps.across import across
from crosspool.ui.maps.entry_chart import show_strongest_entries
from crosspool.ui.maps.front_door import begin, leave_welcome, opening, question_of
from crosspool.ui.maps.gallery import gallery
from crosspool.ui.maps.in_collection import collection_of, strongest_in_collection
from crosspool.ui.maps.large_images import field_of
from crosspool.ui.maps.page import link_params, maps_page
from crosspool.ui.maps.presenter import present_maps, presenting
from crosspool.ui.maps.selection import MapsState, current_look, select_channel, selected_cell, selected_channel
from crosspool.ui.maps.share import download_and_share
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.meaning import channel_table, pair_meaning
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import VisitPart, bound, choose_option, plain, selected_row, visit_state
from crosspool.ui.visit.waiting import place_shown
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import as_it_is, cells_name, number, signed

CLASSES = 5  # that a map speaks for and against, in its details


@dataclass
class DrawerState(VisitPart):
    """Which drawers below the gallery are open; what is in a closed one is neither computed nor sent."""

    details_open: bool = plain(False)
    across_open: bool = plain(False)
    collection_open: bool = plain(False)
    table_open: bool = plain(False)
    files_open: bool = plain(False)


def weighting_maps_page() -> None:
    """The page."""
    maps_page("Weighting maps", _present_or_explore, opening, begin)


def _present_or_explore(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    (present_maps if presenting() else _explore)(image, request, maps)


def _explore(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    """The gallery and its drawers."""
    channel, look = selected_channel(maps), current_look(maps.signed)
    position = selected_cell(maps, channel)
    gallery(maps, request, channel, position, question_of(image))
    leave_welcome()
    st.page_link(
        "pages/channel.py", label=f"All about map {channel}", icon=":material/search_insights:",
        query_params=link_params() | {"channel": str(channel)},
    )  # fmt: skip
    details, others = partial(_details, maps, request, channel, position), partial(across, image, request, maps)
    _drawer(f"Details of map {channel}", "details_open", ":material/info:", details)
    _drawer("The same maps on other images", "across_open", ":material/photo_library:", partial(others, channel, look))
    if (collection := collection_of(request)) is not None:
        strongest = partial(strongest_in_collection, collection, request, channel)
        _drawer(f"Map {channel} in the collection", "collection_open", ":material/photo_album:", strongest)
    _drawer("All channels as a table", "table_open", ":material/table:", partial(_channel_table, request, maps))
    files = partial(download_and_share, image, request, maps, channel, look)
    _drawer("Download and share", "files_open", ":material/download:", files)


def _drawer(title: str, name: str, icon: str, fill: Callable[[], None]) -> None:
    """An expander that is filled while it is open; `name` is the field of `DrawerState` that says so."""
    state = visit_state(DrawerState)
    with st.expander(title, icon=icon, **bound(state, name)):
        if getattr(state, name):
            fill()


def _details(maps: ImageMaps, request: MapRequest, channel: int, position: Cell) -> None:
    """What the selected map is and does, and the strongest entries of its block or of the patch."""
    with st.container(key="halves-details"):
        facts, entries = st.columns(2, gap="medium")
    with facts:
        _facts(maps, request, channel, position)
    with entries:
        _entries(maps, channel, position)


def _facts(maps: ImageMaps, request: MapRequest, channel: int, position: Cell) -> None:
    """The numbers of a map and of a position; as many lines for every map, so that nothing below moves."""
    statistics, pair, (row, column) = maps.statistics, maps.pair, position
    weights, patch, field = maps.upper[channel], patch_box(pair, row, column), field_of(maps, request, position)
    size = weights.size
    dead = "this map is zero everywhere on this image: it adds nothing to P"
    peak = cells_name(largest_cells(weights))
    active = f"mean weight {number(statistics.mean[channel])}" if statistics.active[channel] else dead
    lines = {
        term("peak", "Peak"): f"**{number(statistics.peak[channel])}** at {peak}",
        f"Share of P's {term('energy')}": f"**{rough_percent(statistics.energy_share[channel])}**",
        "Active at": f"{statistics.active[channel]} of {size} positions: {active}",
    }
    if pair.ceiling is not None:
        clipped = int((weights >= pair.ceiling).sum())
        lines["Clipped"] = f"at {pair.ceiling:g}, the most that {pair.activation} lets through, in {clipped} of {size}"
    lines |= {
        "Selected position": f"row {row}, column {column}: weight **{number(weights[row, column])}**",
        "Its patch": f"{pair.kernel_size[0]}×{pair.kernel_size[1]} × {pair.lower_channels:,} channels of layer t: "
        f"{_span('row', patch.top, patch.bottom)}, {_span('column', patch.left, patch.right)}",
        f"Its {term('receptive field')}": f"{field.width}×{field.height} px of the image",
    }
    if (classes := pair_meaning(current_server(), request, place_shown()).classes) is not None:
        lines["Speaks for"] = _named(classes.speaks_for(channel, CLASSES))
        lines["Speaks against"] = _named(classes.speaks_against(channel, CLASSES))
    st.markdown("| | |\n|---|---|\n" + "\n".join(f"| {name} | {text} |" for name, text in lines.items()))


def _named(classes: Sequence[ClassWeight]) -> str:
    """Classes with the weight that each gives to the mean of a map, in a cell of a table."""
    return ", ".join(f"{as_it_is(row.label)} {signed(row.weight)}" for row in classes) or "no class"


def _span(name: str, start: int, stop: int) -> str:
    return f"{name} {start}" if stop - start == 1 else f"{name}s {start} to {stop - 1}"


def _entries(maps: ImageMaps, channel: int, position: Cell) -> None:
    """The strongest entries of the block or of the patch, as a chart."""
    views = {"block": f"block P_{channel}", "patch": "patch x_i here"}
    about = "P_k is the sum over all positions of weight times patch."
    view = choose_option("Strongest entries of", views, visit_state(MapsState), "entries", help=about)
    vector = maps.block(channel) if view == "block" else maps.patch(*position)
    show_strongest_entries(vector, maps.pair, views[view], view)


def _channel_table(request: MapRequest, maps: ImageMaps) -> None:
    """All channels as numbers; the map of a selected row is enlarged."""
    order = maps.statistics.order("energy_share")

    def on_select() -> None:
        row = selected_row("table", len(order))
        if row is not None:
            select_channel(int(order[row]))

    st.dataframe(
        channel_table(current_server(), request, maps, place_shown()).iloc[order],
        hide_index=True,
        height=320,
        key="table",
        on_select=on_select,
        selection_mode="single-row",
        column_config={
            "peak": st.column_config.NumberColumn(format="%.4g"),
            "peak_row": "row of the peak",
            "peak_column": "column of the peak",
            "peak_positions": st.column_config.NumberColumn(
                "positions of the peak", help="Where there are several, row and column are those of the first."
            ),
            "mean": st.column_config.NumberColumn(format="%.4g"),
            "active": "active positions",
            "sparsity": st.column_config.NumberColumn(format="percent"),
            "energy_share": st.column_config.NumberColumn("share of energy", format="percent"),
            "speaks_for": "speaks for",
            "speaks_against": "speaks against",
        },
    )
