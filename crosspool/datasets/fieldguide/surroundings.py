"""The surroundings of the bird: the background out of focus, clutter, its perch, and what hides some of it.

Clutter has the shapes and colours of the parts on purpose, whatever the species: a berry is as orange as a bill.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from crosspool.datasets.fieldguide.anatomy import posed
from crosspool.datasets.fieldguide.canvas import Canvas, curve, ellipse, ribbon, shifted
from crosspool.datasets.fieldguide.scene import Place, Scene, jittered
from crosspool.datasets.fieldguide.species import BLACK, CHESTNUT, DARK, GOLD, HORN, ORANGE, RUFOUS, WHITE, Colour

LEAVES: tuple[Colour, ...] = (
    (88, 116, 54), (118, 140, 66), (70, 96, 52), (142, 148, 74), (172, 138, 60), (150, 92, 48),
)  # fmt: skip
TWIGS: tuple[Colour, ...] = ((98, 78, 60), (120, 104, 88), (74, 62, 54), (136, 110, 80))
PART_COLOURS: tuple[Colour, ...] = (BLACK, CHESTNUT, DARK, GOLD, HORN, ORANGE, RUFOUS, WHITE)

# The top and the bottom of each place, and what is scattered over it out of focus.
GROUNDS: dict[Place, tuple[tuple[Colour, Colour], tuple[Colour, ...]]] = {
    "sky": (((142, 178, 212), (206, 220, 228)), ((232, 236, 238), (216, 226, 234), (176, 200, 222))),
    "foliage": (((118, 146, 92), (74, 102, 60)), ((92, 124, 62), (150, 170, 98), (64, 88, 54), (188, 196, 128))),
    "water": (((128, 156, 170), (84, 116, 132)), ((150, 178, 190), (70, 102, 116), (178, 196, 200))),
    "grass": (((178, 182, 128), (118, 132, 72)), ((140, 150, 80), (196, 188, 126), (96, 116, 62))),
    "wood": (((120, 108, 92), (84, 76, 66)), ((98, 84, 70), (146, 132, 110), (70, 70, 58), (126, 134, 92))),
    "scree": (((176, 170, 160), (138, 130, 120)), ((156, 148, 138), (196, 190, 180), (118, 112, 104))),
}


def background(scene: Scene, side: int) -> Image.Image:
    """The place out of focus, drawn at a quarter of the size."""
    rng = scene.stream("background")
    small = max(32, side // 4)
    (top, bottom), scattered = GROUNDS[scene.place]
    ends = np.array([jittered(rng, top, 16), jittered(rng, bottom, 16)], dtype=np.float32)
    share = (np.arange(small, dtype=np.float32) / np.float32(small))[:, None, None]
    gradient = ends[0] * (1 - share) + ends[1] * share  # (small, 1, 3)
    image = Image.fromarray(np.repeat(gradient.astype(np.uint8), small, axis=1))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(18, 60))):
        _SCATTER[scene.place](draw, rng, small, jittered(rng, scattered[rng.integers(len(scattered))], 14))
    for _ in range(int(rng.integers(0, 7))):
        _blob(draw, rng, small, jittered(rng, PART_COLOURS[rng.integers(len(PART_COLOURS))], 20), 0.012, 0.04)
    blurred = image.filter(ImageFilter.GaussianBlur(small * rng.uniform(0.012, 0.045)))
    return blurred.resize((side, side), Image.Resampling.BICUBIC)


def clutter(canvas: Canvas, scene: Scene) -> None:
    """Twigs, leaves, berries, blossoms and stones behind the bird, nearly in focus."""
    rng = scene.stream("clutter")
    for _ in range(int(rng.integers(0, 4))):
        twig(canvas, rng, rng.random(2), rng.uniform(0.7, 1.7), rng.uniform(0.008, 0.022))
    for _ in range(int(rng.integers(0, 9))):
        colour = LEAVES[rng.integers(len(LEAVES))] if rng.random() < 0.7 else _part_colour(rng)
        leaf(canvas, rng, rng.random(2), rng.uniform(0.05, 0.13), colour)
    for _ in range(int(rng.integers(0, 3))):
        cluster(canvas, rng, rng.random(2), rng.uniform(0.012, 0.026), _part_colour(rng))
    for _ in range(int(rng.integers(0, 3))):
        blade(canvas, rng, rng.random(), rng.uniform(0.3, 0.9))


def perch(canvas: Canvas, scene: Scene) -> None:
    """A branch or a rock that passes under both feet."""
    rng, side = scene.stream("perch"), canvas.side
    bird = posed(scene.pose, side)
    foot = np.mean(bird.feet, axis=0)
    if scene.perch == "rock":
        _rock(canvas, rng, foot, bird.unit)
        return
    slope, bend = rng.uniform(-0.1, 0.1), rng.uniform(-0.02, 0.02)
    thick = rng.uniform(0.1, 0.17) * bird.unit
    xs = np.linspace(-0.1, 1.1, 9) * side
    wobble = rng.uniform(-0.1, 0.1, 9) * thick
    off = (xs - foot[0]) / side
    line = curve(np.stack([xs, foot[1] + thick / 2 + side * off * (slope + bend * off) + wobble], axis=1), closed=False)
    widths = thick * (1 + 0.25 * np.linspace(-1, 1, len(line)) * (1 if rng.random() < 0.5 else -1))
    _wood(canvas, rng, line, widths, jittered(rng, TWIGS[rng.integers(len(TWIGS))], 14))
    for _ in range(int(rng.integers(0, 4))):
        start = line[rng.integers(len(line))] / side
        leaf(canvas, rng, start, rng.uniform(0.06, 0.12), LEAVES[rng.integers(len(LEAVES))])


def occluder(canvas: Canvas, scene: Scene) -> None:
    """A twig, leaf or blade of grass in front of the bird, too slim or too low to hide a part completely.

    A leaf may hide one of the two wing bars.
    """
    if scene.occluder == "none":
        return
    rng, side = scene.stream("occluder"), canvas.side
    bird = posed(scene.pose, side)
    if scene.occluder == "leaf":
        at = np.array(bird.body.point(rng.uniform(-0.5, 0.2), rng.uniform(0.0, 0.35))) / side
        leaf(canvas, rng, at, rng.uniform(0.3, 0.45) * bird.unit / side, LEAVES[rng.integers(len(LEAVES))])
        return
    at = np.array(bird.body.point(rng.uniform(-0.8, 0.7), rng.uniform(-0.3, 0.2))) / side
    if scene.occluder == "twig":
        twig(canvas, rng, at, rng.uniform(1.0, 1.8), rng.uniform(0.03, 0.055) * bird.unit / side)
    else:
        blade(canvas, rng, float(at[0]), rng.uniform(0.8, 1.0))


# --- single things; places and lengths are over the side of the image


def twig(canvas: Canvas, rng: np.random.Generator, middle: np.ndarray, length: float, width: float) -> None:
    angle = rng.uniform(0, 2 * np.pi)
    way = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    knots = [middle + way * at + rng.uniform(-0.03, 0.03, 2) * abs(at) for at in (-1, -0.5, 0, 0.5, 1)]
    line = curve(np.array(knots) * canvas.side, closed=False)
    widths = np.linspace(1.2, 0.7, len(line)) * width * canvas.side
    _wood(canvas, rng, line, widths, jittered(rng, TWIGS[rng.integers(len(TWIGS))], 16))


def leaf(canvas: Canvas, rng: np.random.Generator, base: np.ndarray, length: float, colour: Colour) -> None:
    """A pointed leaf with a midrib, one half in the shade."""
    angle, slim = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.32)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]]) * length * canvas.side
    half = [(0.0, 0.0), (0.25, slim * 0.8), (0.5, slim), (0.78, slim * 0.55), (1.0, 0.0)]
    edge = curve(half, closed=False, steps=5)
    origin, light = base * canvas.side, np.array(jittered(rng, colour, 16), dtype=np.float32)
    whole = canvas.shape(_turned(np.concatenate([edge, (edge * (1, -1))[::-1]]), turn) + origin)
    canvas.paint(whole, light)
    canvas.paint(canvas.shape(_turned(edge, turn) + origin).within(whole), light * np.float32(0.78))
    veins = [[(0.0, 0.0), (0.98, 0.0)]]
    veins += [[(x, 0.0), (x + 0.16, sign * slim * 0.62)] for x in (0.2, 0.42, 0.62) for sign in (-1, 1)]
    lines = _turned(np.array(veins), turn) + origin
    canvas.paint(canvas.strokes(lines, 0.02 * length * canvas.side + 0.3).within(whole), light * 0.5 + 120, 0.55)


def cluster(canvas: Canvas, rng: np.random.Generator, middle: np.ndarray, radius: float, colour: Colour) -> None:
    """A few berries or blossoms."""
    for offset in rng.uniform(-2.4, 2.4, (int(rng.integers(2, 6)), 2)) * radius:
        x, y = ((middle + offset) * canvas.side).tolist()
        r = radius * canvas.side
        tone = np.array(jittered(rng, colour, 14), dtype=np.float32)
        canvas.paint(canvas.shape(ellipse((x, y), (r, r), 18)), tone * np.float32(0.82))
        canvas.paint(canvas.shape(ellipse((x - 0.15 * r, y - 0.2 * r), (0.72 * r, 0.7 * r), 16)), tone)
        canvas.paint(canvas.shape(ellipse((x - 0.3 * r, y - 0.4 * r), (0.2 * r, 0.2 * r), 10)), (255, 252, 244), 0.6)


def blade(canvas: Canvas, rng: np.random.Generator, x: float, height: float) -> None:
    """A blade of grass that rises from the lower border."""
    lean, bow = rng.uniform(-0.2, 0.2), rng.uniform(-0.08, 0.08)
    knots = [(x - lean * (0.5 - at) + bow * at * at, 1.02 - at * height) for at in (0.0, 0.35, 0.7, 1.0)]
    line = curve(np.array(knots) * canvas.side, closed=False)
    width = rng.uniform(0.012, 0.02) * canvas.side
    tone = np.array(jittered(rng, LEAVES[rng.integers(4)], 18), dtype=np.float32)
    canvas.paint(canvas.shape(ribbon(line, width * np.linspace(1.0, 0.12, len(line)))), tone)
    half = ribbon(shifted(line, width * 0.22, 0.0), width * np.linspace(0.45, 0.05, len(line)))
    canvas.paint(canvas.shape(half), tone * np.float32(0.8), 0.8)


def _rock(canvas: Canvas, rng: np.random.Generator, foot: np.ndarray, unit: float) -> None:
    left, right = rng.uniform(0.7, 1.5, 2) * unit
    deep = rng.uniform(0.4, 0.8) * unit
    knots = [(-left, deep), (-left * 0.8, deep * 0.5), (-0.5 * left, deep * 0.16), (-0.15 * unit, 0.0),
             (0.12 * unit, 0.0), (0.5 * right, deep * 0.2), (right * 0.85, deep * 0.6), (right, deep)]  # fmt: skip
    top = curve(np.array(knots) + foot, closed=False)
    ground = canvas.side * 1.02
    outline = np.concatenate([top, [(top[-1][0] + 0.1 * unit, ground), (top[0][0] - 0.1 * unit, ground)]])
    tone = np.array(jittered(rng, (142, 136, 128), 22), dtype=np.float32)
    rock = canvas.shape(outline)
    _, y = rock.grid()
    shade = (np.float32(1.08) - (y - np.float32(foot[1])).clip(0, None) * np.float32(0.55 / unit)).clip(0.5, 1.1)
    canvas.paint(rock, tone * np.broadcast_to(shade[..., None], (rock.cover.height, rock.cover.width, 1)))
    for _ in range(14):
        x, down, radius = rng.uniform(-left, right), rng.uniform(0.02, 1.2) * deep, rng.uniform(0.02, 0.07) * unit
        spot = canvas.shape(ellipse((foot[0] + x, foot[1] + down), (radius, radius * 0.5), 12)).within(rock)
        canvas.paint(spot, tone * np.float32(rng.uniform(0.6, 1.3)), 0.4)


def _wood(canvas: Canvas, rng: np.random.Generator, line: np.ndarray, widths: np.ndarray, colour: Colour) -> None:
    """A branch along a line in pixels, lit from above, with some bark."""
    tone = np.array(colour, dtype=np.float32)
    whole = canvas.shape(ribbon(line, widths))
    canvas.paint(whole, tone)
    thick = float(widths.mean())
    if thick < 0.03 * canvas.side:
        canvas.paint(canvas.shape(ribbon(shifted(line, 0.0, -0.2 * thick), widths * 0.45)), tone * 0.8 + 50, 0.6)
        return
    canvas.paint(canvas.shape(ribbon(shifted(line, 0.0, 0.3 * thick), widths * 0.45)).within(whole), tone * 0.6, 0.75)
    upper = ribbon(shifted(line, 0.0, -0.3 * thick), widths * 0.3)
    canvas.paint(canvas.shape(upper).within(whole), tone * 0.7 + 80, 0.5)
    at = rng.integers(0, len(line) - 4, 26)
    off = rng.uniform(-0.42, 0.42, 26) * thick
    bark = np.stack([shifted(line[i : i + 4], 0.0, shift) for i, shift in zip(at.tolist(), off.tolist(), strict=True)])
    canvas.paint(canvas.strokes(bark, 0.0022 * canvas.side).within(whole), tone * 0.45, 0.4)


def _turned(points: np.ndarray, turn: np.ndarray) -> np.ndarray:
    x, y = points[..., :1], points[..., 1:]
    turned: np.ndarray = x * turn[0] + y * turn[1]
    return turned


def _part_colour(rng: np.random.Generator) -> Colour:
    return PART_COLOURS[rng.integers(len(PART_COLOURS))]


# --- what is scattered over the background, before it is blurred; sizes in its own pixels


def _blob(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    side: int,
    colour: Colour,
    low: float = 0.03,
    high: float = 0.14,
) -> None:
    (x, y), (a, b) = rng.random(2) * side, rng.uniform(low, high, 2) * side
    draw.ellipse([x - a, y - b, x + a, y + b], fill=colour)


def _ripple(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, colour: Colour) -> None:
    (x, y), a, b = rng.random(2) * side, rng.uniform(0.1, 0.4) * side, rng.uniform(0.004, 0.02) * side
    draw.ellipse([x - a, y - b, x + a, y + b], fill=colour)


def _stalk(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, colour: Colour) -> None:
    x, lean, height = rng.random() * side, rng.uniform(-0.2, 0.2) * side, rng.uniform(0.3, 1.0) * side
    draw.line([(x, side), (x + lean, side - height)], fill=colour, width=max(1, round(rng.uniform(0.008, 0.03) * side)))


def _trunk(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, colour: Colour) -> None:
    if rng.random() < 0.6:
        _blob(draw, rng, side, colour, 0.02, 0.1)
        return
    x, lean = rng.random() * side, rng.uniform(-0.15, 0.15) * side
    draw.line([(x, side), (x + lean, 0)], fill=colour, width=max(1, round(rng.uniform(0.02, 0.09) * side)))


_Scatter = Callable[[ImageDraw.ImageDraw, np.random.Generator, int, Colour], None]
_SCATTER: dict[Place, _Scatter] = {
    "sky": _blob, "foliage": _blob, "water": _ripple, "grass": _stalk, "wood": _trunk, "scree": _blob,
}  # fmt: skip
