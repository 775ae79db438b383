"""One map at large: what the network saw, the map over it, and what the map is and does."""

import streamlit as st

from crosspool.drawing.rendering import Look
from crosspool.receptive_field import patch_box
from crosspool.ui.maps.entry_chart import CHART_CONFIG, strongest_entries
from crosspool.ui.maps.large_images import field_of, input_image, map_image
from crosspool.ui.maps.selection import MapsState, selected_cell
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.visit.state import bound, visit_state
from crosspool.ui.widgets.cell_image import Cell
from crosspool.ui.widgets.text import number


def large_map(maps: ImageMaps, request: MapRequest, channel: int, look: Look) -> None:
    """What the network saw, the chosen map over it, and what the map is and does."""
    position = selected_cell(maps, channel)
    with st.container(key="large"):
        seen, over, facts = st.columns([1, 1, 1.15], gap="medium")
    with seen:
        input_image(maps, request, position)
    with over:
        map_image(maps, channel, position, look)
    with facts:
        _facts(maps, request, channel, position)
        _entries(maps, channel, position)


def _facts(maps: ImageMaps, request: MapRequest, channel: int, position: Cell) -> None:
    statistics, pair = maps.statistics, maps.pair
    cells = maps.upper[channel].size
    st.markdown(f"**Map {channel}**")
    if statistics.dead[channel]:
        st.info("This map is zero everywhere on this image: it adds nothing to P.", icon=":material/hide_source:")
    row, column = position
    patch = patch_box(pair, row, column)
    field = field_of(maps, request, position)
    st.markdown(
        f"| | |\n|---|---|\n"
        f"| Peak | **{number(statistics.peak[channel])}** at row {statistics.peak_row[channel]}, "
        f"column {statistics.peak_column[channel]} |\n"
        f"| Share of P's energy | **{100 * statistics.energy_share[channel]:.2g} %** |\n"
        f"| Active at | {statistics.active[channel]} of {cells} positions, "
        f"mean weight {number(statistics.mean[channel])} |\n"
        f"| Selected position | row {row}, column {column}: weight **{number(maps.upper[channel, row, column])}** |\n"
        f"| Its patch | {pair.kernel_size[0]}×{pair.kernel_size[1]} × {pair.lower_channels} channels of layer t: "
        f"{_span('row', patch.top, patch.bottom)}, {_span('column', patch.left, patch.right)} |\n"
        f"| Its receptive field | {field.width}×{field.height} px of the image |"
    )


def _span(name: str, start: int, stop: int) -> str:
    return f"{name} {start}" if stop - start == 1 else f"{name}s {start} to {stop - 1}"


def _entries(maps: ImageMaps, channel: int, position: Cell) -> None:
    state = visit_state(MapsState)
    views = {"block": f"block P_{channel}", "patch": "patch x_i here"}
    st.segmented_control(
        "Strongest entries of",
        list(views),
        format_func=views.__getitem__,
        required=True,
        help="P_k is the sum over all positions of weight times patch; drag to zoom, double-click to reset.",
        **bound(state, "entries"),
    )
    view = state.entries
    vector = maps.pooled[channel] if view == "block" else maps.patch(*position)
    st.plotly_chart(
        strongest_entries(vector, maps.pair, views[view]),
        key=f"chart-{view}",
        config=CHART_CONFIG,
        alt=f"Bar chart of the strongest of {len(vector)} entries of {views[view]}",
    )
