"""A white page of 1920 x 1080 pixels, in which everything is placed: the ground of slides."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from crosspool import __version__
from crosspool.drawing.rendering import ColourRange, colour_table
from crosspool.drawing.style import INK
from crosspool.text import number

WIDTH, HEIGHT, DPI = 1920, 1080, 120
MARGIN = 64
PALE = "#5A5A5A"
TITLE, TEXT, CAPTION, SCALE = 46, 25, 23, 21  # font sizes
LINE = 1.38  # from line to line, in font sizes
TITLE_TOP, CONTENT_TOP = 40, 152  # where the title and the images begin
BAR, BAR_ROOM = 30, 190  # the width of a colour bar, without and with its numbers and its name
NOTE = "unwritten"  # marks the note on missing characters: a program that shows an SVG may have a font with them


class Page:
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
        font: dict[str, Any] = {"fontsize": points(size), "color": colour, "weight": weight}
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

    def caption(self, caption: str, notes: Sequence[str], breaks: str = " · ") -> float:
        """Write the caption, in lines between its `breaks`, and notes at the bottom; returns where they begin."""
        lines: list[str] = []
        for part in caption.split(breaks):
            longer = f"{lines[-1]}{breaks}{part}" if lines else part
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
        drawn = self._ground.text(0, 0, line, fontsize=points(CAPTION), parse_math=False)
        width = self._width(drawn)
        drawn.remove()
        return width <= WIDTH - 2 * MARGIN

    def image(self, image: Image.Image, left: float, top: float, width: float, height: float) -> None:
        extent = (left, left + width, top + height, top)
        self._ground.imshow(np.asarray(image), extent=extent, aspect="auto", interpolation="none")

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes in a part of the page."""
        return self.figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT))

    def bar(
        self, left: float, top: float, height: float, colour_map: str, colour_range: ColourRange, name: str
    ) -> None:  # fmt: skip
        """A colour bar with its numbers and their name."""
        axes = self.axes(left, top, BAR, height)
        axes.imshow(colour_table(colour_map)[:, None], extent=(0, 1, *colour_range), aspect="auto", origin="lower")
        axes.set(xticks=[], ylim=colour_range)
        values = np.linspace(*colour_range, 5)
        axes.set_yticks(values, [number(value) for value in values], fontsize=points(SCALE), color=INK)
        axes.tick_params(length=5, color=PALE)
        axes.yaxis.tick_right()
        axes.yaxis.set_label_position("right")
        axes.set_ylabel(name, fontsize=points(SCALE), color=PALE, labelpad=12)
        axes.spines[:].set_visible(False)


def points(size: float) -> float:
    """A font size in points, as matplotlib counts them."""
    return 72 * size / DPI
