"""Weighting maps as a slide: one large map beside what the network saw, or several as a sheet.

A slide has 1920 x 1080 pixels, in which everything on it is placed. A sheet of more maps than fit on a slide is larger,
but of the same shape.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from crosspool import __version__
from crosspool.drawing.rendering import SCALES, ColourRange, Look, colour_table
from crosspool.drawing.style import INK, any_script, fonts_for
from crosspool.errors import SettingError
from crosspool.grids import largest_cells
from crosspool.statistics import ChannelStatistics
from crosspool.text import cells_name, number

WIDTH, HEIGHT, DPI = 1920, 1080, 120
MARGIN = 64
PALE = "#5A5A5A"
TITLE, TEXT, CAPTION = 46, 25, 23  # font sizes
LINE = 1.38  # from line to line, in font sizes
TITLE_TOP, CONTENT_TOP = 40, 152  # where the title and the images begin
IMAGE_SPACE = 36  # between two images
BAR, BAR_ROOM = 30, 190  # the width of a colour bar, without and with its numbers and its name
GAP, ROW_GAP = 14, 22  # between a sheet's tiles
SMALLEST_TILE = 112  # pixels
CHARACTERS_PER_TILE, LARGEST_FONT = 12.5, 25
NOTE = "unwritten"  # marks the note on missing characters: a program that shows an SVG may have a font with them


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
    Raises SettingError if there are no channels.
    """
    if not channels:
        raise SettingError("There is no map to show; choose at least one channel.")
    look = look or Look()
    with any_script(), fonts_for([caption]) as notes:
        if len(channels) == 1:
            return _large(framed, upper, channels[0], statistics, look, caption, notes)
        return _sheet(framed, upper, channels, statistics, look, caption, notes)


def _large(
    framed: Image.Image, upper: np.ndarray, channel: int, statistics: ChannelStatistics, look: Look, caption: str,
    notes: Sequence[str],
) -> Figure:  # fmt: skip
    page = _Page()
    page.heading(f"Map {channel}", _facts(upper[channel], statistics, channel))
    bottom = page.caption(caption, notes)
    side = int(min(bottom - 32 - CONTENT_TOP, (WIDTH - 2 * MARGIN - BAR_ROOM - IMAGE_SPACE) / 2))
    map_left = MARGIN + side + IMAGE_SPACE
    image = framed.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    colour_range = look.colour_range(statistics.peak, channel)
    page.image(image, MARGIN, CONTENT_TOP, side, side)
    page.image(look.over(image, upper[channel], colour_range), map_left, CONTENT_TOP, side, side)
    page.bar(map_left + side + 28, CONTENT_TOP, side, look, colour_range)
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
    count, bottom = len(channels) + 1, _Page().caption(caption, notes) - 24
    grid = max((_Grid(count, columns, bottom) for columns in range(1, count + 1)), key=lambda grid: grid.side)
    page = _Page(resolution=max(1.0, SMALLEST_TILE / grid.side))
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
    page.bar(grid.left + grid.width + 28, top, grid.height - grid.label_height, look, colour_range)
    return page.figure


