"""The same channels on several images, on one scale, and the images on which a channel is strongest."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import streamlit as st

from crosspool.drawing.rendering import ColourRange, Look, quantise
from crosspool.gallery.mapset import colour_tables
from crosspool.ui.maps.large_images import colour_scale
from crosspool.ui.maps.selection import pinned_channels, select_channel
from crosspool.ui.maps.survey import ImageSet, ImageSummary
from crosspool.ui.maps.surveying import Row, SurveyState, choose_image_set, surveyed
from crosspool.ui.runtime.maps import ImageMaps, MapRequest
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import VisitPart, choose_option, plain, visit_state
from crosspool.ui.widgets.browser import Id, Index, RefusedError, component
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import counted_cells, number

TOP_IMAGES = 12  # shown of a labelled set

ImageOrder = Literal["given", "peak", "mean"]
ORDERS: dict[ImageOrder, str] = {"given": "as listed", "peak": "by peak", "mean": "by mean weight"}
MEASURES: dict[ImageOrder, str] = {"peak": term("peak"), "mean": "mean weight"}

_draw = component("ui/maps/across", '<div class="across"></div>', pressed=tuple[Id, Index])


@dataclass
class AcrossState(VisitPart):
    """In which order the images are shown ("" until one is chosen)."""

    across_order: str = plain("")


def across(chosen: SourceImage, request: MapRequest, maps: ImageMaps, channel: int, look: Look) -> None:
    """Show the selected channel and the pinned ones on other images; a button computes their maps."""
    pins = pinned_channels(maps)
    channels = pins if channel in pins else [channel, *pins]  # columns stay while one of them is selected
    with st.container(horizontal=True, gap="medium"):
        image_set = choose_image_set(request, maps)
        orders = {key: text for key, text in ORDERS.items() if key != "given" or not image_set.ranked}
        order = choose_option("Order", orders, visit_state(AcrossState), "across_order")
    surveyed(image_set, partial(_draw_rows, chosen, image_set, channels, channel, look, order))


def _draw_rows(
    chosen: SourceImage, image_set: ImageSet, channels: list[int], channel: int, look: Look, order: ImageOrder,
    rows: list[Row], running: bool,
) -> None:  # fmt: skip
    """The images of a set whose maps are computed already, and of a small set the others, too."""
    summaries = [summary for _, summary in rows if summary is not None]
    if not running and order != "given":
        rows = strongest_first(rows, channel, order)
    if image_set.ranked:
        rows = [] if running else [row for row in rows if row[1] is not None][:TOP_IMAGES]
    _caption(image_set, len(summaries), len(rows), channel, order)
    if rows:
        colour_ranges = _column_colour_ranges(summaries, channels, look) if summaries else []
        _map_matrix(chosen, rows, channels, channel, look, colour_ranges)


def _caption(image_set: ImageSet, computed: int, row_count: int, channel: int, order: ImageOrder) -> None:
    sentence = f"{computed:,} of {len(image_set.images):,} images computed."
    if order != "given" and computed and row_count:
        which = f"The {row_count} strongest of them" if row_count < computed else "Strongest first"
        sentence += f" {which}: by the {MEASURES[order]} of map {channel} on the image."
    hint = " Click an image to enlarge it." if row_count else ""
    st.caption(f"{sentence}{image_set.note}{hint}")


# --- the matrix


def strongest_first(rows: Sequence[Row], channel: int, order: ImageOrder) -> list[Row]:
    """The rows by a channel's peak, whatever its sign, or by its mean; those not computed yet come last.

    Of equal peaks, which clipped maps often have, the one with the larger mean comes first.
    """

    def weakness(row: Row) -> tuple[float, float]:
        summary = row[1]
        if summary is None:
            return np.inf, np.inf
        mean = float(summary.mean[channel])
        return (-abs(float(summary.peak[channel])) if order == "peak" else -mean), -mean

    return sorted(rows, key=weakness)


def _column_colour_ranges(summaries: Sequence[ImageSummary], channels: Sequence[int], look: Look) -> list[ColourRange]:
    """The range of weights that the colours of each channel span, the same for all computed images."""
    peaks = np.max([np.abs(summary.peak) for summary in summaries], axis=0)
    return [look.colour_range(peaks, channel) for channel in channels]


def _map_matrix(
    chosen: SourceImage, rows: Sequence[Row], channels: Sequence[int], selected: int, look: Look,
    colour_ranges: Sequence[ColourRange],
) -> None:  # fmt: skip
    """A row for each image, a column for each channel; without `colour_ranges` nothing was computed yet."""
    images = {image.request.image: image for image, _ in rows}

    def choose(pressed: tuple[ImageHash, int]) -> None:
        key, channel = pressed
        if key not in images or channel not in channels:
            raise RefusedError
        images[key].show()
        select_channel(channel)
        visit_state(SurveyState).image_chosen = True

    scales: list[list[str] | None] = [None] * len(channels)
    if len(set(colour_ranges)) == 1:
        scope = f"map {channels[0]}" if len(channels) == 1 else "all these maps"
        colour_scale(colour_ranges[0], look.colour_map, f"weight, one scale for {scope} on all computed images")
    elif colour_ranges:
        scales = [[number(low), number(high)] for low, high in colour_ranges]
    data = {
        "columns": [{"channel": channel, "scale": scale} for channel, scale in zip(channels, scales, strict=True)],
        "rows": [_row(row, chosen, channels, colour_ranges) for row in rows],
        "selected": selected,
        "table": colour_tables()[look.colour_map],
        "opacity": look.opacity,
        "overlay": look.overlay,
        "signed": look.signed,
        "smooth": look.smooth,
    }
    _draw(data, "across", pressed=choose)


def _row(row: Row, chosen: SourceImage, channels: Sequence[int], ranges: Sequence[ColourRange]) -> dict[str, object]:
    image, summary = row
    head = {
        "id": image.request.image,
        "title": image.title,
        "alt": image.alt,
        "thumbnail": image.thumbnail(),
        "chosen": chosen.key in image.file_keys(),
    }
    if summary is None:
        return head | {"photo": None, "cells": []}
    cells = [_cell(summary, channel, span) for channel, span in zip(channels, ranges, strict=True)]
    _, height, width = summary.cells.shape
    return head | {"photo": summary.photo, "rows": height, "columns": width, "cells": cells}


def _cell(summary: ImageSummary, channel: int, colour_range: ColourRange) -> dict[str, str]:
    peak, first = summary.peak[channel], (summary.row[channel], summary.column[channel])
    steps = quantise(summary.weights(channel), colour_range)
    return {
        "steps": base64.b64encode(steps.tobytes()).decode(),
        "peak": f"peak {number(peak)}" if peak else "zero everywhere",
        "place": counted_cells(first, int(summary.peak_cells[channel])) if peak else "",
        "mean": f"mean {number(summary.mean[channel])}",
    }
