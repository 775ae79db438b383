"""An image under a grid, of which a cell can be chosen by click, drag or arrow key, with a numeric colour bar below."""

from collections.abc import Callable, Sequence

from PIL import Image

from crosspool.drawing.rendering import ColourRange, colour_table
from crosspool.ui.widgets.browser import Index, RefusedError, component, data_url
from crosspool.ui.widgets.text import number

Cell = tuple[int, int]  # row, column
Choose = Callable[[Cell], None]
ColourBar = dict[str, object]  # as cell_image.js draws it

_HTML = (
    '<div class="named"><div class="names rows"></div><div class="frame" tabindex="0" role="application">'
    '<img alt="" draggable="false"><div class="cell"></div><div class="handle"></div></div>'
    '<div class="names columns"></div></div>'
    '<div class="bar"><div class="colours"></div><div class="numbers"></div><div class="label"></div></div>'
)
_draw = component("ui/widgets/cell_image", _HTML, cell=tuple[Index, Index])


def colour_bar(colour_range: ColourRange, colour_map: str, label: str) -> ColourBar:
    """A colour bar over `colour_range`, with five numbers."""
    low, high = colour_range
    colours = [f"rgb({r} {g} {b})" for r, g, b in colour_table(colour_map)[::15].tolist()]
    return {"colours": colours, "ticks": [number(low + (high - low) * step / 4) for step in range(5)], "label": label}


def cell_image(
    image: Image.Image | str, *, alt: str, map_size: Cell, cell: Cell | None, choose: Choose, key: str,
    bar: ColourBar | None = None, aspect: float = 1, names: tuple[Sequence[str], Sequence[str]] = ((), ()),
    asks: bool = False,
) -> None:  # fmt: skip
    """Show an image under a grid of `map_size` (rows, columns) cells; `choose(cell)` is called for another cell.

    Without a cell, or where it always `asks`, the image asks for one: then drags and arrow keys only point, and a click
    or Enter chooses.

    Args:
        image: An image, or its address.
        alt: What it shows, for people who cannot see it.
        map_size: Rows and columns.
        cell: That which is chosen.
        choose: Called with a cell.
        key: The component's.
        bar: A colour bar to draw below.
        aspect: The image's width over its height.
        names: Those of the rows and of the columns, to write beside the image.
        asks: Whether it goes on to ask for a cell.
    """
    rows, columns = map_size
    chosen = None if cell is None else list(cell)
    url = image if isinstance(image, str) else data_url(image)
    data = {"image": url, "alt": alt, "rows": rows, "columns": columns, "cell": chosen, "bar": bar}
    data |= {"aspect": aspect, "names": [list(each) for each in names], "asks": asks or cell is None}
    _draw(data, key, cell=on_grid(map_size, choose))


def on_grid(map_size: Cell, choose: Choose) -> Choose:
    """`choose`, for cells of a grid of this size alone."""
    rows, columns = map_size

    def choose_cell(cell: Cell) -> None:
        if not (cell[0] < rows and cell[1] < columns):
            raise RefusedError
        choose(cell)

    return choose_cell
