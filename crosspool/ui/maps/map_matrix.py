"""The channels on several images as a matrix of small maps, on one scale, from which one can be chosen."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crosspool.drawing.rendering import ColourRange, Look, quantise
from crosspool.gallery.mapset import colour_tables
from crosspool.ui.maps.large_images import colour_scale
from crosspool.ui.maps.selection import select_channel
from crosspool.ui.maps.survey import ImageSummary, Survey, SurveyImage
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.visit.images import SourceImage
from crosspool.ui.visit.state import VisitPart, about_images, plain, visit_state
from crosspool.ui.widgets.browser import component
from crosspool.ui.widgets.text import number

ImageOrder = Literal["given", "peak", "mean"]
Row = tuple[SurveyImage, ImageSummary | None]  # None for an image that is not computed yet


@dataclass
class AcrossState(VisitPart):
    """Which images are shown and in which order ("" until one is chosen), and the survey that computes their maps.

    `image_chosen` is whether another image was just made the page's by a click, which only a full run shows.
    """

    across_set: str = plain("")
    across_order: str = plain("")
    survey: Survey | None = about_images(None)
    image_chosen: bool = plain(False)


_draw = component("ui/maps/across", '<div class="across"></div>')


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


def column_colour_ranges(summaries: Sequence[ImageSummary], channels: Sequence[int], look: Look) -> list[ColourRange]:
    """The range of weights that the colours of each channel span, the same for all computed images."""
    peaks = np.max([np.abs(summary.peak) for summary in summaries], axis=0)
    return [look.colour_range(peaks, channel) for channel in channels]


def map_matrix(
    chosen: SourceImage, rows: Sequence[Row], channels: Sequence[int], look: Look, colour_ranges: Sequence[ColourRange]
) -> None:
    """A row for each image, a column for each channel; without `colour_ranges` nothing was computed yet."""
    images = {image.request.image: image for image, _ in rows}

    def choose(pressed: tuple[ImageHash, float]) -> None:
        key, channel = pressed
        if key in images:
            images[key].show()
            select_channel(int(channel))
            visit_state(AcrossState).image_chosen = True

    scales: list[list[str] | None] = [None] * len(channels)
    if len(set(colour_ranges)) == 1:
        scope = f"map {channels[0]}" if len(channels) == 1 else "all these maps"
        colour_scale(colour_ranges[0], look.colour_map, f"weight, one scale for {scope} on all computed images")
    elif colour_ranges:
        scales = [[number(low), number(high)] for low, high in colour_ranges]
    data = {
        "columns": [{"channel": channel, "scale": scale} for channel, scale in zip(channels, scales, strict=True)],
        "rows": [_row(row, chosen, channels, colour_ranges) for row in rows],
        "table": colour_tables()[look.colour_map],
        "opacity": look.opacity,
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
    peak = summary.peak[channel]
    steps = quantise(summary.weights(channel), colour_range)
    return {
        "steps": base64.b64encode(steps.tobytes()).decode(),
        "peak": f"peak {number(peak)}" if peak else "zero everywhere",
        "place": f"row {summary.row[channel]}, column {summary.column[channel]}" if peak else "",
        "mean": f"mean {number(summary.mean[channel])}",
    }