class _Grid:
    """The layout of a sheet of `count` tiles, `columns` in a row, that ends at `bottom`; each has a label above it."""

    def __init__(self, count: int, columns: int, bottom: float) -> None:
        rows = -(-count // columns)
        across = (WIDTH - 2 * MARGIN - BAR_ROOM + GAP) / columns - GAP
        down = (bottom - CONTENT_TOP + ROW_GAP) / rows - ROW_GAP
        side = min(across, max(down - 2 * LINE * LARGEST_FONT, down / (1 + 2 * LINE / CHARACTERS_PER_TILE)))
        self.columns, self.side = columns, max(1, int(side))
        self.label_height = round(2 * LINE * _font_size(side))
        self.width = columns * (self.side + GAP) - GAP
        self.height = rows * (self.side + self.label_height + ROW_GAP) - ROW_GAP
        self.left = (WIDTH - BAR_ROOM - self.width) // 2  # tiles and colour bar are in the middle of the page
        self.top = CONTENT_TOP + (int(bottom) - CONTENT_TOP - self.height) // 2

    def corner(self, place: int) -> tuple[int, int]:
        """The upper left corner of a tile, relative to that of the grid."""
        row, column = divmod(place, self.columns)
        return column * (self.side + GAP), row * (self.side + self.label_height + ROW_GAP) + self.label_height

    def label(self, page: "_Page", place: int, name: str, note: str) -> None:
        (x, y), size = self.corner(place), _font_size(self.side)
        left, top = self.left + x, self.top + y - self.label_height
        page.text(name, left, top, size, weight="bold", width=self.side)
        page.text(note, left, top + 0.95 * LINE * size, 0.92 * size, colour=PALE, width=self.side)

    def together(self, page: "_Page", tiles: Sequence[Image.Image]) -> Image.Image:
        """All tiles as one image: a separate image for each would take a hundred times longer."""
        together = Image.new("RGB", (page.pixels(self.width), page.pixels(self.height)), "white")
        for place, tile in enumerate(tiles):
            x, y = self.corner(place)
            together.paste(tile, (page.pixels(x), page.pixels(y)))
        return together


def _font_size(side: float) -> float:
    return min(side / CHARACTERS_PER_TILE, LARGEST_FONT)


class _Page:
    """A white page of 1920 x 1080 pixels, with places counted from the upper left.

    `resolution` is the number of drawn pixels for each of these, across and down.
    """

    def __init__(self, resolution: float = 1.0) -> None:
        self.resolution = resolution
        self.figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI * resolution)
        self._renderer = FigureCanvasAgg(self.figure).get_renderer()  # type: ignore[no-untyped-call]  # measures text
        self._ground = self.figure.add_axes((0, 0, 1, 1))
        self._ground.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0), autoscale_on=False)
        self._ground.set_axis_off()

    def pixels(self, length: float) -> int:
        return round(length * self.resolution)

    def text(
        self, text: str, x: float, y: float, size: float, *, colour: str = INK, weight: str = "normal",
        width: float = WIDTH - 2 * MARGIN,
    ) -> Text:  # fmt: skip
        """Write text from its upper left corner, in one line that is shortened to a width."""
        font: dict[str, Any] = {"fontsize": 72 * size / DPI, "color": colour, "weight": weight}
        drawn = self._ground.text(x, y, text, va="top", parse_math=False, **font)
        while len(text) > 1 and self._width(drawn) > width:
            text = text[: min(len(text) - 1, int(len(text) * width / self._width(drawn)) + 1)]
            drawn.set_text(text.rstrip() + "…")
        return drawn

    def heading(self, title: str, subtitle: str) -> None:
        self.text(title, MARGIN, TITLE_TOP, TITLE, weight="bold")
        self.text(subtitle, MARGIN, TITLE_TOP + 1.25 * TITLE, TEXT, colour=PALE)

    def _width(self, drawn: Text) -> float:
        return float(drawn.get_window_extent(self._renderer).width) / self.resolution

    def caption(self, caption: str, notes: Sequence[str]) -> float:
        """Write the caption and notes at the bottom; returns where they begin."""
        lines: list[str] = []
        for part in caption.split(" · "):
            longer = f"{lines[-1]} · {part}" if lines else part
            if lines and not self._fits(longer):
                lines.append(part)
            else:
                lines[-1:] = [longer]
        top = HEIGHT - 44 - LINE * CAPTION * (len(lines) + len(notes))
        for place, line in enumerate([*lines, *notes]):
            drawn = self.text(line, MARGIN, top + place * LINE * CAPTION, CAPTION, colour=PALE)
            drawn.set_gid(NOTE if place >= len(lines) else None)
        mark = self.text(f"crosspool {__version__}", WIDTH - MARGIN, HEIGHT - 36, 15, colour=PALE)
        mark.set_horizontalalignment("right")
        return top

    def _fits(self, line: str) -> bool:
        drawn = self._ground.text(0, 0, line, fontsize=72 * CAPTION / DPI, parse_math=False)
        width = self._width(drawn)
        drawn.remove()
        return width <= WIDTH - 2 * MARGIN

    def image(self, image: Image.Image, left: float, top: float, width: float, height: float) -> None:
        extent = (left, left + width, top + height, top)
        self._ground.imshow(np.asarray(image), extent=extent, aspect="auto", interpolation="none")

    def bar(self, left: float, top: float, height: float, look: Look, colour_range: ColourRange | None) -> None:
        """A colour bar with its numbers and their name; without a range, those are shares of each map's peak."""
        scale = f"on {SCALES[look.scale]}" if colour_range else "as a share of each map's own peak"
        colour_range = colour_range or (-1.0 if look.signed else 0.0, 1.0)
        axes = self.figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, BAR / WIDTH, height / HEIGHT))
        axes.imshow(colour_table(look.colour_map)[:, None], extent=(0, 1, *colour_range), aspect="auto", origin="lower")
        axes.set(xticks=[], ylim=colour_range)
        values = np.linspace(*colour_range, 5)
        axes.set_yticks(values, [number(value) for value in values], fontsize=72 * 21 / DPI, color=INK)
        axes.tick_params(length=5, color=PALE)
        axes.yaxis.tick_right()
        axes.yaxis.set_label_position("right")
        axes.set_ylabel(f"weight, {scale}", fontsize=72 * 21 / DPI, color=PALE, labelpad=12)
        axes.spines[:].set_visible(False)
