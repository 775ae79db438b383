"""Every spatial weighting map of a layer pair over the image, and one of them at large."""

from typing import Any

import streamlit as st

from crosspool.drawing.rendering import Look
from crosspool.receptive_field import patch_box
from crosspool.ui.equation.charts import CONFIG, strongest_entries
from crosspool.ui.maps.across import across
from crosspool.ui.maps.controls import choose_maps, start_from_link, write_link
from crosspool.ui.maps.gallery import gallery
from crosspool.ui.maps.large_pictures import field_of, headline, map_picture, seen_picture, shown_maps
from crosspool.ui.maps.presenter import present_maps, presenting
from crosspool.ui.maps.selection import (
    choose_channel,
    first_channels,
    shown_channel,
    shown_look,
    shown_pins,
    shown_position,
)
from crosspool.ui.maps.takeaway import downloads
from crosspool.ui.runtime.maps import ImageMaps, Request
from crosspool.ui.visit.pictures import SourceImage
from crosspool.ui.widgets.picture import Cell
from crosspool.ui.widgets.text import number


def large_map(maps: ImageMaps, request: Request, channel: int, look: Look) -> None:
    """What the network saw, the chosen map over it, and what the map is and does."""
    position = shown_position(maps, channel)
    with st.container(key="large"):
        seen, over, facts = st.columns([1, 1, 1.15], gap="medium")
    with seen:
        seen_picture(maps, request, position)
    with over:
        map_picture(maps, channel, position, look)
    with facts:
        _facts(maps, request, channel, position)
        _entries(maps, channel, position)


def _facts(maps: ImageMaps, request: Request, channel: int, position: Cell) -> None:
    statistics, pair = maps.statistics, maps.pair
    places = maps.upper[channel].size
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
        f"| Active at | {statistics.active[channel]} of {places} places, "
        f"mean weight {number(statistics.mean[channel])} |\n"
        f"| Under study | row {row}, column {column}: weight **{number(maps.upper[channel, row, column])}** |\n"
        f"| Its patch | {pair.kernel_size[0]}×{pair.kernel_size[1]} × {pair.lower_channels} channels of layer t: "
        f"{_span('row', patch.top, patch.bottom)}, {_span('column', patch.left, patch.right)} |\n"
        f"| Its receptive field | {field.width}×{field.height} px of the image |"
    )


def _span(name: str, start: int, stop: int) -> str:
    return f"{name} {start}" if stop - start == 1 else f"{name}s {start} to {stop - 1}"


def _entries(maps: ImageMaps, channel: int, position: Cell) -> None:
    views = {"block": f"block P_{channel}", "patch": "patch x_i here"}
    st.segmented_control(
        "Strongest entries of",
        list(views),
        format_func=views.__getitem__,
        required=True,
        key="entries",
        help="P_k is the sum over all positions of weight times patch; zoom by dragging, double click to reset.",
    )
    view: str = st.session_state.entries
    vector = maps.pooled[channel] if view == "block" else maps.patch(*position)
    st.plotly_chart(
        strongest_entries(vector, maps.pair, views[view]),
        key=f"chart-{view}",
        config=CONFIG,
        alt=f"Bar chart of the strongest of {len(vector)} entries of {views[view]}",
    )


GALLERY_VIEW = ("colours", "opacity", "smooth", "scale", "top", "sort", "kept_maps", "tile")


def all_maps(maps: ImageMaps, request: Request, channel: int) -> None:
    """The gallery; what is done in it is kept in the session, and so in the link."""
    state = st.session_state
    st.header(f"{len(maps.upper):,} maps", anchor=False)

    def tell(what: str, value: Any) -> None:
        if what == "channel":
            choose_channel(int(value))
        elif what == "pins":
            state.pins = ",".join(str(int(pin)) for pin in value)
        else:
            state.update({name: value[name] for name in (*GALLERY_VIEW, "first")})
            state.first_of = request

    view = {name: state[name] for name in GALLERY_VIEW}
    gallery(maps, request, selected=channel, pins=shown_pins(maps), view=view, tell=tell)


def table(maps: ImageMaps) -> None:
    """All channels as numbers; a selected row is shown at large."""
    order = maps.statistics.order("energy_share")
    rows = maps.statistics.table().iloc[order]

    def on_select() -> None:
        selected = st.session_state["table"].selection.rows
        if selected:
            choose_channel(int(order[selected[0]]))

    st.dataframe(
        rows,
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
        },
    )


@st.fragment
def explore(chosen: SourceImage, request: Request) -> None:
    """Everything that only looks at maps that are there already."""
    maps = shown_maps(chosen, request)
    if maps is None:
        return
    channel = shown_channel(maps)
    signed = request.signed and maps.pair.can_be_negative
    look = shown_look(signed)
    large_map(maps, request, channel, look)
    all_maps(maps, request, channel)
    across(chosen, request, maps, channel=channel, pins=shown_pins(maps), look=look)
    with st.expander("All channels as a table", icon=":material/table:"):
        table(maps)
    pins, first = shown_pins(maps), first_channels(maps, request)
    downloads(chosen, request, maps, channel=channel, pins=pins, first=first, look=look)
    write_link()


def main() -> None:
    """The page."""
    start_from_link()
    st.title("Weighting maps", anchor=False)
    found = choose_maps()
    if found is not None and presenting():
        present_maps(*found[:2], write_link)
    elif found is not None:
        headline(*found)
        explore(*found[:2])


main()
