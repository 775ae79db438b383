"""What an evaluation found, as figures: numbers in, a figure out. Nothing here computes a measure or knows of files."""

import io
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWNBASE, CARETUPBASE
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from crosspool.text import human_bytes

# As Okabe and Ito's, darkened so that names can be read on white; markers tell them apart without colour, too.
COLOURS = ("#0072B2", "#D55E00", "#007F5F", "#AA3377", "#222222", "#8C6D00")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
INK, GRID = "#222222", "#DDDDDD"
SHARES = "Blues"  # runs from white to dark, and keeps its order in grey
NUMBERED_CLASSES = 25  # up to so many, cells have their number written in them
NAMED_CLASSES = 250
LONGEST_LABEL = 28  # letters of a class's name beside a matrix
MAX_SIDE = 26.0  # inches
STEP = 0.022  # between points that stand side by side, in parts of the axis
SIGN = 0.016  # the width of a name's letter, in parts of the axis
CUT = "arrows: the interval goes on beyond the axis"
UNWRITTEN = "no font on this machine has some letters of these names: boxes stand for them"
_drawing = threading.RLock()  # matplotlib's settings, and which warnings are shown, are the whole process's
# How the names of fonts begin that systems have for letters which the usual font lacks, in the order of being asked.
FURTHER_FONTS = (
    "Noto Sans CJK", "Noto Sans", "Source Han Sans", "Hiragino Sans", "PingFang", "Heiti", "Apple SD Gothic",
    "Yu Gothic", "Microsoft YaHei", "Microsoft JhengHei", "Malgun Gothic", "MS Gothic", "SimHei", "IPAGothic",
    "IPAexGothic", "TakaoGothic", "VL Gothic", "NanumGothic", "WenQuanYi", "Droid Sans", "Geeza Pro", "Noto Naskh",
    "Segoe UI", "Tahoma", "Kohinoor", "Lohit", "Nirmala UI", "Mangal", "Thonburi", "Leelawadee UI", "Arial", "FreeSans",
    "Unifont",
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A method's cost and how well it does, as a fraction, with its interval where there is one."""

    name: str
    bytes: int
    value: float
    interval: tuple[float, float] | None


def cost_figure(points: Sequence[Point], measure: str, title: str) -> Figure:
    """How well methods do against the bytes that an image's vector takes, each point with its name beside it.

    Points of about the same cost stand side by side, so that their intervals can be told apart. Where a name could be
    taken for another's or would cover something, all names are in a legend, the best one first.
    """
    with fonts_for([title, *(point.name for point in points)]) as notes:
        figure = Figure(figsize=(9, 5.6), dpi=160, layout="constrained")
        axes = figure.add_subplot()
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        groups, places = _bytes_axis(axes, points)
        is_cut = _measure_axis(axes, points, measure)
        axes.set_title(title, fontsize=11.5, loc="left", color=INK, wrap=True, parse_math=False, pad=14)
        markers = [
            _draw(axes, number, point, place) for number, (point, place) in enumerate(zip(points, places, strict=True))
        ]
        if not _name(figure, points, places, groups):
            figure.set_size_inches(11.5, max(5.6, 1.2 + 0.31 * len(points)))
            _legend(axes, points, markers)
        _caption(figure, [*_moved(points, groups), *([CUT] if is_cut else []), *notes])
    return figure


def _caption(figure: Figure, notes: Sequence[str]) -> None:
    if notes:
        text = figure.supxlabel("; ".join(notes), x=0.01, ha="left", fontsize=9.5, color=INK, wrap=True)
        text.set_parse_math(False)


def _moved(points: Sequence[Point], groups: Sequence[Sequence[int]]) -> list[str]:
    """Which points are not drawn at their own bytes, if any."""
    sizes = [[points[number].bytes for number in group] for group in groups if len(group) > 1]
    if not sizes:
        return []
    about = "equal" if all(len(set(group)) == 1 for group in sizes) else "nearly equal"
    means = dict.fromkeys(human_bytes(float(np.mean(group))) for group in sizes)
    return [f"{about} sizes are drawn side by side ({', '.join(means)})"]


def _draw(axes: Axes, number: int, point: Point, place: float) -> Line2D:
    """The point with its interval, which ends in a bar, or in an arrow where the axis cuts it; returns its marker."""
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
    """Names beside the axes, the best one first."""
    order = sorted(range(len(points)), key=lambda number: -points[number].value)
    legend = axes.legend(
        [markers[number] for number in order], [points[number].name for number in order],
        loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=12, frameon=False, labelspacing=0.7,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _bytes_axis(axes: Axes, points: Sequence[Point]) -> tuple[list[list[int]], list[float]]:
    """A logarithmic axis of at least two decades, with room for names beside pairs.

    Returns the groups of points that stand side by side, and each point's place.
    """
    counts = [point.bytes for point in points]
    low, high = float(np.log10(min(counts))), float(np.log10(max(counts)))
    longest = max((len(point.name) for point in points if counts.count(point.bytes) == 2), default=0)
    part = np.clip(2 * STEP + SIGN * longest, 0.115, 0.25)
    margin = max(float(part / (1 - 2 * part)) * (high - low), 1 - (high - low) / 2)
    step = STEP * (high - low + 2 * margin)
    groups, places = _side_by_side(counts, step)  # of many points some may lie beyond the margins
    axes.set_xscale("log")
    axes.set_xlim(
        min(10 ** (low - margin), min(places) / 10 ** (2 * step)),
        max(10 ** (high + margin), max(places) * 10 ** (2 * step)),
    )
    axes.xaxis.set_major_locator(LogLocator(10, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: human_bytes(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("bytes an image (log scale)", fontsize=14)
    axes.tick_params(labelsize=13)
    return groups, places


def _measure_axis(axes: Axes, points: Sequence[Point], measure: str) -> bool:
    """An axis within 0 and 100 %; returns whether an interval goes on beyond it."""
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
    """Groups of points of about these bytes, and where each point is: as it is, or spread about its group's middle."""
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


def _name(
    figure: Figure, points: Sequence[Point], places: Sequence[float], groups: Sequence[Sequence[int]]
) -> list[Annotation]:
    """Names beside their own points: of a pair on either side, else toward the middle; none where one would not fit."""
    axes = figure.axes[0]
    if max(map(len, groups)) > 2:
        return []
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
    if not _cover_something(figure, names, points, places):
        return names
    for name in names:
        name.remove()
    return []


def _cover_something(
    figure: Figure, names: Sequence[Annotation], points: Sequence[Point], places: Sequence[float]
) -> bool:
    """Whether a name lies on another name, on a point or on its interval, or reaches out of the axes."""
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [name.get_window_extent() for name in names]
    half = 5 * figure.dpi / 72  # a marker's
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


@contextmanager
def fonts_for(texts: Iterable[str]) -> Iterator[list[str]]:
    """Within it texts are made in fonts that have their letters, as far as there are any; gives what to say if not."""
    wanted = {sign for sign in "".join(texts) if unicodedata.category(sign)[0] not in "CZM"}
    missing = wanted - _letters(FontProperties())
    installed = sorted(fontManager.get_font_names(), key=lambda family: (len(family), family)) if missing else []
    found = []
    for family in (family for start in FURTHER_FONTS for family in installed if family.startswith(start)):
        if missing and (has := missing & _letters(FontProperties(family=family))):
            found.append(family)
            missing -= has
    with _drawing, rc_context({"font.family": [*rcParams["font.family"], *found]}):
        yield [UNWRITTEN] if missing else []


def _letters(font: FontProperties) -> set[str]:
    return {chr(code) for code in get_font(findfont(font)).get_charmap()}


@contextmanager
def any_script() -> Iterator[None]:
    """Let names in a script that the font lacks be drawn as boxes, without a word."""
    with _drawing, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


def figure_bytes(figure: Figure, kind: str, about: Mapping[str, str | None]) -> bytes:
    """A figure as a file of that kind (png, svg, pdf), with what it is `about` inside."""
    file = io.BytesIO()
    with any_script():
        figure.savefig(file, format=kind, metadata=dict(about))
    return file.getvalue()


def confusion_figure(matrix: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """A confusion matrix (L, L), rows being the true classes: colours and numbers are parts of each row in percent."""
    names = classes if len(classes) <= NAMED_CLASSES else ()
    with fonts_for([title, *names]) as notes:
        figure = _confusion(matrix, names, title)
        _caption(figure, notes)
    return figure


def _confusion(matrix: np.ndarray, names: Sequence[str], title: str) -> Figure:
    count = len(matrix)
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(MAX_SIDE, 4 + 0.55 * count)
    figure = Figure(figsize=(side + 1.2, side), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.imshow(shares, cmap=SHARES, vmin=0, vmax=100)
    size = float(np.clip(72 * (side - 4) / count * 0.45, 4, 12))
    _class_names(axes, names, size)
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


@dataclass(frozen=True)
class Line:
    """A curve's values, as fractions, and its intervals where there are any."""

    name: str
    values: Sequence[float]
    intervals: Sequence[tuple[float, float]] | None


@dataclass(frozen=True)
class Panel:
    """Curves over the same fractions of what the title says."""

    title: str
    fractions: Sequence[float]
    lines: Sequence[Line]


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
        _caption(figure, notes)
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
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(panel.title, fontsize=11, loc="left", color=INK)
    axes.set_xlabel("% of them", fontsize=11)
    axes.set_ylabel(f"accuracy, %; band: 95 % interval of {panel.lines[0].name}", fontsize=11)
    axes.set_ylim(-2, 102)
    axes.legend(fontsize=9, frameon=False)
