"""A figure of how well methods do against the bytes that they take."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWNBASE, CARETUPBASE
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from crosspool.drawing.style import COLOURS, INK, MARKERS, caption, fonts_for, open_grid
from crosspool.text import human_bytes

POINT_STEP = 0.022  # between points that stand side by side, as a share of the axis
LETTER_WIDTH = 0.016  # in a name, as a share of the axis
CUT = "arrows: the interval goes on beyond the axis"


@dataclass(frozen=True)
class Point:
    """The bytes that a method takes, and how well it does, as a fraction, with an interval where there is one."""

    name: str
    bytes: int
    value: float
    interval: tuple[float, float] | None


def cost_figure(points: Sequence[Point], measure: str, title: str) -> Figure:
    """How well methods do against the bytes that an image's vector takes, each point with its name beside it.

    Points of about the same cost stand side by side, so that their intervals can be told apart. Where a name
    would cover something or could be taken for another point's, all names are in a legend, the best first.
    """
    with fonts_for([title, *(point.name for point in points)]) as notes:
        figure = Figure(figsize=(9, 5.6), dpi=160, layout="constrained")
        axes = figure.add_subplot()
        open_grid(axes)
        groups, places = _bytes_axis(axes, points)
        is_cut = _measure_axis(axes, points, measure)
        axes.set_title(title, fontsize=11.5, loc="left", color=INK, wrap=True, parse_math=False, pad=14)
        markers = [_draw(axes, number, point, places[number]) for number, point in enumerate(points)]
        if not _write_names(axes, points, places, groups):
            figure.set_size_inches(11.5, max(5.6, 1.2 + 0.31 * len(points)))
            _legend(axes, points, markers)
        caption(figure, [*_moved(points, groups), *([CUT] if is_cut else []), *notes])
    return figure


def _moved(points: Sequence[Point], groups: Sequence[Sequence[int]]) -> list[str]:
    """Which points are not drawn at their own bytes, if any."""
    sizes = [[points[number].bytes for number in group] for group in groups if len(group) > 1]
    if not sizes:
        return []
    about = "equal" if all(len(set(group)) == 1 for group in sizes) else "nearly equal"
    means = dict.fromkeys(human_bytes(float(np.mean(group))) for group in sizes)
    return [f"{about} sizes are drawn side by side ({', '.join(means)})"]


def _draw(axes: Axes, number: int, point: Point, place: float) -> Line2D:
    """Draw a point and its interval, which ends in a bar, or in an arrow where the axis cuts it; returns the marker."""
    colour = COLOURS[number % len(COLOURS)]
    if point.interval:
        low, high = np.clip(point.interval, 0, 1)
        axes.vlines(place, low, high, color=colour, linewidth=2)
        for end, drawn, arrow in zip(point.interval, (low, high), (CARETDOWNBASE, CARETUPBASE), strict=True):
            is_whole = end == drawn
            axes.plot(
                place, drawn, marker="_" if is_whole else arrow, markersize=11, markeredgewidth=2 if is_whole else 0,
                color=colour, clip_on=False,
            )  # fmt: skip
    (marker,) = axes.plot(
        place, point.value, linestyle="", marker=MARKERS[number % len(MARKERS)], color=colour, markersize=11,
        markeredgecolor="white", clip_on=False, zorder=3,
    )  # fmt: skip
    return marker


def _legend(axes: Axes, points: Sequence[Point], markers: Sequence[Line2D]) -> None:
    """Write the names beside the axes, the best first."""
    order = sorted(range(len(points)), key=lambda number: -points[number].value)
    legend = axes.legend(
        [markers[number] for number in order], [points[number].name for number in order],
        loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=12, frameon=False, labelspacing=0.7,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _bytes_axis(axes: Axes, points: Sequence[Point]) -> tuple[list[list[int]], list[float]]:
    """Make the axis of bytes: logarithmic, of at least two decades, with room for names beside pairs.

    Returns the groups of points that stand side by side, and each point's place.
    """
    counts = [point.bytes for point in points]
    low, high = float(np.log10(min(counts))), float(np.log10(max(counts)))
    longest = max((len(point.name) for point in points if counts.count(point.bytes) == 2), default=0)
    part = np.clip(2 * POINT_STEP + LETTER_WIDTH * longest, 0.115, 0.25)
    margin = max(float(part / (1 - 2 * part)) * (high - low), 1 - (high - low) / 2)
    step = POINT_STEP * (high - low + 2 * margin)
    groups, places = _side_by_side(counts, step)  # of many points some may lie beyond the margins
    axes.set_xscale("log")
    least, most = min(places) / 10 ** (2 * step), max(places) * 10 ** (2 * step)
    axes.set_xlim(min(10 ** (low - margin), least), max(10 ** (high + margin), most))
    axes.xaxis.set_major_locator(LogLocator(10, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: human_bytes(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("bytes per image (log scale)", fontsize=14)
    axes.tick_params(labelsize=13)
    return groups, places


def _measure_axis(axes: Axes, points: Sequence[Point], measure: str) -> bool:
    """Make the axis of the measure, within 0 and 100 %; returns whether an interval goes on beyond it."""
    ends = np.array([end for point in points for end in (point.value, *(point.interval or ()))])
    low, high = np.clip([ends.min(), ends.max()], 0, 1)
    margin = max(0.12 * (high - low), 0.01)
    axes.set_ylim(max(0, low - margin), min(1, high + margin))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{round(100 * value, 3):g} %"))
    has_intervals = any(point.interval for point in points)
    axes.set_ylabel(f"{measure}, 95 % intervals" if has_intervals else measure, fontsize=14)
    if ends.min() < 0:
        axes.tick_params(axis="x", which="both", pad=13)  # arrows are above the numbers
    return bool(ends.min() < 0 or ends.max() > 1)


def _side_by_side(counts: Sequence[int], step: float) -> tuple[list[list[int]], list[float]]:
    """Groups of points of about equal bytes, and each point's place: its own, or spread about its group's middle."""
    exact = np.log10(np.asarray(counts, dtype=float))

    def spread(group: Sequence[int]) -> np.ndarray:
        spaces = step * (np.arange(len(group)) - (len(group) - 1) / 2)
        return np.asarray(exact[list(group)].mean() + spaces)

    groups: list[list[int]] = []
    for number in np.argsort(exact, kind="stable").tolist():
        groups.append([number])
        while len(groups) > 1 and spread(groups[-1])[0] - spread(groups[-2])[-1] < step - 1e-9:
            groups[-2:] = [groups[-2] + groups[-1]]
    for group in groups:
        exact[group] = spread(group)
    return groups, [float(place) for place in 10**exact]


def _write_names(axes: Axes, points: Sequence[Point], places: Sequence[float], groups: Sequence[Sequence[int]]) -> bool:
    """Write each name beside its point, if all of them fit: outside of a pair, else toward the middle of the axis."""
    if max(map(len, groups)) > 2:
        return False
    names = []
    middle = float(np.prod(axes.get_xlim())) ** 0.5
    for group in groups:
        for number in group:
            is_left = number == group[0] if len(group) == 2 else places[number] > middle
            name = axes.annotate(
                points[number].name, (places[number], points[number].value), (-14 if is_left else 14, 0),
                textcoords="offset points", fontsize=13, color=COLOURS[number % len(COLOURS)],
                ha="right" if is_left else "left", va="center_baseline", parse_math=False,
            )  # fmt: skip
            names.append(name)
    is_covered = _cover_something(axes, names, points, places)
    if is_covered:
        for name in names:
            name.remove()
    return not is_covered


def _cover_something(axes: Axes, names: Sequence[Text], points: Sequence[Point], places: Sequence[float]) -> bool:
    """Whether a name lies on another name, on a point or on its interval, or reaches out of the axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    boxes = [name.get_window_extent() for name in names]
    half = 5 * figure.dpi / 72  # of a marker
    covered = []
    for point, place in zip(points, places, strict=True):
        low, high = point.interval or (point.value, point.value)
        drawn = axes.transData.transform([(place, low), (place, high), (place, point.value)])
        covered.append(Bbox([drawn.min(axis=0), drawn.max(axis=0)]).padded(half))
    frame = axes.get_window_extent()
    return (
        any(box.x0 < frame.x0 or box.x1 > frame.x1 for box in boxes)
        or any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])
        or any(box.overlaps(other) for box in boxes for other in covered)
    )
