"""The outlines of a bird, and how its pose carries them into the image.

Bird coordinates: the body is about 1 long, x grows towards the bill and y downwards. Those of the head have their
origin at its centre, those of the tail at its base with x towards the tip.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crosspool.datasets.dataset import WHOLE
from crosspool.datasets.fieldguide.canvas import curve, ellipse
from crosspool.datasets.fieldguide.scene import Pose
from crosspool.datasets.fieldguide.species import BillShape, Species, TailShape
from crosspool.framing import Rectangle

Points = Sequence[tuple[float, float]]

HEAD = (0.36, -0.25)
HEAD_RADII = (0.215, 0.195)
BODY_RADII = (0.52, 0.29)
TAIL = (-0.42, 0.0)
EYE = (0.085, -0.025)
EYE_RADIUS = 0.034
RING_RADIUS = 0.062
HIPS = ((0.02, 0.24), (-0.1, 0.23))
LEG_LENGTH = 0.17
MARGIN = 0.02  # between the bird and the border, over the side

BODY: Points = (
    (0.24, -0.4), (0.08, -0.29), (-0.16, -0.22), (-0.38, -0.12), (-0.54, -0.02), (-0.5, 0.08), (-0.34, 0.2),
    (-0.08, 0.285), (0.18, 0.27), (0.36, 0.17), (0.475, 0.0), (0.53, -0.14), (0.5, -0.3), (0.38, -0.4),
)  # fmt: skip
WING: Points = (
    (0.27, -0.1), (0.17, -0.19), (0.0, -0.205), (-0.24, -0.15), (-0.48, -0.045), (-0.66, 0.06), (-0.5, 0.075),
    (-0.3, 0.13), (-0.08, 0.165), (0.12, 0.13), (0.245, 0.03),
)  # fmt: skip
# Two lines across the wing, where its small feathers end, for the bars.
BARS: tuple[Points, ...] = (
    ((-0.04, -0.23), (0.01, -0.1), (0.0, 0.03), (-0.06, 0.18)),
    ((0.1, -0.23), (0.145, -0.12), (0.14, 0.0), (0.1, 0.16)),
)
BAR_WIDTH = 0.05
BREAST: Points = (
    (0.6, -0.1), (0.47, -0.03), (0.32, 0.0), (0.18, -0.02), (0.16, 0.09), (0.3, 0.125), (0.44, 0.105), (0.6, 0.05),
)  # fmt: skip
CAP: Points = (
    (0.24, -0.075), (0.13, -0.085), (0.05, -0.105), (-0.06, -0.085), (-0.16, -0.01), (-0.26, 0.07), (-0.3, -0.2),
    (0.0, -0.3), (0.24, -0.2),
)  # fmt: skip
CREST: Points = (
    (0.14, -0.15), (0.06, -0.235), (-0.1, -0.29), (-0.3, -0.33), (-0.22, -0.245), (-0.29, -0.2), (-0.18, -0.13),
    (-0.12, -0.08), (0.02, -0.11),
)  # fmt: skip
CHEEK: Points = ((0.13, 0.03), (0.03, 0.015), (-0.1, 0.03), (-0.13, 0.09), (-0.03, 0.14), (0.08, 0.11))

# Upper and lower half.
BILLS: dict[BillShape, tuple[Points, Points]] = {
    "needle": (
        ((0.12, -0.045), (0.22, -0.036), (0.3, -0.018), (0.41, 0.016), (0.3, 0.012), (0.12, 0.012)),
        ((0.12, 0.012), (0.3, 0.012), (0.4, 0.017), (0.3, 0.032), (0.22, 0.042), (0.12, 0.05)),
    ),
    "curved": (
        ((0.12, -0.05), (0.24, -0.045), (0.36, -0.01), (0.45, 0.06), (0.49, 0.14), (0.41, 0.055), (0.3, 0.015),
         (0.12, 0.01)),
        ((0.12, 0.01), (0.3, 0.015), (0.41, 0.055), (0.48, 0.13), (0.4, 0.075), (0.3, 0.043), (0.12, 0.05)),
    ),
    "cone": (
        ((0.1, -0.1), (0.2, -0.085), (0.28, -0.05), (0.35, 0.02), (0.25, 0.01), (0.1, 0.022)),
        ((0.1, 0.022), (0.25, 0.01), (0.335, 0.022), (0.27, 0.065), (0.2, 0.085), (0.1, 0.095)),
    ),
}  # fmt: skip
# One half; the other is its mirror image.
TAILS: dict[TailShape, Points] = {
    "square": ((0.0, 0.065), (0.3, 0.095), (0.54, 0.115), (0.56, 0.07), (0.565, 0.0)),
    "notched": ((0.0, 0.065), (0.3, 0.1), (0.57, 0.13), (0.54, 0.06), (0.49, 0.0)),
    "forked": ((0.0, 0.065), (0.3, 0.105), (0.5, 0.15), (0.72, 0.22), (0.52, 0.07), (0.33, 0.0)),
}
TAIL_TIP = 0.4  # where a coloured tip begins

# No part of any species lies outside these, so that a bird's position in the image does not tell its species.
_REACH_OF_HEAD: Points = ((0.5, 0.14), (0.2, 0.0), (0.0, -0.2), (-0.3, -0.33), (0.1, -0.25))
_REACH_OF_TAIL: Points = ((0.72, 0.22), (0.72, -0.22), (0.56, 0.12), (0.56, -0.12))


@dataclass(frozen=True)
class Frame:
    """Carries bird coordinates into the image: pixels = origin + coordinates @ axes."""

    origin: np.ndarray
    axes: np.ndarray
    """(2, 2): the image's x and y for one step along the bird's x (first row) and y."""

    def place(self, points: Points | np.ndarray) -> np.ndarray:
        """(..., 2) bird coordinates to pixels."""
        at = np.asarray(points, dtype=np.float64)
        x, y = at[..., :1], at[..., 1:]
        placed: np.ndarray = self.origin + x * self.axes[0] + y * self.axes[1]
        return placed

    def point(self, x: float, y: float) -> tuple[float, float]:
        px, py = self.place([(x, y)])[0].tolist()
        return px, py

    def turned(self, pivot: tuple[float, float], angle: float, *, backwards: bool = False) -> "Frame":
        """The frame of a limb at `pivot`, turned by `angle` (downwards); `backwards` has its x point to the tail."""
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        (a, b), (c, d) = ((-cos, sin), (-sin, -cos)) if backwards else ((cos, sin), (-sin, cos))
        (e, f), (g, h) = self.axes
        axes = np.array([[a * e + b * g, a * f + b * h], [c * e + d * g, c * f + d * h]])
        return Frame(self.place([pivot])[0], axes)

    def coordinates(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels x (1, w) and y (h, 1) to bird coordinates, each (h, w), float32."""
        (a, b), (c, d) = self.axes
        scale = 1 / (a * d - b * c)
        dx, dy = x - np.float32(self.origin[0]), y - np.float32(self.origin[1])
        along = np.float32(d * scale) * dx - np.float32(c * scale) * dy
        across = np.float32(a * scale) * dy - np.float32(b * scale) * dx
        return along, across


