"""Shapes with smooth edges, painted one over another, and the exact masks of what stays visible.

Pillow paints, in whole numbers. Array arithmetic on pixels uses only + - * / and square roots, which round in the same
way on every machine, unlike a vectorised sine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

SUPERSAMPLE = 2


@dataclass(frozen=True)
class Patch:
    """The share of each pixel that a shape covers, from 0 to 255; the corner of `cover` is at (`left`, `top`)."""

    left: int
    top: int
    cover: Image.Image

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """The centres of the pixels in the image: x as (1, w), y as (h, 1)."""
        x = np.arange(self.cover.width, dtype=np.float32) + np.float32(self.left + 0.5)
        y = np.arange(self.cover.height, dtype=np.float32) + np.float32(self.top + 0.5)
        return x[None, :], y[:, None]

    def within(self, other: "Patch") -> "Patch":
        """The part of this shape that lies inside another."""
        left, top = self.left - other.left, self.top - other.top
        cover = other.cover.crop((left, top, left + self.cover.width, top + self.cover.height))  # 0 outside the other
        return Patch(self.left, self.top, ImageChops.multiply(self.cover, cover))


class Canvas:
    """A square RGB image in the making, with (side, side) boolean masks by name.

    A pixel belongs to a mask if any part of the pixel may show what was marked: later paint removes it from the mask
    only where it covers the pixel completely.
    """

    def __init__(self, background: Image.Image) -> None:
        self.image = background
        self.masks: dict[str, np.ndarray] = {}

    @property
    def side(self) -> int:
        return self.image.width

    def shape(self, *outlines: np.ndarray) -> Patch:
        """The union of closed outlines, each (n, 2) x and y in pixels, clipped to the image."""
        mask, draw, corner = self._blank(np.concatenate(outlines), margin=0)
        for outline in outlines:
            draw.polygon(_on(outline, corner).ravel().tolist(), fill=255)
        return Patch(*corner, mask.reduce(SUPERSAMPLE))

    def strokes(self, lines: np.ndarray, width: float) -> Patch:
        """Lines of a `width` in pixels through points: (lines, points, 2)."""
        mask, draw, corner = self._blank(lines.reshape(-1, 2), margin=width)
        thick = max(1, round(width * SUPERSAMPLE))
        for line in _on(lines, corner).reshape(len(lines), -1).tolist():
            draw.line(line, fill=255, width=thick)
        return Patch(*corner, mask.reduce(SUPERSAMPLE))

    def paint(self, patch: Patch, colour: np.ndarray | Sequence[float], opacity: float = 1.0) -> None:
        """Lay a colour, (3,) or one for each pixel of the patch (h, w, 3), over what is there."""
        values = (np.asarray(colour, dtype=np.float32) + np.float32(0.5)).clip(0, 255).astype(np.uint8)
        cover = patch.cover if opacity == 1 else patch.cover.point(_thinned(opacity))
        box = (patch.left, patch.top, patch.left + cover.width, patch.top + cover.height)
        self.image.paste(tuple(values.tolist()) if values.ndim == 1 else Image.fromarray(values), box, cover)
        if opacity == 1 and self.masks:
            still_visible = np.asarray(cover) < 255
            for mask in self.masks.values():
                mask[box[1] : box[3], box[0] : box[2]] &= still_visible

    def mark(self, name: str, patch: Patch) -> None:
        """Add the pixels that a patch touches to the mask of this name."""
        mask = self.masks.setdefault(name, np.zeros((self.side, self.side), dtype=bool))
        touched = np.asarray(patch.cover) > 0
        mask[patch.top : patch.top + len(touched), patch.left : patch.left + touched.shape[1]] |= touched

    def _blank(self, points: np.ndarray, margin: float) -> tuple[Image.Image, ImageDraw.ImageDraw, tuple[int, int]]:
        """An enlarged empty mask around points (n, 2), at least a pixel each way, and its corner in the image."""
        low = np.floor(points.min(axis=0) - margin).astype(int).tolist()
        high = np.ceil(points.max(axis=0) + margin).astype(int).tolist()
        left, top = (min(max(value, 0), self.side - 1) for value in low)
        right, bottom = (min(max(value, 0), self.side - 1) + 1 for value in high)
        mask = Image.new("L", ((right - left) * SUPERSAMPLE, (bottom - top) * SUPERSAMPLE))
        return mask, ImageDraw.Draw(mask), (left, top)


def _on(points: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Points (..., 2) on the enlarged mask, rounded so that the last digit of a sine never moves an edge."""
    enlarged: np.ndarray = ((points - corner) * SUPERSAMPLE - 0.5).round(2)
    return enlarged


@cache
def _thinned(opacity: float) -> list[int]:
    """Each level of cover times an opacity; of these there are only a few."""
    return [round(level * opacity) for level in range(256)]


def curve(points: Sequence[tuple[float, float]] | np.ndarray, *, closed: bool = True, steps: int = 6) -> np.ndarray:
    """A smooth line through points (n, 2), as points: a Catmull-Rom spline."""
    knots = np.asarray(points, dtype=np.float64)
    if closed:
        before, after, last = np.roll(knots, 1, axis=0), np.roll(knots, -1, axis=0), np.roll(knots, -2, axis=0)
        start = knots
    else:
        padded = np.concatenate([knots[:1], knots, knots[-1:]])
        before, start, after, last = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (part[:, None, :] for part in (before, start, after, last))
    pieces = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))  # (n, steps, 2)
    line: np.ndarray = pieces.reshape(-1, 2)
    return line if closed else np.concatenate([line, knots[-1:]])


def shifted(points: np.ndarray, x: float, y: float) -> np.ndarray:
    """Points (..., 2) moved by x and y."""
    return np.asarray(points + np.array([x, y]))


def ellipse(centre: tuple[float, float], radii: tuple[float, float], points: int = 28) -> np.ndarray:
    """The outline of an ellipse, (points, 2)."""
    angles = np.arange(points) * (2 * np.pi / points)
    return np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1)


def ribbon(line: np.ndarray, widths: np.ndarray | float) -> np.ndarray:
    """The outline of a band along a line (n, 2), `widths` across at its points (n,)."""
    along = np.gradient(line, axis=0)
    along /= np.sqrt((along**2).sum(axis=1, keepdims=True)) + 1e-9
    side = np.stack([-along[:, 1], along[:, 0]], axis=1) * (np.broadcast_to(widths, len(line)) / 2)[:, None]
    outline: np.ndarray = np.concatenate([line + side, (line - side)[::-1]])
    return outline
