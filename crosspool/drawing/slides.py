"""Weighting maps as a slide: one large map beside what the network saw, or several as a sheet.

A slide has 1920 x 1080 pixels, in which everything on it is placed. A sheet of more maps than fit on a slide is larger,
but of the same shape.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from crosspool.drawing.page import BAR_ROOM, CONTENT_TOP, MARGIN, WIDTH, Page
from crosspool.drawing.rendering import SCALES, ColourRange, Look
from crosspool.drawing.style import any_script, fonts_for
from crosspool.drawing.tiles import largest_grid
from crosspool.errors import SettingError
from crosspool.grids import largest_cells
from crosspool.statistics import ChannelStatistics, channel_numbers
from crosspool.text import cells_name, number

IMAGE_SPACE = 36  # between two images


def slide(
    framed: Image.Image,
    upper: np.ndarray,
    channels: Sequence[int],
    statistics: ChannelStatistics,
    *,
    caption: str,
    look: Look | None = None,
) -> Figure:
    """The chosen channels' maps over the image that the network saw.

    `upper` holds all maps of the image, (D_{t+1}, H, W). A single channel is shown large, several as a sheet with the
    peak of each and its share of P's energy. `caption` is shown as it is; its lines break at " · ".
    Raises SettingError if there are no channels, or one that `upper` does not have.
    """
    numbers: list[int] = channel_numbers(channels, len(upper)).tolist()
    if not numbers:
        raise SettingError("There is no map to show; choose at least one channel.")
    look = look or Look()
    with any_script(), fonts_for([caption]) as notes:
        if len(numbers) == 1:
            return _large(framed, upper, numbers[0], statistics, look, caption, notes)
        return _sheet(framed, upper, numbers, statistics, look, caption, notes)


def _large(
    framed: Image.Image, upper: np.ndarray, channel: int, statistics: ChannelStatistics, look: Look, caption: str,
    notes: Sequence[str],
) -> Figure:  # fmt: skip
    page = Page()
    page.heading(f"Map {channel}", _facts(upper[channel], statistics, channel))
    bottom = page.caption(caption, notes)
    side = int(min(bottom - 32 - CONTENT_TOP, (WIDTH - 2 * MARGIN - BAR_ROOM - IMAGE_SPACE) / 2))
    map_left = MARGIN + side + IMAGE_SPACE
    image = framed.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    colour_range = look.colour_range(statistics.peak, channel)
    page.image(image, MARGIN, CONTENT_TOP, side, side)
    page.image(look.over(image, upper[channel], colour_range), map_left, CONTENT_TOP, side, side)
    _bar(page, map_left + side + 28, CONTENT_TOP, side, look, colour_range)
    return page.figure


def _facts(weights: np.ndarray, statistics: ChannelStatistics, channel: int) -> str:
    if statistics.dead[channel]:
        return "zero everywhere on this image"
    return (
        f"peak {number(statistics.peak[channel])} at {_place(weights)}; active at {statistics.active[channel]:,} of "
        f"{weights.size:,} cells; {_share(statistics, channel)} of P's energy"
    )


def _place(weights: np.ndarray) -> str:
    cells = largest_cells(weights)
    return cells_name(cells) + (", counted from 0" if len(cells) == 1 else "")


def _share(statistics: ChannelStatistics, channel: int) -> str:
    return f"{number(100 * statistics.energy_share[channel], 2)} %"


def _sheet(
    framed: Image.Image, upper: np.ndarray, channels: Sequence[int], statistics: ChannelStatistics, look: Look,
    caption: str, notes: Sequence[str],
) -> Figure:  # fmt: skip
    grid = largest_grid(len(channels) + 1, MARGIN, WIDTH - MARGIN - BAR_ROOM, Page().caption(caption, notes) - 24)
    page = Page(resolution=grid.resolution)
    legend = "each with its number, its peak and its share of P's energy"
    page.heading(f"{len(channels):,} of {len(upper):,} weighting maps", legend)
    page.caption(caption, notes)

    small = framed.convert("RGB").resize((page.pixels(grid.side),) * 2, Image.Resampling.LANCZOS)
    grid.label(page, 0, "the image", "as the network saw it")
    tiles = [small]
    for place, channel in enumerate(channels, 1):
        tiles.append(look.over(small, upper[channel], look.colour_range(statistics.peak, channel)))
        note = f"{number(statistics.peak[channel])} · {_share(statistics, channel)}"
        grid.label(page, place, str(channel), "dead: zero everywhere" if statistics.dead[channel] else note)
    page.image(grid.together(page, tiles), grid.left, grid.top, grid.width, grid.height)

    colour_range = None if look.scale == "map" else look.colour_range(statistics.peak, channels[0])
    top = grid.top + grid.label_height
    _bar(page, grid.left + grid.width + 28, top, grid.height - grid.label_height, look, colour_range)
    return page.figure


def _bar(page: Page, left: float, top: float, height: float, look: Look, colour_range: ColourRange | None) -> None:
    """A colour bar of weights; without a range, its numbers are shares of each map's peak."""
    scale = f"on {SCALES[look.scale]}" if colour_range else "as a share of each map's own peak"
    colour_range = colour_range or (-1.0 if look.signed else 0.0, 1.0)
    page.bar(left, top, height, look.colour_map, colour_range, f"weight, {scale}")
