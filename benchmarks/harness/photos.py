"""Generated photos of any size, by the thousand: subjects with a texture, colours and a shape of their own, anywhere.

Textures have the spectrum of natural images, so that JPEG files are about as large as those of cameras.
"""

import colorsys
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageOps

TEXTURES = 10  # slopes and directions of the spectrum
HUES = 5
SHAPES = (3, 4, 6, 40)  # corners; the last one looks round
SUBJECTS = TEXTURES * HUES * len(SHAPES)
TILE = 2560  # pixels: a side of a texture, larger than those of photos
QUALITY = 90  # of JPEG files

Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]


@cache
def texture(number: int) -> Image.Image:
    """A grey texture, TILE pixels a side: noise whose spectrum falls with frequency, more quickly in one direction."""
    rng = np.random.default_rng([1, number])
    angle, slope = np.pi * number / TEXTURES, 1.15 + 0.05 * (number % 4)
    down, across = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]
    along, beside = across * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - across * np.sin(angle)
    frequency = np.hypot(along, 2.5 * beside)
    frequency[0, 0] = np.inf
    values = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((TILE, TILE))) / frequency**slope, (TILE, TILE))
    return Image.fromarray((128 + 50 * values / values.std()).clip(0, 255).astype(np.uint8))


def photo(subject: int, number: int, size: tuple[int, int]) -> tuple[Image.Image, Box]:
    """Photo `number` of a subject, from 0 to SUBJECTS - 1, and the box around the subject.

    Place, size, turn, light, the exact colours and all of the background vary, as they do not depend on the subject.
    """
    rng = np.random.default_rng([2, subject, number])
    kind, corners = subject % TEXTURES, SHAPES[subject // (TEXTURES * HUES)]
    hue = subject // TEXTURES % HUES / HUES
    background = _surface(rng, int(rng.integers(TEXTURES)), rng.random(), size)
    foreground = _surface(rng, kind, hue + rng.normal(0, 0.03), size)
    outline = _outline(rng, corners, size)
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    box = mask.getbbox()
    assert box is not None  # as the outline is around the middle of the photo
    return Image.composite(foreground, background, mask), box


def _surface(rng: np.random.Generator, kind: int, hue: float, size: tuple[int, int]) -> Image.Image:
    """Some part of a texture, from dark to bright in colours around a hue."""
    zoom = rng.uniform(0.8, 1.25)
    width, height = (min(round(length * zoom), TILE) for length in size)
    left, top = (int(rng.integers(TILE - length + 1)) for length in (width, height))
    part = texture(kind).resize(size, Image.Resampling.BILINEAR, (left, top, left + width, top + height))
    light = rng.uniform(0.75, 1.0)
    dark, bright = _colour(hue, 0.7, 0.15 * light), _colour(hue + rng.normal(0, 0.05), 0.3, light)
    return ImageOps.colorize(part, dark, bright, _colour(hue, rng.uniform(0.35, 0.65), 0.55 * light))


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue


def _outline(rng: np.random.Generator, corners: int, size: tuple[int, int]) -> list[tuple[float, float]]:
    """A polygon, turned by any angle and longer than wide, around a place near the middle."""
    width, height = size
    x, y = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.65)
    radius, flatness, turn = min(size) * rng.uniform(0.3, 0.48), rng.uniform(0.55, 1.0), rng.uniform(0, 2 * np.pi)
    angles = 2 * np.pi * np.arange(corners) / corners
    along, beside = radius * np.cos(angles), radius * flatness * np.sin(angles)
    across, down = along * np.cos(turn) - beside * np.sin(turn), along * np.sin(turn) + beside * np.cos(turn)
    return [(x + float(dx), y + float(dy)) for dx, dy in zip(across, down, strict=True)]
