"""Every spatial weighting map of a layer pair over the image, and one of them at large."""

import numpy as np
import streamlit as st

from crosspool.backbones import UNTRAINED, architecture, backbone_specs
from crosspool.errors import CrosspoolError
from crosspool.receptive_field import patch_box, receptive_field
from crosspool.rendering import (
    COLOUR_MAPS,
    FIELD_COLOUR,
    PATCH_COLOUR,
    SIGNED_COLOUR_MAP,
    cell_box,
    colour_limits,
    overlay,
    with_boxes,
)
from crosspool.ui.charts import strongest_entries
from crosspool.ui.compute import ImageMaps, Request, image_maps
from crosspool.ui.controls import choose_request, start_from_link, write_link
from crosspool.ui.gallery import Look, gallery
from crosspool.ui.picture import colour_bar, picture
from crosspool.ui.snippet import python_code
from crosspool.ui.sources import Picture, choose_picture

SORTS = {
    "energy_share": "share of energy",
    "peak": "peak",
    "mean": "mean",
    "sparsity": "sparsity",
    "channel": "channel number",
}
PAGE_SIZES = {48: "48", 96: "96", 192: "192", 0: "all"}
LARGE = 448  # pixels of the large pictures
BAR_COLOUR = "#13837a"


def headline(chosen: Picture, request: Request, maps: ImageMaps) -> None:
    """One line that says exactly what is shown."""
    pair, (rows, columns) = maps.pair, maps.upper.shape[1:]
    title = backbone_specs()[request.backbone].title + (" (untrained)" if request.weights == UNTRAINED else "")
    st.markdown(
        f"**{_plain(chosen.title)}** · {title} · {pair.label} ({pair.lower_channels} → {pair.upper_channels}, "
        f"{pair.kernel_size[0]}×{pair.kernel_size[1]}) · {rows}×{columns} maps · P has {pair.feature_length:,} numbers"
    )


def _plain(text: str) -> str:
    """A file's name as Markdown that shows it as it is."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+-.!|$:~" else sign for sign in text)


def shown_channel(maps: ImageMaps) -> int:
    """The channel that was chosen, or the one with the largest share of P's energy until one is."""
    channel: int = st.session_state.channel
    return channel if 0 <= channel < len(maps.upper) else int(maps.statistics.energy_share.argmax())


def choose_channel(channel: int) -> None:
    """Show this channel at large, its position under study back at the peak."""
    st.session_state.channel = channel
    st.session_state.position = None


def shown_position(maps: ImageMaps, channel: int) -> tuple[int, int]:
    """The position under study: the one that was chosen, else the chosen map's peak."""
    position = st.session_state.get("position")
    rows, columns = maps.upper.shape[1:]
    if position is not None and position[0] < rows and position[1] < columns:
        return int(position[0]), int(position[1])
    return int(maps.statistics.peak_row[channel]), int(maps.statistics.peak_column[channel])


def choose_position(position: tuple[int, int]) -> None:
    """Study this (row, column) of the maps."""
    st.session_state.position = position


def choose_look(signed: bool) -> Look:
    """The controls of colour, in one row that wraps."""
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
    state = st.session_state
    return Look(SIGNED_COLOUR_MAP if signed else state.colours, state.opacity, state.smooth, state.scale, signed)


