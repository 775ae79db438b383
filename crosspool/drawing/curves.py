"""Panels of curves as a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crosspool.drawing.fonts import fonts_for
from crosspool.drawing.style import COLOURS, INK, MARKERS, caption, open_grid


@dataclass(frozen=True)
class Curve:
    """A curve's values, as fractions, and its intervals where there are any."""

    name: str
    values: Sequence[float]
    intervals: Sequence[tuple[float, float]] | None


@dataclass(frozen=True)
class Panel:
    """Curves over the same fractions of what the title says."""

    title: str
    fractions: Sequence[float]
    lines: Sequence[Curve]


def curves_figure(panels: Sequence[Panel], title: str) -> Figure:
    """Panels of curves beside each other; the first of each in the band of its intervals, as all would hide it."""
    with fonts_for([title]) as notes:
        columns = min(len(panels), 3)
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(5.2 * columns, 4.6 * rows + 0.4), dpi=130, layout="constrained")
        figure.suptitle(title, fontsize=12, x=0.01, ha="left", color=INK, parse_math=False)
        all_axes = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
        styles = {
            name: number
            for number, name in enumerate(dict.fromkeys(line.name for panel in panels for line in panel.lines))
        }
        for axes, panel in zip(all_axes, panels, strict=False):
            _curves(axes, panel, styles)
        for axes in list(figure.axes)[len(panels) :]:
            axes.remove()
        caption(figure, notes)
    return figure


def _curves(axes: Axes, panel: Panel, styles: Mapping[str, int]) -> None:
    places = 100 * np.asarray(panel.fractions)
    for place, line in enumerate(panel.lines):
        number = styles[line.name]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(
            places, 100 * np.asarray(line.values), color=colour, marker=MARKERS[number % len(MARKERS)], markersize=6,
            markeredgecolor="white", linestyle="-" if number < len(COLOURS) else "--", label=line.name,
        )  # fmt: skip
        if place == 0 and line.intervals is not None:
            low, high = 100 * np.clip(np.asarray(line.intervals), 0, 1).T
            axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
    open_grid(axes)
    axes.set_title(panel.title, fontsize=11, loc="left", color=INK)
    axes.set_xlabel("% of them", fontsize=11)
    axes.set_ylabel(f"accuracy, %; band: 95 % interval of {panel.lines[0].name}", fontsize=11)
    axes.set_ylim(-2, 102)
    axes.legend(fontsize=9, frameon=False)
