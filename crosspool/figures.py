"""What an evaluation found, as figures: numbers in, a figure out. Nothing here computes a measure or knows of files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from crosspool.evaluation.units import human_bytes

# As Okabe and Ito's, darkened so that names can be read on white; markers tell them apart without colour, too.
COLOURS = ("#0072B2", "#D55E00", "#007F5F", "#AA3377", "#222222", "#8C6D00")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
INK, GRID = "#222222", "#DDDDDD"
SHARES = "Blues"  # runs from white to dark, and keeps its order in grey
NUMBERED_CLASSES = 25  # up to so many, cells have their number written in them
NAMED_CLASSES = 250
MAX_SIDE = 26.0  # inches


@dataclass(frozen=True)
class Point:
    """A method's cost and how well it does, as a fraction, with its interval where there is one."""

    name: str
    bytes: int
    value: float
    interval: tuple[float, float] | None


def cost_figure(points: Sequence[Point], measure: str, title: str) -> Figure:
    """How well methods do against the bytes that an image's vector takes, each point with its name beside it.

    Points of about the same cost stand side by side, so that their intervals can be told apart. Where names would cover
    something, they are in a legend, the best one first.
    """
    figure = Figure(figsize=(9, 5.6), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    limits = _bytes_axis(axes, [point.bytes for point in points])
    _measure_axis(axes, points, measure)
    axes.set_title(title, fontsize=11.5, loc="left", color=INK, wrap=True, parse_math=False)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    places = _side_by_side([point.bytes for point in points], limits)
    markers = [
        _draw(axes, number, point, place) for number, (point, place) in enumerate(zip(points, places, strict=True))
    ]
    names = _name(axes, points, places, limits)
    if _cover_something(figure, names, markers):
        for name in names:
            name.remove()
        figure.set_size_inches(11.5, 5.6)
        _legend(axes, points, markers)
    return figure


def _draw(axes: Axes, number: int, point: Point, place: float) -> Line2D:
    """The point with its interval; returns its marker."""
    low, high = point.interval or (point.value, point.value)
    drawn = axes.errorbar(
        place, point.value, [[point.value - low], [high - point.value]],
        fmt=MARKERS[number % len(MARKERS)], color=COLOURS[number % len(COLOURS)],
        markersize=10, capsize=6, elinewidth=2, capthick=2,
    )  # fmt: skip
    return drawn.lines[0]


def _legend(axes: Axes, points: Sequence[Point], markers: Sequence[Line2D]) -> None:
    """Names beside the axes, the best one first."""
    order = sorted(range(len(points)), key=lambda number: -points[number].value)
    legend = axes.legend(
        [markers[number] for number in order], [points[number].name for number in order],
        loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=12, frameon=False, labelspacing=0.7,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _bytes_axis(axes: Axes, counts: Sequence[int]) -> tuple[float, float]:
    """A logarithmic axis of at least two decades, with room for names; returns the logarithms of its ends."""
    low, high = float(np.log10(min(counts))), float(np.log10(max(counts)))
    margin = max(0.15 * (high - low), 1 - (high - low) / 2)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (low - margin), 10 ** (high + margin))
    axes.xaxis.set_major_locator(LogLocator(10, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: human_bytes(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("bytes an image (log scale)", fontsize=14)
    axes.tick_params(labelsize=13)
    return low - margin, high + margin


def _measure_axis(axes: Axes, points: Sequence[Point], measure: str) -> None:
    ends = [end for point in points for end in (point.interval or (point.value, point.value))]
    low, high = min(ends), max(ends)
    margin = max(0.12 * (high - low), 0.01)
    axes.set_ylim(low - margin, high + margin)
    axes.yaxis.set_major_formatter(  # an interval may reach beyond 100 %, a measure does not
        FuncFormatter(lambda value, place: f"{round(100 * value, 3):g} %" if -1e-9 <= value <= 1 + 1e-9 else "")
    )
    axes.set_ylabel(f"{measure}, 95 % intervals" if points[0].interval else measure, fontsize=14)


def _side_by_side(counts: Sequence[int], limits: tuple[float, float]) -> list[float]:
    """Where on the axis points of these bytes are drawn: as they are, unless they would cover each other."""
    step = 0.022 * (limits[1] - limits[0])
    placed = np.log10(np.asarray(counts, dtype=float))
    for cluster in _clusters(placed, step):
        middle = placed[cluster].mean()
        placed[cluster] = middle + step * (np.arange(len(cluster)) - (len(cluster) - 1) / 2)
    return [float(place) for place in 10**placed]


def _clusters(values: np.ndarray, gap: float) -> list[np.ndarray]:
    """Indices of the values that follow each other by less than `gap`, two or more together."""
    order = np.argsort(values, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(values[order]) >= gap) + 1)
    return [part for part in parts if len(part) > 1]


def _name(
    axes: Axes, points: Sequence[Point], places: Sequence[float], limits: tuple[float, float]
) -> list[Annotation]:
    """Names beside the points, toward the middle of the figure, moved up where they would cover each other."""
    bottom, top = axes.get_ylim()
    line = 0.06 * (top - bottom)
    parts = (np.log10(places) - limits[0]) / (limits[1] - limits[0])
    taken: dict[bool, list[float]] = {True: [], False: []}
    names = []
    for number in np.argsort([point.value for point in points], kind="stable"):
        near = np.abs(parts - parts[number]) < 0.05  # of one cluster, whose names stand beside its outermost point
        is_left = bool(parts[near].mean() > 0.5)
        anchor = np.asarray(places)[near].min() if is_left else np.asarray(places)[near].max()
        height = max([points[number].value, *(other + line for other in taken[is_left])])
        taken[is_left].append(height)
        name = axes.annotate(
            points[number].name, (anchor, height), (-14 if is_left else 14, 0), textcoords="offset points",
            fontsize=13, color=COLOURS[number % len(COLOURS)], ha="right" if is_left else "left", va="center",
            parse_math=False,
        )  # fmt: skip
        names.append(name)
    return names


def _cover_something(figure: Figure, names: Sequence[Annotation], markers: Sequence[Line2D]) -> bool:
    """Whether a name lies on another name or on a point, or reaches out of the axes."""
    figure.draw_without_rendering()
    boxes = [name.get_window_extent() for name in names]
    points = [marker.get_window_extent() for marker in markers]
    frame = figure.axes[0].get_window_extent()
    return (
        any(box.x0 < frame.x0 or box.x1 > frame.x1 for box in boxes)
        or any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])
        or any(box.overlaps(point) for box in boxes for point in points)
    )


def confusion_figure(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """A confusion matrix (L, L), rows being the true classes: colours and numbers are parts of each row in percent."""
    count = len(classes)
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(MAX_SIDE, 4 + 0.55 * count)
    figure = Figure(figsize=(side + 1.2, side), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.imshow(shares, cmap=SHARES, vmin=0, vmax=100)
    size = float(np.clip(72 * (side - 4) / count * 0.45, 4, 12))
    _class_names(axes, classes if count <= NAMED_CLASSES else (), size)
    axes.set_xlabel("predicted class", fontsize=12)
    axes.set_ylabel("true class", fontsize=12)
    axes.set_title(title, fontsize=12, loc="left", color=INK, wrap=True, parse_math=False)
    if count <= NUMBERED_CLASSES:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            share = shares[row, column]
            colour = "white" if share > 55 else INK
            axes.text(
                column,
                row,
                f"{share:.0f}" if share > 0.5 else "<1",
                ha="center",
                va="center",
                fontsize=size,
                color=colour,
            )
    bar = figure.colorbar(drawn, shrink=0.7, pad=0.02)
    bar.set_label("% of the class's test images", fontsize=11)
    return figure


def _class_names(axes: Axes, classes: Sequence[str], size: float) -> None:
    places = np.arange(len(classes))
    axes.set_xticks(places, classes, fontsize=size, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(places, classes, fontsize=size, parse_math=False)
    axes.tick_params(length=0)