def large_map(maps: ImageMaps, request: Request, channel: int, look: Look) -> None:
    """What the network saw, the chosen map over it, and what the map is and does."""
    position = shown_position(maps, channel)
    weights = maps.upper[channel]
    limits = colour_limits(maps.upper if look.scale == "layer" else weights, signed=look.signed)
    framed = maps.framed.resize((LARGE, LARGE))
    seen, over, facts = st.columns([1, 1, 1.15], gap="medium")
    with seen:
        st.markdown("**What the network saw**")
        picture(
            _marked(framed, maps, request, position),
            alt=f"The image as the network saw it; position row {position[0]}, column {position[1]} is marked.",
            map_size=weights.shape,
            cell=position,
            choose=choose_position,
            key="seen",
        )
        st.caption(
            f"Exactly the network's input, {request.size} × {request.size} px. White: the patch of layer t at the position "
            "under study; orange: its receptive field. Click, or use the arrow keys, to study another position."
        )
    with over:
        st.markdown(f"**Map {channel} over it**")
        shown = overlay(
            framed, weights, limits=limits, colour_map=look.colour_map, opacity=look.opacity, smooth=look.smooth
        )
        cell = cell_box(*position, weights.shape, LARGE)
        scale = "of this layer" if look.scale == "layer" else "of this map"
        picture(
            with_boxes(shown, [(cell, PATCH_COLOUR)]),
            alt=f"Weighting map {channel} over the image, drawn in {look.colour_map}.",
            map_size=weights.shape,
            cell=position,
            choose=choose_position,
            key="over",
            bar=colour_bar(limits, look.colour_map, f"weight, on the scale {scale}"),
        )
    with facts:
        _facts(maps, request, channel, position)
        _entries(maps, request, channel, position)


def _marked(framed, maps: ImageMaps, request: Request, position: tuple[int, int]):  # type: ignore[no-untyped-def]
    at_size = architecture(request.backbone).layout(request.size)
    enlarged = LARGE / request.size
    field = receptive_field(at_size, maps.pair.upper, *position)
    patch = patch_box(maps.pair, *position)
    lower = maps.lower.shape[1:]
    first, last = (
        cell_box(patch.top, patch.left, lower, LARGE),
        cell_box(patch.bottom - 1, patch.right - 1, lower, LARGE),
    )
    return with_boxes(
        framed, [(field.scaled(enlarged), FIELD_COLOUR), (first.joined(last).clipped(LARGE), PATCH_COLOUR)]
    )


def _facts(maps: ImageMaps, request: Request, channel: int, position: tuple[int, int]) -> None:
    statistics, pair = maps.statistics, maps.pair
    places = maps.upper[channel].size
    st.markdown(f"**Map {channel}**")
    if statistics.dead[channel]:
        st.info("This map is zero everywhere on this image: it adds nothing to P.", icon=":material/hide_source:")
    peak, share, active = st.columns(3, gap="small", wrap=False)
    peak.metric("Peak", f"{statistics.peak[channel]:.3g}")
    share.metric("Energy of P", f"{100 * statistics.energy_share[channel]:.2g} %", help="||P_k||² / ||P||²")
    active.metric("Active at", f"{statistics.active[channel]}/{places}", help="positions with a weight other than 0")
    row, column = position
    patch = patch_box(pair, row, column)
    field = receptive_field(architecture(request.backbone).layout(request.size), pair.upper, row, column)
    st.markdown(
        f"Peak at row {statistics.peak_row[channel]}, column {statistics.peak_column[channel]}; mean weight "
        f"{statistics.mean[channel]:.3g}; sparsity {statistics.sparsity[channel]:.0%}.  \n"
        f"At **row {row}, column {column}** the weight is **{maps.upper[channel, row, column]:.3g}**. Its patch: "
        f"{pair.kernel_size[0]}×{pair.kernel_size[1]} × {pair.lower_channels} channels of layer t, rows {patch.top} to "
        f"{patch.bottom - 1}, columns {patch.left} to {patch.right - 1}. Its receptive field: {field.width}×{field.height} px "
        "of the image."
    )


def _entries(maps: ImageMaps, request: Request, channel: int, position: tuple[int, int]) -> None:
    views = {"block": f"block P_{channel}", "patch": "patch x_i here"}
    view = st.segmented_control(
        "Strongest entries of",
        list(views),
        format_func=views.__getitem__,
        default="block",
        required=True,
        key="entries",
        help="P_k is the sum over all positions of weight times patch; zoom by dragging, double click to reset.",
    )
    vector = maps.pooled[channel] if view == "block" else maps.patch(*position)
    figure = strongest_entries(vector, maps.pair, views[view], BAR_COLOUR)
    st.plotly_chart(
        figure,
        key=f"chart-{view}",
        config={"displaylogo": False, "scrollZoom": False},
        alt=f"Bar chart of the strongest of {len(vector)} entries of {views[view]}",
    )


