"""Contributions as one figure: the image, where the evidence lies, and the channels that contribute most."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from crosspool.contributions import Contributions
from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, ColourRange, Look, colour_range_of
from crosspool.drawing.style import any_script
from crosspool.text import number, share_text, signed

SIDE = 224  # pixels of each image
CHANNEL_HEIGHT = 2.4  # inches of a row of channels, with their titles
COLUMNS = 4  # of channels, in pairs of a weighting map and its evidence
FOR, AGAINST = "#B2182B", "#2166AC"  # the ends of the diverging colours


def strongest_channels(contributions: Contributions, top: int) -> list[int]:
    """The `top` channels that contribute most in magnitude, the largest first; those that add nothing are left out."""
    channels = contributions.channels
    order = np.argsort(-np.abs(channels), kind="stable")[:top]
    return [int(index) for index in order if channels[index] != 0]


def evidence_sheet(
    framed: Image.Image, contributions: Contributions, *, title: str, caution: str, top: int = 8
) -> Figure:
    """What adds up to a score, over the image that the network saw; below it stands `caution`.

    Above are the image, the evidence of all channels over it, and the contributions of the `top` channels; below are
    the weighting map and the evidence of each of these. All channels share a scale of evidence; their sum has another.
    """
    chosen = strongest_channels(contributions, top)
    is_located = any(contributions.channel(index)[0].evidence is not None for index in chosen)
    rows = -(-len(chosen) // COLUMNS) if is_located else 0
    with any_script():
        space = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.1, wspace=0.03, hspace=0.06)
        figure = Figure(figsize=(14, 5.8 + CHANNEL_HEIGHT * rows), dpi=120, layout=space)
        figure.suptitle(title, fontsize=13, wrap=True, parse_math=False)
        heights = [5.0, CHANNEL_HEIGHT * rows] if rows else [1.0]
        upper, *lower = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
        small = framed.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        image_axes, evidence_axes, bar_axes = upper.subplots(1, 3, width_ratios=(1, 1.2, 1.3))
        _show(image_axes, small, "what the network saw")
        _show_total(upper, evidence_axes, small, contributions)
        _show_bars(bar_axes, contributions, chosen)
        if lower:
            _show_channels(lower[0], small, contributions, chosen)
        figure.supxlabel(f"{_check(contributions)} {caution}", fontsize=9, wrap=True, x=0.01, ha="left")
    return figure


def _check(contributions: Contributions) -> str:
    check = contributions.check
    verdict = "The parts add up" if check.holds else "THE PARTS DO NOT ADD UP"
    return f"{verdict}: they differ from the score {number(check.score, 4)} by {share_text(check.error)} of it."


def _show(axes: Axes, image: Image.Image, title: str) -> None:
    axes.imshow(np.asarray(image))
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.set_axis_off()


def _show_total(figure: SubFigure, axes: Axes, small: Image.Image, contributions: Contributions) -> None:
    positions = contributions.positions
    if positions is None:
        note = "the position in the image\nis not known"
        axes.text(0.5, 0.5, note, ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    colour_range = colour_range_of(positions, signed=True)
    _show(axes, _over(small, positions, colour_range), "evidence of all channels")
    _bar(figure, axes, colour_range, "adds to the score")


def _over(small: Image.Image, values: np.ndarray, colour_range: ColourRange) -> Image.Image:
    return Look(SIGNED_COLOUR_MAP, opacity=0.7).over(small, values.astype(np.float32), colour_range)


def _bar(figure: SubFigure, axes: Axes | list[Axes], colour_range: ColourRange, label: str) -> None:
    bar = figure.colorbar(ScalarMappable(Normalize(*colour_range), SIGNED_COLOUR_MAP), ax=axes, shrink=0.8)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=9)


def _show_bars(axes: Axes, contributions: Contributions, chosen: list[int]) -> None:
    values = contributions.channels
    rest = float(values.sum() - values[chosen].sum())
    names, lengths = [contributions.names[index] for index in chosen], values[chosen]
    colours = [FOR if length > 0 else AGAINST for length in lengths]
    axes.barh(range(len(lengths)), lengths, color=colours)
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set_yticks(range(len(lengths)), names, fontsize=9)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(f"score {number(contributions.score, 4)}, intercept {number(contributions.intercept)}", fontsize=10)
    others = len(values) - len(chosen)
    axes.set_xlabel(f"contribution of a channel; {others:,} others together {signed(rest)}", fontsize=9)


def _show_channels(figure: SubFigure, small: Image.Image, contributions: Contributions, chosen: list[int]) -> None:
    """Each channel's weighting map, in its own scale, and its evidence, in one scale for all channels."""
    grid = figure.subplots(-(-len(chosen) // COLUMNS), 2 * COLUMNS, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    parts = [contributions.channel(index) for index in chosen]
    evidence = [part.evidence[k].ravel() for part, k in parts if part.evidence is not None]
    colour_range = colour_range_of(np.concatenate(evidence), signed=True)
    for index, (part, k), axes, evidence_axes in zip(chosen, parts, grid.flat[::2], grid.flat[1::2], strict=False):
        if part.maps is None or part.evidence is None:
            continue
        weights = part.maps[k].astype(np.float32)
        weights_image = Look().over(small, weights, colour_range_of(weights, signed=bool((weights < 0).any())))
        _show(axes, weights_image, f"map {contributions.names[index]}")
        image = _over(small, part.evidence[k], colour_range)
        _show(evidence_axes, image, f"evidence {signed(contributions.channels[index])}")
    _bar(figure, grid.ravel().tolist(), colour_range, "adds to the score")
