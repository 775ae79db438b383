"""Everything about an image that does not depend on the species: drawn at random, without knowing it."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from crosspool.datasets.fieldguide.species import Colour
from crosspool.errors import SettingError

Place = Literal["sky", "foliage", "water", "grass", "wood", "scree"]
Perch = Literal["branch", "rock"]
Occluder = Literal["none", "twig", "leaf", "blade"]
Stream = Literal["background", "clutter", "perch", "plumage", "occluder", "light", "camera"]

# Upper side and under side. None has the colour of a part, so that an absent part differs from a present one.
COATS: tuple[tuple[Colour, Colour], ...] = (
    ((126, 102, 78), (216, 199, 172)),
    ((122, 124, 82), (208, 205, 162)),
    ((130, 132, 134), (214, 214, 210)),
    ((104, 119, 138), (194, 203, 211)),
    ((166, 139, 104), (226, 209, 180)),
    ((112, 117, 106), (198, 198, 184)),
)
LEGS: tuple[Colour, ...] = ((92, 72, 64), (70, 66, 70), (168, 116, 92))


@dataclass(frozen=True)
class Pose:
    """Where the bird is and how it holds itself; angles in radians, lengths over the side of the image."""

    facing: int
    """1: to the right, -1: to the left."""
    tilt: float
    head: float
    tail: float
    unit: float
    """The length of the body."""
    depth: float
    """How deep the body is over how deep it usually is."""
    x: float
    """Where between the left and the right border, from 0 to 1."""
    y: float


@dataclass(frozen=True)
class Coat:
    """The colours of the bird where no part is."""

    upper: Colour
    under: Colour
    legs: Colour
    wing: float
    """The wing's brightness over that of the upper side."""
    part: float
    """The brightness of the parts over that of their colours."""


@dataclass(frozen=True)
class Light:
    direction: tuple[float, float]
    """Where the light comes from in the image: to the right, and down; a unit vector."""
    strength: float
    gains: tuple[float, float, float]
    dapples: float
    """How much darker the shadows of leaves are, from 0 to 1."""


@dataclass(frozen=True)
class Camera:
    blur: float
    """How far each pixel is smeared, over the side."""
    grain: float
    """Standard deviation, in 8-bit values."""
    quality: int
    """Of the JPEG that the image went through."""


@dataclass(frozen=True)
class Scene:
    """The random choices in one image; `stream` gives the same further random numbers each time."""

    seeds: tuple[int, ...]
    pose: Pose
    coat: Coat
    light: Light
    camera: Camera
    place: Place
    perch: Perch
    occluder: Occluder

    def stream(self, purpose: Stream) -> np.random.Generator:
        """A separate source of random numbers for each purpose, so that none shifts the numbers of another."""
        return np.random.default_rng([*self.seeds, 1 + get_args(Stream).index(purpose)])


def random_scene(*seeds: int) -> Scene:
    """The scene of these seeds, one or more. No species is among the arguments.

    Raises:
        SettingError: a seed is not a whole number of at least 0.
    """
    check_seeds(*seeds)
    rng = np.random.default_rng([*seeds, 0])
    return Scene(
        seeds=seeds,
        pose=_pose(rng),
        coat=_coat(rng),
        light=_light(rng),
        camera=Camera(rng.uniform(0.0, 0.0026), rng.uniform(2, 8), int(rng.integers(55, 93))),
        place=get_args(Place)[rng.integers(len(get_args(Place)))],
        perch="branch" if rng.random() < 0.7 else "rock",
        occluder=get_args(Occluder)[rng.integers(len(get_args(Occluder)))],
    )


def check_seeds(*seeds: int) -> None:
    wrong = [seed for seed in seeds if type(seed) is not int or seed < 0]
    if wrong or not seeds:
        raise SettingError(f"A seed is a whole number of at least 0, not {wrong[0] if wrong else None!r}.")


def _pose(rng: np.random.Generator) -> Pose:
    return Pose(
        facing=1 if rng.random() < 0.5 else -1,
        tilt=rng.uniform(0.12, 0.72),
        head=rng.uniform(-0.28, 0.22),
        tail=rng.uniform(-0.22, 0.22),
        unit=rng.uniform(0.34, 0.47),
        depth=rng.uniform(0.94, 1.1),
        x=rng.random(),
        y=rng.random(),
    )


def _coat(rng: np.random.Generator) -> Coat:
    upper, under = COATS[rng.integers(len(COATS))]
    return Coat(
        upper=jittered(rng, upper, 12),
        under=jittered(rng, under, 10),
        legs=LEGS[rng.integers(len(LEGS))],
        wing=rng.uniform(0.62, 0.82),
        part=rng.uniform(0.88, 1.05),
    )


def _light(rng: np.random.Generator) -> Light:
    angle = rng.uniform(-1.1, 1.1)  # from straight above
    warmth, brightness = rng.uniform(-0.09, 0.09), rng.uniform(0.86, 1.14)
    return Light(
        direction=(float(np.sin(angle)), -float(np.cos(angle))),
        strength=rng.uniform(0.25, 0.5),
        gains=(brightness * (1 + warmth), brightness, brightness * (1 - warmth)),
        dapples=max(0.0, rng.uniform(-0.3, 0.4)),
    )


def jittered(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """A colour near `colour`: brighter or darker, and a little off in each channel."""
    shift = rng.uniform(-amount, amount)
    red, green, blue = (
        int(np.clip(value + shift + off, 0, 255))
        for value, off in zip(colour, rng.uniform(-amount / 3, amount / 3, 3), strict=True)
    )
    return red, green, blue
