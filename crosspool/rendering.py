"""Weighting maps as pictures: arrays in, pictures out. Nothing here computes maps or knows about pages."""

from collections.abc import Sequence
from functools import cache
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from crosspool.errors import SettingError
from crosspool.receptive_field import Box
from crosspool.statistics import ChannelStatistics

Scale = Literal["map", "layer", "fixed"]
Limits = tuple[float, float]

# Sequential ones that keep their order in grey and for colour-blind eyes, and a diverging one for signed maps.
COLOUR_MAPS = ("viridis", "cividis", "magma", "gray")
SIGNED_COLOUR_MAP = "RdBu_r"
PATCH_COLOUR = (255, 255, 255)
FIELD_COLOUR = (255, 176, 0)
TILE, GAP = 160, 16  # pixels of a contact sheet's tiles, and between them


def colour_limits(weights: np.ndarray, *, signed: bool = False) -> Limits:
    """The range of values that the colours span: from 0 to the largest weight, or symmetric about 0 if `signed`.

    `weights` is one map for a scale of its own ("map"), or all of a layer's for a common one ("layer").
    """
    top = float(np.abs(weights).max(initial=0.0)) or 1.0  # an all-zero map is drawn as zeros
    return (-top if signed else 0.0, top)


@cache
def colour_table(colour_map: str) -> np.ndarray:
    """256 RGB colours, uint8 (256, 3), not to be changed. Raises SettingError for a colour map that is not offered."""
    if colour_map not in (*COLOUR_MAPS, SIGNED_COLOUR_MAP):
        raise SettingError(f"There is no colour map {colour_map!r}; choose {', '.join(COLOUR_MAPS)}.")
    table: np.ndarray = matplotlib.colormaps[colour_map](np.arange(256), bytes=True)[:, :3]
    table.flags.writeable = False
    return table


def quantise(weights: np.ndarray, limits: Limits) -> np.ndarray:
    """Weights as 8-bit steps of the colour range, uint8 of the same shape."""
    low, high = limits
    steps: np.ndarray = np.rint((np.clip(weights, low, high) - low) / (high - low) * 255).astype(np.uint8)
    return steps


def overlay(
    framed: Image.Image,
    weights: np.ndarray,
    *,
    limits: Limits,
    colour_map: str = "viridis",
    opacity: float = 0.65,
    smooth: bool = True,
) -> Image.Image:
    """One map (H, W) over the picture that the network saw, in that picture's size.

    `opacity` runs from 0, the photo alone, to 1, the map alone. `smooth` interpolates between the map's cells for
    the eye; without it each cell is one flat block.
    """
    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    steps = np.asarray(Image.fromarray(quantise(weights, limits)).resize(framed.size, method))
    coloured = Image.fromarray(colour_table(colour_map)[steps])
    return Image.blend(framed.convert("RGB"), coloured, opacity)


def with_boxes(picture: Image.Image, boxes: Sequence[tuple[Box, tuple[int, int, int]]]) -> Image.Image:
    """A copy of the picture with rectangles drawn on it, each with a dark rim so that it shows on any ground."""
    marked = picture.convert("RGB")
    draw = ImageDraw.Draw(marked)
    thick = max(2, marked.width // 110)
    for box, colour in boxes:
        corners = (box.left, box.top, max(box.left, box.right - 1), max(box.top, box.bottom - 1))
        draw.rectangle(corners, outline=(0, 0, 0), width=thick + 2)
        inner = tuple(v + d for v, d in zip(corners, (1, 1, -1, -1), strict=True))
        if inner[2] > inner[0] and inner[3] > inner[1]:
            draw.rectangle(inner, outline=colour, width=thick)
    return marked


def cell_box(row: int, column: int, map_size: tuple[int, int], picture_size: int) -> Box:
    """The part of the picture that one cell of a map covers when the map is stretched over it."""
    rows, columns = map_size
    return Box(
        round(column * picture_size / columns),
        round(row * picture_size / rows),
        round((column + 1) * picture_size / columns),
        round((row + 1) * picture_size / rows),
    )


def contact_sheet(
    framed: Image.Image,
    upper: np.ndarray,
    channels: Sequence[int],
    *,
    statistics: ChannelStatistics,
    caption: str,
    colour_map: str = "viridis",
    opacity: float = 0.65,
    smooth: bool = True,
    scale: Scale = "map",
    signed: bool = False,
) -> Figure:
    """The picture and the chosen channels' maps over it, numbered, each with its peak and its share of P's energy.

    `upper` holds all maps of the image, (D_{t+1}, H, W). Each map spans its own colours ("map": the bar then counts
    in parts of that map's peak), or all share those of the layer ("layer"). Raises SettingError without channels.
    """
    if not channels:
        raise SettingError("There is no map to show; choose at least one channel.")
    colour_map = SIGNED_COLOUR_MAP if signed else colour_map
    count = len(channels) + 1
    columns = min(count, max(4, round((1.5 * count) ** 0.5)))
    rows = -(-count // columns)
    layer_limits = colour_limits(upper, signed=signed)
    small = framed.resize((TILE, TILE), Image.Resampling.LANCZOS)
    tiles, labels = [np.asarray(small.convert("RGB"))], ["the image"]
    for channel in channels:
        limits = layer_limits if scale == "layer" else colour_limits(upper[channel], signed=signed)
        drawn = overlay(small, upper[channel], limits=limits, colour_map=colour_map, opacity=opacity, smooth=smooth)
        tiles.append(np.asarray(drawn))
        share = 100 * statistics.energy_share[channel]
        labels.append(f"{channel}\npeak {statistics.peak[channel]:.3g} · {share:.2g} %")

    row_height = 1.47 * (TILE + 3 * GAP) / (TILE + GAP)  # inches, so that tiles are square
    width, height = 1.5 * columns, row_height * rows + 1.2
    figure = Figure(figsize=(width, height), dpi=110)
    figure.suptitle(caption, fontsize=9, y=1 - 0.12 / height, wrap=True, parse_math=False)
    _draw_tiles(figure.add_axes((0.01, 0.75 / height, 0.98, row_height * rows / height)), tiles, labels, columns)
    bar_limits = layer_limits if scale == "layer" else (-1.0 if signed else 0.0, 1.0)
    bar_axes = figure.add_axes((0.05, 0.48 / height, 0.9, 0.14 / height))
    bar = figure.colorbar(ScalarMappable(Normalize(*bar_limits), colour_map), cax=bar_axes, orientation="horizontal")
    bar.set_label("weight" if scale == "layer" else "weight, in parts of each map's own peak", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def _draw_tiles(axes: Axes, tiles: Sequence[np.ndarray], labels: Sequence[str], columns: int) -> None:
    """All tiles as one picture (an axes for each would take a hundred times longer), with their labels above."""
    rows = -(-len(tiles) // columns)
    pitch, label_height = TILE + GAP, 2 * GAP
    sheet = np.full((rows * (pitch + label_height), columns * pitch, 3), 255, np.uint8)
    for place, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        top, left = place // columns * (pitch + label_height) + label_height, place % columns * pitch + GAP // 2
        sheet[top : top + TILE, left : left + TILE] = tile
        axes.text(left + TILE / 2, top - 3, label, fontsize=6, ha="center", va="bottom")
    axes.imshow(sheet, aspect="auto", interpolation="antialiased")
    axes.set_axis_off()