def all_maps(maps: ImageMaps, channel: int, look: Look) -> np.ndarray:
    """The gallery in pages with its order and filter; returns the channels in the order shown."""
    statistics = maps.statistics
    dead = int(statistics.dead.sum())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.subheader(f"{len(maps.upper):,} maps", anchor=False, width="content")
        with st.container(width=190):
            sort = st.selectbox("Sort by", list(SORTS), format_func=SORTS.__getitem__, key="sort")
        hide = st.toggle(f"Hide {dead:,} dead maps", value=True, key="hide_dead", disabled=not dead)
        st.segmented_control(
            "Maps a page", list(PAGE_SIZES), format_func=PAGE_SIZES.__getitem__, default=48, required=True, key="page_size"
        )
        with st.container(width=150):
            st.session_state.find = channel
            st.number_input(
                "Show map",
                0,
                len(maps.upper) - 1,
                key="find",
                on_change=lambda: choose_channel(st.session_state.find),
                help="Type a channel number to see it at large.",
            )
    order = ordered_channels(maps, sort, hide=hide and dead > 0)
    if not len(order):
        st.info("Every map is zero on this image.", icon=":material/hide_source:")
        return order
    per_page = st.session_state.page_size or len(order)
    pages = -(-len(order) // per_page)
    page = 1
    if pages > 1:
        if st.session_state.get("page", 1) > pages:
            st.session_state.page = 1
        page = st.pagination(pages, key="page")
    shown = order[(page - 1) * per_page : page * per_page]
    gallery(maps, shown.tolist(), selected=channel, look=look, choose=choose_channel, key="gallery")
    if pages > 1:
        st.caption(f"Maps {(page - 1) * per_page + 1} to {(page - 1) * per_page + len(shown)} of {len(order):,}.")
    return order


def ordered_channels(maps: ImageMaps, sort: str, *, hide: bool) -> np.ndarray:
    """Channel numbers, the largest first (by number: the smallest), dead ones left out if `hide`."""
    channels = np.arange(len(maps.upper))
    if sort != "channel":
        channels = np.argsort(-getattr(maps.statistics, sort), kind="stable")
    return channels[~maps.statistics.dead[channels]] if hide else channels


def table(maps: ImageMaps, order: np.ndarray, chosen: Picture, request: Request) -> None:
    """All channels as numbers; a selected row is shown at large."""
    rows = maps.statistics.table().set_index("channel", drop=False).loc[order]

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
            f"{_file_stem(chosen.title)}-{request.backbone}-{request.pair}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    st.markdown("The same in Python:")
    st.code(python_code(request, chosen.title), language="python")


def _file_stem(title: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in title.rsplit(".", 1)[0])[:60] or "image"


@st.fragment
def explore(maps: ImageMaps, chosen: Picture, request: Request) -> None:
    """Everything that only looks at maps that are there already."""
    channel = shown_channel(maps)
    top = st.container()
    look = choose_look(request.signed)
    with top:
        large_map(maps, request, channel, look)
    order = all_maps(maps, channel, look)
    with st.expander("All channels as a table, and taking them away", icon=":material/table:"):
        table(maps, order, chosen, request)
    write_link()


def main() -> None:
    """The page."""
    start_from_link()
    st.title("Weighting maps", anchor=False)
    chosen = choose_picture()
    request = choose_request(chosen)
    if chosen is None:
        st.info("Add an image to see its maps, or go back to the samples.", icon=":material/add_photo_alternate:")
    if chosen is None or request is None:
        return
    try:
        with st.spinner("Computing the maps …", show_time=True):
            maps = image_maps(request, chosen.image)
    except CrosspoolError as error:
        st.error(str(error))
        return
    headline(chosen, request, maps)
    explore(maps, chosen, request)


main()
