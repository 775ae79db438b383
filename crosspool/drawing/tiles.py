"""Equal tiles in a grid on a page, each with a label of two lines above it."""

from collections.abc import Sequence

from PIL import Image

from crosspool.drawing.page import CONTENT_TOP, LINE, PALE, Page

GAP, ROW_GAP = 14, 22  # between tiles
SMALLEST_TILE = 112  # pixels
CHARACTERS_PER_TILE, LARGEST_FONT = 12.5, 25


def largest_grid(count: int, left: float, right: float, bottom: float, *, multiple: int = 1) -> "Grid":
    """The grid whose tiles are largest, with a multiple of so many columns."""
    columns = range(multiple, count + multiple, multiple)
    return max((Grid(count, number, left, right, bottom) for number in columns), key=lambda grid: grid.side)


class Grid:
    """The layout of `count` tiles, `columns` in a row, between `left` and `right`, the heading and `bottom`.

    Each tile has a label above it. `resolution` is what a page needs for them to have at least `SMALLEST_TILE` pixels.
    """

    def __init__(self, count: int, columns: int, left: float, right: float, bottom: float) -> None:
        rows = -(-count // columns)
        across = (right - left + GAP) / columns - GAP
        down = (bottom - CONTENT_TOP + ROW_GAP) / rows - ROW_GAP
        side = min(across, max(down - 2 * LINE * LARGEST_FONT, down / (1 + 2 * LINE / CHARACTERS_PER_TILE)))
        self.columns, self.side = columns, max(1, int(side))
        self.resolution = max(1.0, SMALLEST_TILE / self.side)
        self.label_height = round(2 * LINE * _font_size(side))
        self.width = columns * (self.side + GAP) - GAP
        self.height = rows * (self.side + self.label_height + ROW_GAP) - ROW_GAP
        self.left = int(left + right - self.width) // 2
        self.top = CONTENT_TOP + (int(bottom) - CONTENT_TOP - self.height) // 2

    def corner(self, place: int) -> tuple[int, int]:
        """The upper left corner of a tile, relative to that of the grid."""
        row, column = divmod(place, self.columns)
        return column * (self.side + GAP), row * (self.side + self.label_height + ROW_GAP) + self.label_height

    def label(self, page: "Page", place: int, name: str, note: str) -> None:
        (x, y), size = self.corner(place), _font_size(self.side)
        left, top = self.left + x, self.top + y - self.label_height
        page.text(name, left, top, size, weight="bold", width=self.side)
        page.text(note, left, top + 0.95 * LINE * size, 0.92 * size, colour=PALE, width=self.side)

    def together(self, page: "Page", tiles: Sequence[Image.Image | None]) -> Image.Image:
        """All tiles as one image: a separate image for each would take a hundred times longer. None is left white."""
        together = Image.new("RGB", (page.pixels(self.width), page.pixels(self.height)), "white")
        for place, tile in enumerate(tiles):
            if tile is None:
                continue
            x, y = self.corner(place)
            together.paste(tile, (page.pixels(x), page.pixels(y)))
        return together


def _font_size(side: float) -> float:
    return min(side / CHARACTERS_PER_TILE, LARGEST_FONT)
