"""Weighting maps drawn as images. Nothing here computes maps or knows about pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from crosspool.errors import SettingError
from crosspool.receptive_field import Box

Scale = Literal["map", "layer", "fixed"]
Overlay = Literal["growing", "even"]
ColourRange = tuple[float, float]
SCALES: dict[Scale, str] = {
    "map": "the scale of this map",
    "layer": "the scale of this layer",
    "fixed": "a fixed scale",
}

# Sequential maps, whose order can be seen in grey and by colour-blind eyes, and a diverging one for signed weights.
ColourMap = Literal["viridis", "cividis", "magma", "gray"]
COLOUR_MAPS: tuple[ColourMap, ...] = get_args(ColourMap)
SIGNED_COLOUR_MAP = "RdBu_r"
PATCH_COLOUR = (255, 255, 255)
FIELD_COLOUR = (255, 176, 0)


@dataclass(frozen=True)
class Look:
    """How maps are drawn over an image.

    `opacity` runs from 0, the image alone, to 1, the map alone: with a "growing" `overlay` where the weight is largest,
    and in proportion elsewhere, so that the image stays in sight where the weight is 0; with an "even" one everywhere.
    `smooth` interpolates between the map's cells for the eye; without it each cell is one flat block. `top` is the end
    of a fixed scale, 0 for the layer's own.
    """

    colour_map: str = COLOUR_MAPS[0]
    opacity: float = 0.8
    smooth: bool = True
    scale: Scale = "map"
    signed: bool = False
    top: float = 0.0
    overlay: Overlay = "growing"

    def colour_range(self, peaks: np.ndarray, channel: int) -> ColourRange:
        """The range of weights that one map's colours span, by the peaks of all maps of the layer."""
        if self.scale == "fixed" and self.top > 0:
            return (-self.top if self.signed else 0.0, self.top)
        return colour_range_of(peaks[[channel]] if self.scale == "map" else peaks, signed=self.signed)

    def over(self, image: Image.Image, weights: np.ndarray, colour_range: ColourRange) -> Image.Image:
        """One map (H, W) over an image, in that image's size."""
        method = Image.Resampling.BILINEAR if self.smooth else Image.Resampling.NEAREST
        steps = np.asarray(Image.fromarray(quantise(weights, colour_range)).resize(image.size, method))
        coloured = Image.fromarray(colour_table(self.colour_map)[steps])
        if self.overlay == "even":
            return Image.blend(image.convert("RGB"), coloured, self.opacity)
        opacities = np.rint(255 * self.opacity * strengths(colour_range)).astype(np.uint8)
        return Image.composite(coloured, image.convert("RGB"), Image.fromarray(opacities[steps]))


def strengths(colour_range: ColourRange) -> np.ndarray:
    """How far from zero each of the 256 steps of a colour range is, as a part of the farthest, (256,)."""
    values = np.linspace(*colour_range, 256)
    return np.asarray(np.abs(values) / np.abs(values).max())


def colour_range_of(weights: np.ndarray, *, signed: bool = False) -> ColourRange:
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


def quantise(weights: np.ndarray, colour_range: ColourRange) -> np.ndarray:
    """Weights as 8-bit steps of the colour range, uint8 of the same shape."""
    low, high = colour_range
    return np.asarray(np.rint((np.clip(weights, low, high) - low) / (high - low) * 255).astype(np.uint8))


def with_boxes(image: Image.Image, boxes: Sequence[tuple[Box, tuple[int, int, int]]]) -> Image.Image:
    """A copy of the image with rectangles drawn on it, each with a dark rim so that it shows on any ground."""
    marked = image.convert("RGB")
    draw = ImageDraw.Draw(marked)
    thick = max(2, marked.width // 110)
    for box, colour in boxes:
        corners = (box.left, box.top, max(box.left, box.right - 1), max(box.top, box.bottom - 1))
        draw.rectangle(corners, outline=(0, 0, 0), width=thick + 2)
        inner = tuple(v + d for v, d in zip(corners, (1, 1, -1, -1), strict=True))
        if inner[2] > inner[0] and inner[3] > inner[1]:
            draw.rectangle(inner, outline=colour, width=thick)
    return marked


def cell_box(row: int, column: int, map_size: tuple[int, int], image_size: int) -> Box:
    """The part of the image that one cell of a map covers when the map is stretched over it."""
    rows, columns = map_size
    left, right = (round(edge * image_size / columns) for edge in (column, column + 1))
    top, bottom = (round(edge * image_size / rows) for edge in (row, row + 1))
    return Box(left, top, right, bottom)