@dataclass(frozen=True)
class Bird:
    """A bird's place in an image of `side` pixels: its frames, the length of its body, and where it stands."""

    body: Frame
    head: Frame
    tail: Frame
    unit: float
    feet: tuple[tuple[float, float], tuple[float, float]]


def posed(pose: Pose, side: int) -> Bird:
    """Put the bird where the pose has it: the largest bird of any species just fits in."""
    unit = pose.unit * side
    cos, sin = float(np.cos(pose.tilt)), -float(np.sin(pose.tilt))
    axes = unit * np.array([[pose.facing * cos, sin], [-pose.facing * sin * pose.depth, cos * pose.depth]])
    at_origin = _limbs(Frame(np.zeros(2), axes), pose, unit)
    head, tail = at_origin.head.place(_REACH_OF_HEAD), at_origin.tail.place(_REACH_OF_TAIL)
    reach = np.concatenate([head, tail, at_origin.body.place(BODY), np.array(at_origin.feet)])
    low, high = reach.min(axis=0), reach.max(axis=0)
    margin = MARGIN * side
    room = np.maximum(side - 2 * margin - (high - low), 0.0)
    origin = margin + np.array([pose.x, pose.y]) * room - low
    return _limbs(Frame(origin, axes), pose, unit)


def _limbs(body: Frame, pose: Pose, unit: float) -> Bird:
    head = body.turned(HEAD, pose.tilt * 0.75 + pose.head)  # birds hold the head level whatever the body does
    tail = body.turned(TAIL, pose.tail, backwards=True)
    (ax, ay), (bx, by) = (body.point(*hip) for hip in HIPS)
    ground = max(ay, by) + LEG_LENGTH * unit
    return Bird(body, head, tail, unit, ((ax, ground), (bx, ground)))


def tail_outline(shape: TailShape) -> np.ndarray:
    """The outline of a tail in its own coordinates, (n, 2)."""
    half = np.array(TAILS[shape])
    return np.concatenate([half, (half * (1, -1))[::-1][1:]])


def smooth(frame: Frame, points: Points, *, closed: bool = True) -> np.ndarray:
    """A smooth outline in pixels through points in bird coordinates."""
    return frame.place(curve(points, closed=closed))


def part_boxes(species: Species, pose: Pose, side: int) -> dict[str, Rectangle]:
    """The boxes of the whole bird, its head with bill and crest, its torso and its tail, in pixels.

    They come from the outlines, without drawing: what a leaf or another part hides is in them, too.
    """
    bird = posed(pose, side)
    crest = CREST if species.crown.shape == "crest" else []
    head = [bird.head.place(ellipse((0.0, 0.0), HEAD_RADII)), bird.head.place(np.reshape(crest, (-1, 2)))]
    parts = {
        "head": np.concatenate([*head, *(smooth(bird.head, half) for half in BILLS[species.bill.shape])]),
        "torso": smooth(bird.body, BODY),
        "tail": bird.tail.place(tail_outline(species.tail.shape)),
    }
    whole = np.concatenate([*parts.values(), np.array(bird.feet)])
    return {name: _around(points) for name, points in {WHOLE: whole, **parts}.items()}


def _around(points: np.ndarray) -> Rectangle:
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom
