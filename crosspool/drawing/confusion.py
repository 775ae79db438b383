"""A confusion matrix as a figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from crosspool.drawing.fonts import fonts_for
from crosspool.drawing.style import INK, caption

SHARES = "Blues"  # runs from white to dark, and keeps its order in grey
NUMBERED_CLASSES = 25  # up to so many, cells have their number written in them
WHITE_FROM = 55  # percent: there a number is white, whatever the largest one of the matrix is
NAMED_CLASSES = 250
LONGEST_LABEL = 28  # letters of a class's name beside a matrix
MAX_SIDE = 26.0  # inches


def confusion_figure(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """A confusion matrix (L, L), rows being the true classes: colours and numbers are parts of each row in percent."""
    names = classes if len(classes) <= NAMED_CLASSES else ()
    with fonts_for([title, *names]) as notes:
        figure = _confusion(matrix, names, title)
        caption(figure, notes)
    return figure


def _confusion(matrix: np.ndarray, names: Sequence[str], title: str) -> Figure:
    count = len(matrix)
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(MAX_SIDE, 4 + 0.55 * count)
    figure = Figure(figsize=(side + 1.2, side), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    size = float(np.clip(72 * (side - 4) / count * 0.45, 4, 12))
    display = ConfusionMatrixDisplay(shares).plot(
        ax=axes, cmap=SHARES, include_values=count <= NUMBERED_CLASSES, colorbar=False,
        im_kw={"vmin": 0, "vmax": 100}, text_kw={"fontsize": size},
    )  # fmt: skip
    for place, text in np.ndenumerate(() if display.text_ is None else display.text_):
        share = shares[place]
        text.set(text=f"{share:.0f}" if share > 0.5 else "<1", color="white" if share > WHITE_FROM else INK)
        if share == 0:
            text.remove()
    _class_names(axes, names, size)
    axes.set_xlabel("predicted class", fontsize=12)
    axes.set_ylabel("true class", fontsize=12)
    axes.set_title(title, fontsize=12, loc="left", color=INK, wrap=True, parse_math=False)
    bar = figure.colorbar(display.im_, shrink=0.7, pad=0.02)
    bar.set_label("% of the class's test images", fontsize=11)
    return figure


def tick_labels(names: Sequence[str]) -> list[str]:
    """Names of at most `LONGEST_LABEL` letters, as long ones would leave no room for the matrix.

    Those that would look alike then have their number in front, counted from 1.
    """
    cut = [_cut(name) for name in names]
    return [
        _cut(f"{place} {name}") if cut.count(short) > 1 else short
        for place, (name, short) in enumerate(zip(names, cut, strict=True), 1)
    ]


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1].rstrip() + "…"


def _class_names(axes: Axes, names: Sequence[str], size: float) -> None:
    places, classes = np.arange(len(names)), tick_labels(names)
    axes.set_xticks(places, classes, fontsize=size, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(places, classes, fontsize=size, parse_math=False)
    axes.tick_params(length=0)
