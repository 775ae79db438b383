"""Charts of many numbers: bars side by side, or points on either side of the line of equality."""

from collections.abc import Mapping, Sequence

import numpy as np

from crosspool.ui.widgets.browser import component

_draw = component("ui/widgets/chart", '<div class="chart"></div>')


def bar_chart(
    values: np.ndarray,
    labels: Sequence[str],
    *,
    key: str,
    alt: str,
    titles: tuple[str, str],
    first: int = 0,
    ticks: Mapping[int, str] | None = None,
    marked: tuple[int, str] | None = None,
    percent: bool = False,
) -> None:
    """Draw a bar for each of the values, (N,), with its label under the pointer and for the arrow keys.

    `titles` are those of the horizontal and the vertical axis; `_k` in them is a subscript. The bars are numbered from
    `first`; `ticks` are names, by place in `values`, to write in the place of numbers. `marked` is the place of a bar
    to draw in another colour, and its name.
    """
    data = {"values": np.asarray(values, float).tolist(), "first": first, "percent": percent}
    data |= {"ticks": None if ticks is None else list(ticks.items()), "marked": marked}
    _show(data, labels, key, alt, titles)


def point_chart(
    x: np.ndarray, y: np.ndarray, labels: Sequence[str], *, key: str, alt: str, titles: tuple[str, str]
) -> None:
    """Draw a point for each pair of x and y, (N,) each, on axes of one range, and the line on which both are equal."""
    order = np.argsort(x, kind="stable")  # the arrow keys go from left to right
    data = {"x": np.asarray(x, float)[order].tolist(), "values": np.asarray(y, float)[order].tolist()}
    _show(data, [labels[index] for index in order.tolist()], key, alt, titles)


def _show(data: dict[str, object], labels: Sequence[str], key: str, alt: str, titles: tuple[str, str]) -> None:
    horizontal, vertical = titles
    # The stylesheet keeps room for what has such a key.
    _draw(data | {"labels": labels, "alt": alt, "horizontal": horizontal, "vertical": vertical}, f"chart-{key}")
