"""What all figures have in common: colours, markers, a caption, and how they become files."""

import io
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crosspool.drawing.fonts import any_script

# As Okabe and Ito's, darkened so that names can be read on white; markers tell them apart without colour, too.
COLOURS = ("#0072B2", "#D55E00", "#007F5F", "#AA3377", "#222222", "#8C6D00")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
INK, GRID = "#222222", "#DDDDDD"


def open_grid(axes: Axes) -> None:
    """A pale grid behind what is drawn, without a box around it."""
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def caption(figure: Figure, notes: Sequence[str]) -> None:
    """Notes below a figure, if there are any."""
    if notes:
        text = figure.supxlabel("; ".join(notes), x=0.01, ha="left", fontsize=9.5, color=INK, wrap=True)
        text.set_parse_math(False)


def figure_bytes(figure: Figure, kind: str, about: Mapping[str, str | None]) -> bytes:
    """A figure as a file of that kind (png, svg, pdf), with what it is `about` inside."""
    file = io.BytesIO()
    with any_script():
        figure.savefig(file, format=kind, metadata=dict(about))
    return file.getvalue()
