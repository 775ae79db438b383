"""A figure of how well many methods do against the bytes and the seconds that an image takes with each."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from crosspool.drawing.style import COLOURS, INK, caption, open_grid
from crosspool.methods.grammar import TUNING, parse_parts
from crosspool.methods.wording import FULLY_CONNECTED, OF_PARTS
from crosspool.text import human_bytes

TWO, TUNED, PARTS, FULL, MAPS, POOLED = (
    "other networks", "fine-tuned", "annotated parts", "fully-connected", "one map's statistics or codebook",
    "cross-layer pooling",
)  # fmt: skip
KINDS = dict(zip((POOLED, FULL, MAPS, TWO, TUNED, PARTS), COLOURS, strict=True))
ACROSS_LAYERS = {"cl", "cl-f", "cl-c", "guided", "compact-cl"}


@dataclass(frozen=True)
class Measured:
    """What a method reached, as a fraction, and what an image took: the bytes of its vector, and seconds."""

    name: str
    accuracy: float
    bytes: int
    seconds: float


def kind_of(name: str) -> str:
    """The kind of a method that its colour tells."""
    parts, _ = parse_parts(name)
    names = {part.name for part in parts}
    if any(part.network for part in parts):
        return TWO
    if TUNING in names:
        return TUNED
    if names & set(OF_PARTS):
        return PARTS
    if names <= set(FULLY_CONNECTED):
        return FULL
    return POOLED if names & ACROSS_LAYERS else MAPS


def rows_figure(rows: Sequence[Measured], title: str) -> Figure:
    """Accuracy against bytes, and against seconds; `rows` are in the order of their table, whose numbers they carry."""
    figure = Figure(figsize=(13, 6.4), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, rows, [row.bytes for row in rows], "bytes of an image's vector (log scale)")
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, place: human_bytes(value)))
    _panel(
        right, rows, [row.seconds for row in rows], "seconds from an image's file to its vector (log scale)", (1, 2, 5)
    )
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g} s"))
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{round(100 * value, 3):g} %"))
    left.set_ylabel("accuracy", fontsize=12, color=INK)
    figure.suptitle(title, fontsize=12.5, x=0.01, ha="left", color=INK)
    used = {kind_of(row.name) for row in rows}
    marks = [(kind, left.scatter([], [], s=90, color=colour)) for kind, colour in KINDS.items() if kind in used]
    figure.legend(
        [mark for _, mark in marks], [kind for kind, _ in marks],
        loc="outside upper right", ncols=len(marks), frameon=False, columnspacing=1, handletextpad=0.1,
    )  # fmt: skip
    caption(figure, ["numbers: places in the table; the line joins what nothing cheaper exceeds"])
    return figure


def _panel(
    axes: Axes, rows: Sequence[Measured], costs: Sequence[float], label: str, steps: Sequence[float] = (1,)
) -> None:
    open_grid(axes)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10, subs=steps))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label, fontsize=12)
    best = front([(cost, row.accuracy) for cost, row in zip(costs, rows, strict=True)])
    axes.step([costs[each] for each in best], [rows[each].accuracy for each in best], where="post", color="#BBBBBB")
    for number, (cost, row) in enumerate(zip(costs, rows, strict=True), 1):
        axes.scatter(cost, row.accuracy, s=170, color=KINDS[kind_of(row.name)], alpha=0.9, edgecolor="white", zorder=3)
        axes.text(
            cost, row.accuracy, f"{number}", color="white", fontsize=8, ha="center", va="center_baseline", zorder=4
        )


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of points of cost and worth that no point of the same or less cost exceeds, by cost."""
    order = sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1]))
    found: list[int] = []
    for place in order:
        if not found or points[place][1] > points[found[-1]][1]:
            found.append(place)
    return found
