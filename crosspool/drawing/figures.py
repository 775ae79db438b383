"""Figures of results: a confusion matrix, and panels of curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from crosspool.drawing.style import COLOURS, INK, MARKERS, caption, fonts_for, open_grid

SHARES = "Blues"  # runs from white to dark, and keeps its order in grey
NUMBERED_CLASSES = 25  # with more, the cells have no numbers
WHITE_FROM = 55  # percent above which a cell's number is white, whatever the largest of the matrix
NAMED_CLASSES = 250
LONGEST_LABEL = 28  # characters of a class's name beside the matrix
MAX_SIDE = 26.0  # inches


def confusion_figure(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """A confusion matrix (L, L), rows being the true classes; colours and numbers are percentages of each row."""
    names = classes if len(classes) <= NAMED_CLASSES else ()
    count = len(matrix)
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(MAX_SIDE, 4 + 0.55 * count)
    size = float(np.clip(72 * (side - 4) / count * 0.45, 4, 12))
    with fonts_for([title, *names]) as notes:
        figure = Figure(figsize=(side + 1.2, side), dpi=130, layout="constrained")
        axes = figure.add_subplot()
        display = ConfusionMatrixDisplay(shares).plot(
            ax=axes, cmap=SHARES, include_values=count <= NUMBERED_CLASSES, colorbar=False,
            im_kw={"vmin": 0, "vmax": 100}, text_kw={"fontsize": size},
        )  # fmt: skip
        for cell, text in np.ndenumerate(() if display.text_ is None else display.text_):
            share = shares[cell]
            text.set(text=f"{share:.0f}" if share > 0.5 else "<1", color="white" if share > WHITE_FROM else INK)
            if share == 0:
                text.remove()
        style: dict[str, Any] = {"labels": tick_labels(names), "fontsize": size, "parse_math": False}
        places = range(len(names))
        axes.set_xticks(places, **style, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, **style)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted class", fontsize=12)
        axes.set_ylabel("true class", fontsize=12)
        axes.set_title(title, fontsize=12, loc="left", color=INK, wrap=True, parse_math=False)
        bar = figure.colorbar(display.im_, shrink=0.7, pad=0.02)
        bar.set_label("% of the class's test images", fontsize=11)
        caption(figure, notes)
    return figure


def tick_labels(names: Sequence[str]) -> list[str]:
    """The names, cut to `LONGEST_LABEL` characters, as long ones would leave no room for the matrix.

    Names that would then look alike have their number in front, counted from 1.
    """
    cut = [_cut(name) for name in names]
    numbered = [_cut(f"{number} {name}") for number, name in enumerate(names, 1)]
    return [with_number if cut.count(name) > 1 else name for name, with_number in zip(cut, numbered, strict=True)]


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1].rstrip() + "…"


@dataclass(frozen=True)
class Curve:
    """The values of a curve, as fractions, and their intervals where there are any."""

    name: str
    values: Sequence[float]
    intervals: Sequence[tuple[float, float]] | None


@dataclass(frozen=True)
class Panel:
    """Curves over the same fractions; the title says of what."""

    title: str
    fractions: Sequence[float]
    lines: Sequence[Curve]


def curves_figure(panels: Sequence[Panel], title: str) -> Figure:
    """Panels of curves side by side. Only the first curve of each has a band of intervals: more would hide it."""
    with fonts_for([title]) as notes:
        columns = min(len(panels), 3)
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(5.2 * columns, 4.6 * rows + 0.4), dpi=130, layout="constrained")
        figure.suptitle(title, fontsize=12, x=0.01, ha="left", color=INK, parse_math=False)
        all_axes = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
        names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
        for axes, panel in zip(all_axes, panels, strict=False):
            _draw_curves(axes, panel, names)
        for axes in list(figure.axes)[len(panels) :]:
            axes.remove()
        caption(figure, notes)
    return figure


def _draw_curves(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    percentages = 100 * np.asarray(panel.fractions)
    for line in panel.lines:
        number = names.index(line.name)
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(
            percentages, 100 * np.asarray(line.values), color=colour, marker=MARKERS[number % len(MARKERS)],
            markersize=6, markeredgecolor="white", linestyle="-" if number < len(COLOURS) else "--", label=line.name,
        )  # fmt: skip
        if line is panel.lines[0] and line.intervals is not None:
            low, high = 100 * np.clip(np.asarray(line.intervals), 0, 1).T
            axes.fill_between(percentages, low, high, color=colour, alpha=0.15, linewidth=0)
    open_grid(axes)
    axes.set_title(panel.title, fontsize=11, loc="left", color=INK)
    axes.set_xlabel("% of them", fontsize=11)
    axes.set_ylabel(f"accuracy, %; band: 95 % interval of {panel.lines[0].name}", fontsize=11)
    axes.set_ylim(-2, 102)
    axes.legend(fontsize=9, frameon=False)
