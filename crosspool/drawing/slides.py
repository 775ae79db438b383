"""Weighting maps as a slide: one map at large beside what the network saw, or several as a sheet.

A slide is 1920 x 1080 pixels, and everything on it is placed in them. A sheet of more maps than a slide has room for
is larger, of the same shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from crosspool import __version__
from crosspool.drawing.fonts import any_script, fonts_for
from crosspool.drawing.rendering import SCALES, ColourRange, Look, colour_table
from crosspool.drawing.style import INK
from crosspool.errors import SettingError
from crosspool.statistics import ChannelStatistics
from crosspool.text import number

WIDTH, HEIGHT, DPI = 1920, 1080, 120
MARGIN = 64
PALE = "#5A5A5A"
TITLE, TEXT, CAPTION = 46, 25, 23  # sizes of letters
LINE = 1.38  # from line to line, in letters
TITLE_TOP, CONTENT_TOP = 40, 152  # where the title and the images begin
IMAGE_SPACE = 36  # between two images
BAR, BAR_ROOM = 30, 190  # a colour bar's width, and what it takes with its numbers and its name
GAP, ROW_GAP = 14, 22  # between a sheet's tiles
SMALLEST_TILE = 112  # pixels
LETTERS_A_TILE, LARGEST_LETTERS = 12.5, 25
NOTE = "unwritten"  # marks the text that says that letters are missing: a program that shows an SVG may have them


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

    `upper` holds all maps of the image, (D_{t+1}, H, W). One channel is shown at large, several as a sheet with the
    peak of each and its share of P's energy. `caption` is shown letter for letter; it breaks at " · ".
    Raises SettingError without channels.
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
    page.text(f"Map {channel}", MARGIN, TITLE_TOP, TITLE, weight="bold")
    page.text(_facts(upper[channel], statistics, channel), MARGIN, TITLE_TOP + 1.25 * TITLE, TEXT, colour=PALE)
    bottom = page.caption(caption, notes)
    side = int(min(bottom - 32 - CONTENT_TOP, (WIDTH - 2 * MARGIN - BAR_ROOM - IMAGE_SPACE) / 2))
    map_left = MARGIN + side + IMAGE_SPACE
    image = framed.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    colour_range = look.colour_range(statistics.peak, channel)
    page.image(image, MARGIN, CONTENT_TOP, side, side)
    page.image(look.over(image, upper[channel], colour_range), map_left, CONTENT_TOP, side, side)
    page.bar(map_left + side + 28, CONTENT_TOP, side, colour_range, look.colour_map, f"weight, on {SCALES[look.scale]}")
    return page.figure


def _facts(weights: np.ndarray, statistics: ChannelStatistics, channel: int) -> str:
    if statistics.dead[channel]:
        return "zero everywhere on this image"
    return (
        f"peak {number(statistics.peak[channel])} at row {statistics.peak_row[channel]}, "
        f"column {statistics.peak_column[channel]}, counted from 0; active at {statistics.active[channel]:,} of "
        f"{weights.size:,} cells; {_share(statistics, channel)} of P's energy"
    )


def _share(statistics: ChannelStatistics, channel: int) -> str:
    return f"{number(100 * statistics.energy_share[channel], 2)} %"


def _sheet(
    framed: Image.Image, upper: np.ndarray, channels: Sequence[int], statistics: ChannelStatistics, look: Look,
    caption: str, notes: Sequence[str],
) -> Figure:  # fmt: skip
    grid = _Grid.of(len(channels) + 1, bottom=_Page().caption(caption, notes) - 24)
    page = _Page(resolution=max(1.0, SMALLEST_TILE / grid.side))
    page.text(f"{len(channels):,} of {len(upper):,} weighting maps", MARGIN, TITLE_TOP, TITLE, weight="bold")
    legend = "each with its number, its peak and its share of P's energy"
    page.text(legend, MARGIN, TITLE_TOP + 1.25 * TITLE, TEXT, colour=PALE)
    page.caption(caption, notes)

    small = framed.convert("RGB").resize((page.pixels(grid.side),) * 2, Image.Resampling.LANCZOS)
    grid.label(page, 0, "the image", "as the network saw it")
    tiles = [small]
    for place, channel in enumerate(channels, 1):
        tiles.append(look.over(small, upper[channel], look.colour_range(statistics.peak, channel)))
        note = f"{number(statistics.peak[channel])} · {_share(statistics, channel)}"
        grid.label(page, place, str(channel), "dead: zero everywhere" if statistics.dead[channel] else note)
    page.image(grid.together(page, tiles), grid.left, grid.top, grid.width, grid.height)

    if look.scale == "map":
        colour_range, label = (-1.0 if look.signed else 0.0, 1.0), "weight, as a share of each map's own peak"
    else:
        colour_range, label = look.colour_range(statistics.peak, channels[0]), f"weight, on {SCALES[look.scale]}"
    top = grid.top + grid.label_height
    page.bar(grid.left + grid.width + 28, top, grid.height - grid.label_height, colour_range, look.colour_map, label)
    return page.figure


@dataclass(frozen=True)
class _Grid:
    """Where the tiles of a sheet are: so many in a row, their side and the height of the label above each."""

    count: int
    columns: int
    side: int
    label_height: int
    bottom: int

    @classmethod
    def of(cls, count: int, bottom: float) -> "_Grid":
        """The one with the largest tiles, down to `bottom`."""

        def with_columns(columns: int) -> _Grid:
            across = (WIDTH - 2 * MARGIN - BAR_ROOM + GAP) / columns - GAP
            down = (bottom - CONTENT_TOP + ROW_GAP) / -(-count // columns) - ROW_GAP
            side = min(across, max(down - 2 * LINE * LARGEST_LETTERS, down / (1 + 2 * LINE / LETTERS_A_TILE)))
            return cls(count, columns, max(1, int(side)), round(2 * LINE * _letters(side)), int(bottom))

        return max(map(with_columns, range(1, count + 1)), key=lambda grid: grid.side)

    @property
    def rows(self) -> int:
        return -(-self.count // self.columns)

    @property
    def width(self) -> int:
        return self.columns * (self.side + GAP) - GAP

    @property
    def height(self) -> int:
        return self.rows * (self.side + self.label_height + ROW_GAP) - ROW_GAP

    @property
    def left(self) -> int:
        """All tiles and their colour bar are in the middle of the page."""
        return (WIDTH - BAR_ROOM - self.width) // 2

    @property
    def top(self) -> int:
        return CONTENT_TOP + (self.bottom - CONTENT_TOP - self.height) // 2

    def corner(self, place: int) -> tuple[int, int]:
        """The upper left corner of a tile, from that of all tiles."""
        row, column = divmod(place, self.columns)
        return column * (self.side + GAP), row * (self.side + self.label_height + ROW_GAP) + self.label_height

    def label(self, page: "_Page", place: int, name: str, note: str) -> None:
        (x, y), letters = self.corner(place), _letters(self.side)
        left, top = self.left + x, self.top + y - self.label_height
        page.text(name, left, top, letters, weight="bold", width=self.side)
        page.text(note, left, top + 0.95 * LINE * letters, 0.92 * letters, colour=PALE, width=self.side)

    def together(self, page: "_Page", tiles: Sequence[Image.Image]) -> Image.Image:
        """All tiles as one image: an image for each would take a hundred times longer."""
        together = Image.new("RGB", (page.pixels(self.width), page.pixels(self.height)), "white")
        for place, tile in enumerate(tiles):
            x, y = self.corner(place)
            together.paste(tile, (page.pixels(x), page.pixels(y)))
        return together


def _letters(side: float) -> float:
    return min(side / LETTERS_A_TILE, LARGEST_LETTERS)


class _Page:
    """A white page of 1920 x 1080 on which things are placed from the upper left.

    `resolution` is how many pixels are drawn for each of these, across and down.
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
        """Text from its upper left corner, in one line that is shortened to a width."""
        drawn = self._ground.text(
            x, y, text, fontsize=72 * size / DPI, color=colour, weight=weight, va="top", parse_math=False
        )
        while len(text) > 1 and self._width(drawn) > width:
            text = text[: min(len(text) - 1, int(len(text) * width / self._width(drawn)) + 1)]
            drawn.set_text(text.rstrip() + "…")
        return drawn

    def _width(self, drawn: Text) -> float:
        return float(drawn.get_window_extent(self._renderer).width) / self.resolution

    def caption(self, caption: str, notes: Sequence[str]) -> float:
        """What is shown, at the bottom; returns where it begins."""
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

    def bar(
        self, left: float, top: float, height: float, colour_range: ColourRange, colour_map: str, label: str
    ) -> None:
        """A colour bar with the numbers that its colours stand for, and what they are."""
        axes = self.figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, BAR / WIDTH, height / HEIGHT))
        axes.imshow(colour_table(colour_map)[:, None], extent=(0, 1, *colour_range), aspect="auto", origin="lower")
        axes.set(xticks=[], ylim=colour_range)
        values = np.linspace(*colour_range, 5)
        axes.set_yticks(values, [number(value) for value in values], fontsize=72 * 21 / DPI, color=INK)
        axes.tick_params(length=5, color=PALE)
        axes.yaxis.tick_right()
        axes.yaxis.set_label_position("right")
        axes.set_ylabel(label, fontsize=72 * 21 / DPI, color=PALE, labelpad=12)
        axes.spines[:].set_visible(False)
