"""Contributions as one figure: the image, where the evidence lies, and the channels that say most."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from crosspool.contributions import Contributions
from crosspool.drawing.fonts import any_script
from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, ColourRange, colour_range_of, overlay

SIDE = 224  # pixels of each image
COLUMNS = 4  # of channels, in pairs of a weighting map and its evidence
FOR, AGAINST = "#B2182B", "#2166AC"  # the ends of the diverging colours
ABOUT_FROZEN = (
    "Contributions add up to the score with the normalisation frozen at this image. They do not say what the score "
    "would be without a channel or a position."
)


def strongest_channels(contributions: Contributions, top: int) -> list[int]:
    """The `top` channels that contribute most in magnitude, the largest first; those that add nothing are left out."""
    channels = contributions.channels
    order = np.argsort(-np.abs(channels), kind="stable")[:top]
    return [int(index) for index in order if channels[index] != 0]


def evidence_sheet(framed: Image.Image, contributions: Contributions, *, title: str, top: int = 8) -> Figure:
    """What adds up to a score, over the image that the network saw.

    Above the image, the evidence of all channels over it, and the `top` channels' contributions; below, for each of
    these its weighting map and its evidence. Evidence has one scale for all channels, and another for their sum.
    """
    chosen = strongest_channels(contributions, top)
    located = [contributions.channel(index) for index in chosen]
    rows = -(-len(chosen) // COLUMNS) if any(part.evidence is not None for part, _ in located) else 0
    with any_script():
        figure = Figure(figsize=(12, 4.6 + 1.9 * rows), dpi=120, layout="constrained")
        figure.suptitle(title, fontsize=11, wrap=True, parse_math=False)
        upper, *lower = figure.subfigures(2 if rows else 1, 1, squeeze=False, height_ratios=_heights(rows)).ravel()
        small = framed.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        image_axes, evidence_axes, bar_axes = upper.subplots(1, 3, width_ratios=(1, 1.2, 1.3))
        _show(image_axes, small, "what the network saw")
        _show_total(upper, evidence_axes, small, contributions)
        _show_bars(bar_axes, contributions, chosen)
        if lower:
            _show_channels(lower[0], small, contributions, chosen, rows)
        figure.supxlabel(f"{_check(contributions)} {ABOUT_FROZEN}", fontsize=8, wrap=True, x=0.01, ha="left")
    return figure


def _heights(rows: int) -> list[float]:
    return [4.2, 1.9 * rows] if rows else [1.0]


def _check(contributions: Contributions) -> str:
    check = contributions.check
    verdict = "The parts add up" if check.holds else "THE PARTS DO NOT ADD UP"
    return f"{verdict}: they differ from the score {check.score:.4g} by {check.error:.1g} of it."


def _show(axes: Axes, image: Image.Image, title: str) -> None:
    axes.imshow(np.asarray(image))
    axes.set_title(title, fontsize=9, parse_math=False)
    axes.set_axis_off()


def _show_total(figure: object, axes: Axes, small: Image.Image, contributions: Contributions) -> None:
    positions = contributions.positions
    if positions is None:
        axes.text(
            0.5, 0.5, "the position in the image\nis not known", ha="center", va="center", transform=axes.transAxes
        )
        axes.set_axis_off()
        return
    colour_range = colour_range_of(positions, signed=True)
    _show(axes, _over(small, positions, colour_range), "evidence of all channels")
    _bar(figure, axes, colour_range, "adds to the score")


def _over(small: Image.Image, values: np.ndarray, colour_range: ColourRange) -> Image.Image:
    return overlay(
        small, values.astype(np.float32), colour_range=colour_range, colour_map=SIGNED_COLOUR_MAP, opacity=0.7
    )


def _bar(figure: object, axes: object, colour_range: ColourRange, label: str) -> None:
    bar = figure.colorbar(ScalarMappable(Normalize(*colour_range), SIGNED_COLOUR_MAP), ax=axes, shrink=0.8)  # type: ignore[attr-defined]
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _show_bars(axes: Axes, contributions: Contributions, chosen: list[int]) -> None:
    values = contributions.channels
    rest = float(values.sum() - values[chosen].sum())
    names, lengths = [contributions.names[index] for index in chosen], values[chosen]
    colours = [FOR if length > 0 else AGAINST for length in lengths]
    axes.barh(range(len(lengths)), lengths, color=colours)
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_yticks(range(len(lengths)), names, fontsize=8)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(f"score {contributions.score:.4g}, intercept {contributions.intercept:.3g}", fontsize=9)
    others = len(values) - len(chosen)
    axes.set_xlabel(f"contribution of a channel; {others:,} others together {rest:+.3g}", fontsize=8)


def _show_channels(
    figure: object, small: Image.Image, contributions: Contributions, chosen: list[int], rows: int
) -> None:
    """For each channel its weighting map, in its own scale, and its evidence, in one scale for all."""
    grid = figure.subplots(rows, 2 * COLUMNS, squeeze=False)  # type: ignore[attr-defined]
    for axes in grid.ravel():
        axes.set_axis_off()
    parts = [contributions.channel(index) for index in chosen]
    colour_range = colour_range_of(
        np.concatenate([part.evidence[k].ravel() for part, k in parts if part.evidence is not None])
    )
    colour_range = (-colour_range[1], colour_range[1])
    for place, (index, (part, k)) in enumerate(zip(chosen, parts, strict=True)):
        if part.maps is None or part.evidence is None:
            continue
        row, column = divmod(place, COLUMNS)
        weights = part.maps[k].astype(np.float32)
        weights_image = overlay(small, weights, colour_range=colour_range_of(weights, signed=bool((weights < 0).any())))
        _show(grid[row, 2 * column], weights_image, f"map {contributions.names[index]}")
        evidence = _over(small, part.evidence[k], colour_range)
        _show(grid[row, 2 * column + 1], evidence, f"evidence {contributions.channels[index]:+.3g}")
    _bar(figure, grid, colour_range, "adds to the score")
