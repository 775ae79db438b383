"""The page Weighting maps: one map of a layer pair enlarged, all of them in the gallery, as a table, and as files."""

import streamlit as st

from crosspool.receptive_field import patch_box
from crosspool.ui.maps.across import across
from crosspool.ui.maps.entry_chart import show_strongest_entries
from crosspool.ui.maps.gallery import gallery
from crosspool.ui.maps.large_images import beside_large_images, field_of, headline
from crosspool.ui.maps.page import maps_page
from crosspool.ui.maps.presenter import present_maps, presenting
from crosspool.ui.maps.selection import MapsState, current_look, select_channel, selected_cell, selected_channel
from crosspool.ui.maps.share import download_and_share
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.meaning import channel_table
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import choose_option, visit_state
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import number


def weighting_maps_page() -> None:
    """The page."""
    maps_page("Weighting maps", _present_or_explore)


def _present_or_explore(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    (present_maps if presenting() else _explore)(image, request, maps)


def _explore(image: SourceImage, request: MapRequest, maps: ImageMaps) -> None:
    """One map enlarged, the gallery, the same maps on other images, the table, and downloads."""
    headline(image, request, maps)
    channel, look = selected_channel(maps), current_look(maps.signed)
    position = selected_cell(maps, channel)
    with beside_large_images(maps, request, channel, position):
        _facts(maps, request, channel, position)
        _entries(maps, channel, position)
    st.header(f"{len(maps.upper):,} maps", anchor=False)
    gallery(maps, request, channel)
    across(image, request, maps, channel, look)
    with st.expander("All channels as a table", icon=":material/table:"):
        _channel_table(request, maps)
    download_and_share(image, request, maps, channel, look)


def _facts(maps: ImageMaps, request: MapRequest, channel: int, position: Cell) -> None:
    """What the selected map is and does."""
    statistics, pair, (row, column) = maps.statistics, maps.pair, position
    st.markdown(f"**Map {channel}**")
    if statistics.dead[channel]:
        st.info("This map is zero everywhere on this image: it adds nothing to P.", icon=":material/hide_source:")
    patch, field = patch_box(pair, row, column), field_of(maps, request, position)
    st.markdown(
        f"| | |\n|---|---|\n"
        f"| Peak | **{number(statistics.peak[channel])}** at row {statistics.peak_row[channel]}, "
        f"column {statistics.peak_column[channel]} |\n"
        f"| Share of P's energy | **{100 * statistics.energy_share[channel]:.2g} %** |\n"
        f"| Active at | {statistics.active[channel]} of {maps.upper[channel].size} positions, "
        f"mean weight {number(statistics.mean[channel])} |\n"
        f"| Selected position | row {row}, column {column}: weight **{number(maps.upper[channel, row, column])}** |\n"
        f"| Its patch | {pair.kernel_size[0]}×{pair.kernel_size[1]} × {pair.lower_channels} channels of layer t: "
        f"{_span('row', patch.top, patch.bottom)}, {_span('column', patch.left, patch.right)} |\n"
        f"| Its receptive field | {field.width}×{field.height} px of the image |"
    )


def _span(name: str, start: int, stop: int) -> str:
    return f"{name} {start}" if stop - start == 1 else f"{name}s {start} to {stop - 1}"


def _entries(maps: ImageMaps, channel: int, position: Cell) -> None:
    """The strongest entries of the block or of the patch, as a chart."""
    views = {"block": f"block P_{channel}", "patch": "patch x_i here"}
    about = "P_k is the sum over all positions of weight times patch; drag to zoom, double-click to reset."
    view = choose_option("Strongest entries of", views, visit_state(MapsState), "entries", help=about)
    vector = maps.pooled[channel] if view == "block" else maps.patch(*position)
    show_strongest_entries(vector, maps.pair, views[view], f"chart-{view}")


def _channel_table(request: MapRequest, maps: ImageMaps) -> None:
    """All channels as numbers; the map of a selected row is enlarged."""
    order = maps.statistics.order("energy_share")

    def on_select() -> None:
        selected = st.session_state["table"].selection.rows
        if selected:
            select_channel(int(order[selected[0]]))

    st.dataframe(
        channel_table(current_server(), request, maps).iloc[order],
        hide_index=True,
        height=320,
        key="table",
        on_select=on_select,
        selection_mode="single-row",
        column_config={
            "peak": st.column_config.NumberColumn(format="%.4g"),
            "peak_row": "row of the peak",
            "peak_column": "column of the peak",
            "mean": st.column_config.NumberColumn(format="%.4g"),
            "active": "active positions",
            "sparsity": st.column_config.NumberColumn(format="percent"),
            "energy_share": st.column_config.NumberColumn("share of energy", format="percent"),
            "speaks_for": "speaks for",
            "speaks_against": "speaks against",
        },
    )
