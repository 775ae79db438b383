"""Paint a bird: its species decides the parts, its scene everything else."""

from functools import cache

import numpy as np

from crosspool.datasets.fieldguide import anatomy
from crosspool.datasets.fieldguide.anatomy import BODY_RADII, HEAD_RADII, Bird, Frame, smooth
from crosspool.datasets.fieldguide.canvas import Canvas, Patch, curve, ellipse, ribbon, shifted
from crosspool.datasets.fieldguide.scene import Scene
from crosspool.datasets.fieldguide.species import WHITE, Colour, Species

WHOLE = "body"
PLUME = ((0.0, 0.0), (-0.03, 0.006), (-0.055, 0.02))


class BirdPainter:
    """Paints one bird on a canvas, from the tail to the eye, and marks its parts there.

    What it draws at random comes from the scene's own stream and in an order that no species changes.
    """

    def __init__(self, canvas: Canvas, species: Species, scene: Scene) -> None:
        self.canvas, self.species, self.scene = canvas, species, scene
        self.bird: Bird = anatomy.posed(scene.pose, canvas.side)
        self.unit = self.bird.unit
        self.upper = np.array(scene.coat.upper, dtype=np.float32)
        self.under = np.array(scene.coat.under, dtype=np.float32)
        self.wing = self.upper * np.float32(scene.coat.wing)
        self.rng = scene.stream("plumage")

    def paint(self) -> None:
        self._tail()
        self._legs()
        body = self._body()
        self._breast(body)
        self._bill()
        head = self._head()
        self._crown(head)
        self._eye()
        self._wing()

    # --- parts

    def _tail(self) -> None:
        frame, tail = self.bird.tail, self.species.tail
        whole = self.canvas.shape(frame.place(anatomy.tail_outline(tail.shape)))
        self._cover(whole, self.wing * self._shading(whole, self.bird.body, BODY_RADII), part="tail")
        if tail.tip is not None:
            tip = self.canvas.shape(
                frame.place([(anatomy.TAIL_TIP, -0.3), (0.8, -0.3), (0.8, 0.3), (anatomy.TAIL_TIP, 0.3)])
            )
            self._cover(tip.within(whole), self._tinted(tail.tip), part="tail")
        feathers = np.array([[(0.0, 0.004 * number), (0.62, 0.035 * number)] for number in range(-3, 4)])
        self.canvas.paint(
            self.canvas.strokes(frame.place(feathers), 0.009 * self.unit).within(whole), (24, 20, 18), 0.45
        )

    def _breast(self, body: Patch) -> None:
        band = self.canvas.shape(smooth(self.bird.body, anatomy.BREAST)).within(body)
        self._part("breast", band, self.species.breast, self._shading(band, self.bird.body, BODY_RADII))

    def _bill(self) -> None:
        bill = self.species.bill
        halves = [smooth(self.bird.head, points) for points in anatomy.BILLS[bill.shape]]
        both = self.canvas.shape(*halves)
        colour = self._tinted(bill.colour)
        self._cover(both, colour * np.float32(0.74), part="bill")
        self._cover(self.canvas.shape(halves[0]), colour, part="bill")
        ridge = self.bird.head.place(shifted(curve(anatomy.BILLS[bill.shape][0][:3], closed=False), 0.0, 0.012))
        shine = self.canvas.strokes(ridge[None], 0.014 * self.unit).within(both)
        self.canvas.paint(shine, (255, 250, 240), 0.28)

    def _crown(self, head: Patch) -> None:
        crown = self.species.crown
        cap = self.canvas.shape(smooth(self.bird.head, anatomy.CAP)).within(head)
        self._part("crown", cap, crown.colour, self._shading(cap, self.bird.head, HEAD_RADII))
        if crown.shape == "crest" and crown.colour is not None:
            crest = self.canvas.shape(self.bird.head.place(anatomy.CREST))
            self._part("crown", crest, crown.colour, self._shading(crest, self.bird.head, HEAD_RADII))

    def _eye(self) -> None:
        head = self.bird.head
        ring = self.canvas.shape(head.place(ellipse(anatomy.EYE, (anatomy.RING_RADIUS, anatomy.RING_RADIUS * 0.94))))
        self._part("eye_ring", ring, self.species.eye_ring)
        eye = self.canvas.shape(head.place(ellipse(anatomy.EYE, (anatomy.EYE_RADIUS, anatomy.EYE_RADIUS))))
        self._cover(eye, np.array((26, 20, 18)))
        glint = self.canvas.shape(
            head.place(ellipse((anatomy.EYE[0] + 0.01, anatomy.EYE[1] - 0.012), (0.009, 0.009), 10))
        )
        self.canvas.paint(glint, (250, 250, 250), 0.9)

    def _bars(self, wing: Patch) -> None:
        widths = anatomy.BAR_WIDTH * self.unit
        for number, line in enumerate(anatomy.BARS):
            bar = self.canvas.shape(ribbon(smooth(self.bird.body, line, closed=False), widths)).within(wing)
            colour = WHITE if number < self.species.wing_bar else None
            self._part("wing_bar", bar, colour, self._shading(bar, self.bird.body, BODY_RADII))

    # --- what all species share

    def _legs(self) -> None:
        for hip, (x, y) in zip(anatomy.HIPS, self.bird.feet, strict=True):
            toes = [(x + self.scene.pose.facing * reach * self.unit, y + 0.02 * self.unit) for reach in (0.075, -0.05)]
            top, ankle = self.bird.body.point(*hip), (x, y - 0.01 * self.unit)
            lines = np.array([(top, ankle, ankle), (toes[0], ankle, toes[1])])
            self._cover(self.canvas.strokes(lines, 0.026 * self.unit), np.array(self.scene.coat.legs))

    def _body(self) -> Patch:
        body = self.canvas.shape(smooth(self.bird.body, anatomy.BODY))
        coat = self._coat(body, self.bird.body, -0.1, 0.12)
        self._cover(body, coat * self._shading(body, self.bird.body, BODY_RADII))
        self._plumes(body, self.bird.body, (0.5, 0.28), 100)
        return body

    def _head(self) -> Patch:
        frame = self.bird.head
        head = self.canvas.shape(frame.place(ellipse((0.0, 0.0), HEAD_RADII, 40)))
        self._cover(head, self._coat(head, frame, 0.02, 0.19) * self._shading(head, frame, HEAD_RADII))
        cheek = self.canvas.shape(smooth(frame, anatomy.CHEEK))
        self.canvas.paint(cheek.within(head), self.upper * np.float32(0.85), 0.4)
        self._plumes(head, frame, (0.2, 0.18), 45)
        return head

    def _wing(self) -> None:
        frame = self.bird.body
        wing = self.canvas.shape(smooth(frame, anatomy.WING))
        shading = self._shading(wing, frame, BODY_RADII)
        self._cover(wing, self.wing * shading)
        long, short = _wing_feathers()
        edges = self.canvas.strokes(frame.place(long), 0.011 * self.unit)
        self.canvas.paint(edges.within(wing), self.under, 0.32)
        shades = self.canvas.strokes(frame.place(shifted(long, 0.0, 0.014)), 0.016 * self.unit)
        self.canvas.paint(shades.within(wing), (20, 16, 14), 0.3)
        scales = self.canvas.strokes(frame.place(short), 0.009 * self.unit)
        self.canvas.paint(scales.within(wing), (20, 16, 14), 0.32)
        self._bars(wing)
        rim = self.canvas.strokes(smooth(frame, anatomy.WING[4:])[None], 0.014 * self.unit)
        self.canvas.paint(rim.within(wing), (20, 16, 14), 0.3)

    def _plumes(self, patch: Patch, frame: Frame, radii: tuple[float, float], count: int) -> None:
        """Short strokes along the feathers, dark and light."""
        starts = self.rng.uniform(-1, 1, (2, count, 1, 2)) * radii
        strokes = starts + np.array(PLUME)  # (2, count, 3, 2)
        for tone, lines in zip(((30, 24, 20), (255, 250, 238)), strokes, strict=True):
            self.canvas.paint(self.canvas.strokes(frame.place(lines), 0.008 * self.unit).within(patch), tone, 0.2)

    # --- colour and light

    def _coat(self, patch: Patch, frame: Frame, top: float, bottom: float) -> np.ndarray:
        """The upper side's colour above `top`, the under side's below `bottom`, (h, w, 3)."""
        _, y = frame.coordinates(*patch.grid())
        share = ((y - np.float32(top)) / np.float32(bottom - top)).clip(0, 1)[..., None]
        share = share * share * (np.float32(3) - np.float32(2) * share)
        colour: np.ndarray = self.upper * (1 - share) + self.under * share
        return colour

    def _shading(self, patch: Patch, frame: Frame, radii: tuple[float, float]) -> np.ndarray:
        """The brightness of an ellipsoid in the scene's light, (h, w, 1), whatever is painted on it."""
        light = self.scene.light
        x, y = frame.coordinates(*patch.grid())
        x, y = x / np.float32(radii[0]), y / np.float32(radii[1])
        depth = np.sqrt((1 - x * x - y * y).clip(0, 1))
        # The light's direction in the frame's own axes, which may be mirrored.
        lx, ly = frame.axes @ np.array(light.direction) / self.unit
        lambert = (x * np.float32(lx * 0.75) + y * np.float32(ly * 0.75) + depth * np.float32(0.66)).clip(-1, 1)
        shade: np.ndarray = (1 - np.float32(light.strength) * (1 - lambert) + np.float32(0.1))[..., None]
        return shade

    def _tinted(self, colour: Colour) -> np.ndarray:
        return np.array(colour, dtype=np.float32) * np.float32(self.scene.coat.part)

    # --- painting and marking

    def _part(self, name: str, patch: Patch, colour: Colour | None, shading: np.ndarray | None = None) -> None:
        """Paint a part, or only mark where it would be."""
        if colour is not None:
            tinted = self._tinted(colour)
            self._cover(patch, tinted if shading is None else tinted * shading)
        self.canvas.mark(name, patch)

    def _cover(self, patch: Patch, colour: np.ndarray, part: str | None = None) -> None:
        self.canvas.paint(patch, colour)
        self.canvas.mark(WHOLE, patch)
        if part is not None:
            self.canvas.mark(part, patch)


@cache
def _wing_feathers() -> tuple[np.ndarray, np.ndarray]:
    """The edges of the wing's long feathers, and its small ones, in bird coordinates: (lines, points, 2) each."""
    long = [curve([(0.02, y), (-0.25, y * 0.75 + 0.02), (-0.64, 0.05 + y * 0.1)], closed=False) for y in _spread(9)]
    tips = [(0.2 - 0.055 * column, y) for column in range(5) for y in _spread(6 if column % 2 else 5)]
    short = [curve([(x, y - 0.025), (x - 0.045, y), (x, y + 0.025)], closed=False, steps=3) for x, y in tips]
    return np.stack(long), np.stack(short)


def _spread(count: int) -> list[float]:
    """Heights across the wing."""
    return [-0.17 + 0.3 * (number + 0.5) / count for number in range(count)]
