"""Every spatial weighting map of a layer pair over the image, and one of them at large."""

import numpy as np
import streamlit as st

from crosspool.receptive_field import patch_box
from crosspool.rendering import COLOUR_MAPS
from crosspool.statistics import Criterion
from crosspool.ui.charts import CONFIG, strongest_entries
from crosspool.ui.compute import ImageMaps, Request
from crosspool.ui.controls import choose_maps, start_from_link, write_link
from crosspool.ui.gallery import Look, gallery
from crosspool.ui.link import PRETRAINED
from crosspool.ui.picture import Cell
from crosspool.ui.selection import choose_channel, shown_channel, shown_look, shown_position
from crosspool.ui.snippet import python_code
from crosspool.ui.sources import Picture
from crosspool.ui.text import file_stem, number
from crosspool.ui.views import field_of, headline, map_picture, seen_picture

SORTS: dict[Criterion, str] = {
    "energy_share": "share of energy",
    "peak": "peak",
    "mean": "mean",
    "sparsity": "sparsity",
    "channel": "channel number",
}
PAGE_SIZES = {48: "48", 96: "96", 192: "192", 0: "all"}


def choose_look(signed: bool) -> None:
    """The controls of colour, in one row that wraps; `shown_look` reads them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.container(width=150):
            st.selectbox("Colours", COLOUR_MAPS, key="colours", disabled=signed)
        with st.container(width=200):
            st.slider("Opacity", 0.0, 1.0, step=0.05, key="opacity")
        st.segmented_control(
            "Scale",
            ["map", "layer"],
            format_func=lambda scale: f"per {scale}",
            required=True,
            key="scale",
            help="Per map: each map spans all colours. Per layer: one scale for all, so that maps can be compared.",
        )
        st.toggle("Smooth", key="smooth", help="Off: each cell of the map is one flat block.")


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


def all_maps(maps: ImageMaps, channel: int, look: Look) -> None:
    """The gallery in pages with its order and filter."""
    statistics = maps.statistics
    dead = int(statistics.dead.sum())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.subheader(f"{len(maps.upper):,} maps", anchor=False, width="content")
        with st.container(width=190):
            sort = st.selectbox(
                "Sort by", list(SORTS), format_func=SORTS.__getitem__, key="sort", on_change=_first_page
            )
        hide = st.toggle(f"Hide {dead:,} dead maps", key="hide_dead", disabled=not dead, on_change=_first_page)
        st.segmented_control(
            "Maps a page",
            list(PAGE_SIZES),
            format_func=PAGE_SIZES.__getitem__,
            required=True,
            key="page_size",
            on_change=_first_page,
        )
        with st.container(width=150):
            st.session_state.find = channel
            st.number_input(
                "Show map",
                0,
                len(maps.upper) - 1,
                key="find",
                on_change=_find,
                args=(channel,),
                help="Type a channel number to see it at large.",
            )
    order = ordered_channels(maps, sort, hide=hide and dead > 0)
    if not len(order):
        st.info("Every map is zero on this image.", icon=":material/hide_source:")
        return
    per_page = st.session_state.page_size or len(order)
    pages = -(-len(order) // per_page)
    page = 1
    if pages > 1:
        # A new key is a new widget, at its first page: the number of another order or filter means nothing here.
        page = st.pagination(pages, key=f"page-{st.session_state.page_round}-{pages}", persist_state="session")
    shown = order[(page - 1) * per_page : page * per_page]
    gallery(maps, shown.tolist(), selected=channel, look=look, choose=choose_channel, key="gallery")
    if pages > 1:
        st.caption(f"Maps {(page - 1) * per_page + 1} to {(page - 1) * per_page + len(shown)} of {len(order):,}.")


def _find(shown: int) -> None:
    if st.session_state.find != shown:  # a browser may send back the number that it was given
        choose_channel(st.session_state.find)


def _first_page() -> None:
    st.session_state.page_round += 1


def ordered_channels(maps: ImageMaps, sort: Criterion, *, hide: bool) -> np.ndarray:
    """Channel numbers, the largest first (by number: the smallest), dead ones left out if `hide`."""
    channels = maps.statistics.order(sort)
    return channels[~maps.statistics.dead[channels]] if hide else channels


def table(maps: ImageMaps, chosen: Picture, request: Request) -> None:
    """All channels as numbers; a selected row is shown at large."""
    order = maps.statistics.order(st.session_state.sort)
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
    with st.container(horizontal=True):
        st.download_button(
            "Table as CSV",
            maps.statistics.table().to_csv(index=False),
            f"{file_stem(chosen.title)}-{request.backbone}{_untrained(request)}-{request.pair}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    st.markdown("The same in Python:")
    st.code(python_code(request, chosen), language="python")


def _untrained(request: Request) -> str:
    return "" if request.weights == PRETRAINED else f"-{request.weights}"


@st.fragment
def explore(chosen: Picture, request: Request, maps: ImageMaps) -> None:
    """Everything that only looks at maps that are there already."""
    channel = shown_channel(maps)
    signed = request.signed and maps.pair.can_be_negative
    look = shown_look(signed)
    large_map(maps, request, channel, look)
    choose_look(signed)
    all_maps(maps, channel, look)
    with st.expander("All channels as a table, and taking them away", icon=":material/table:"):
        table(maps, chosen, request)
    write_link()


def main() -> None:
    """The page."""
    start_from_link()
    st.title("Weighting maps", anchor=False)
    found = choose_maps()
    if found is not None:
        headline(*found)
        explore(*found)


main()
