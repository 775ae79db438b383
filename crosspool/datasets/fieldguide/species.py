"""The species of the guide, as data: only this module says what each looks like."""

from dataclasses import dataclass
from typing import Literal

from crosspool.errors import DatasetError

Colour = tuple[int, int, int]
BillShape = Literal["needle", "curved", "cone"]
CrownShape = Literal["plain", "cap", "crest"]
TailShape = Literal["square", "notched", "forked"]

PARTS = ("bill", "crown", "eye_ring", "wing_bar", "tail", "breast")

DARK: Colour = (48, 45, 48)
BLACK: Colour = (34, 31, 33)
ORANGE: Colour = (229, 118, 34)
HORN: Colour = (214, 194, 160)
CHESTNUT: Colour = (122, 56, 36)
RUFOUS: Colour = (178, 84, 36)
GOLD: Colour = (236, 186, 38)
WHITE: Colour = (242, 240, 232)


@dataclass(frozen=True)
class Bill:
    shape: BillShape
    colour: Colour


@dataclass(frozen=True)
class Crown:
    """The top of the head; a plain crown has the colour of the head."""

    shape: CrownShape = "plain"
    colour: Colour | None = None


@dataclass(frozen=True)
class Tail:
    """The tail; without a tip colour it has the colour of the wing."""

    shape: TailShape
    tip: Colour | None = None


@dataclass(frozen=True)
class Species:
    """A species, which is described completely by its parts.

    An `eye_ring` or `breast` of None is absent: the bird has the colour of its head or breast there.
    `wing_bar` counts the bars across the wing, which are white.
    """

    name: str
    bill: Bill
    crown: Crown
    eye_ring: Colour | None
    wing_bar: int
    tail: Tail
    breast: Colour | None

    @property
    def slug(self) -> str:
        """The name as a folder's name: "Bar-winged Fernling" becomes "bar-winged-fernling"."""
        return self.name.lower().replace(" ", "-")


_NEEDLE, _ORANGE_NEEDLE, _CURVED = Bill("needle", DARK), Bill("needle", ORANGE), Bill("curved", DARK)
_CONE, _PALE_CONE = Bill("cone", ORANGE), Bill("cone", HORN)
_PLAIN, _SOOTY, _GOLDEN, _CREST = Crown(), Crown("cap", BLACK), Crown("cap", GOLD), Crown("crest", BLACK)
_SQUARE, _WHITE_TIP = Tail("square"), Tail("square", WHITE)
_NOTCHED, _FORKED = Tail("notched"), Tail("forked")

# Three of each kind: relatives differ in one part, or in two where they differ from the same third one. Every bill,
# crown, ring, bar, tail or breast but a few is shared by several species, across the kinds as well.
SPECIES = (
    Species("Chestnut-crowned Marshlet", _NEEDLE, Crown("cap", CHESTNUT), None, 1, _SQUARE, None),
    Species("Sooty-crowned Marshlet", _NEEDLE, _SOOTY, None, 1, _SQUARE, None),
    Species("Spectacled Marshlet", _NEEDLE, _SOOTY, WHITE, 1, _SQUARE, None),
    Species("Gold-crowned Fernling", _CURVED, _GOLDEN, None, 2, _WHITE_TIP, None),
    Species("Plain-winged Fernling", _CURVED, _GOLDEN, None, 0, _WHITE_TIP, None),
    Species("Dusky-tailed Fernling", _CURVED, _GOLDEN, None, 2, _SQUARE, None),
    Species("Black-banded Copsefinch", _CONE, _PLAIN, None, 1, _NOTCHED, BLACK),
    Species("Pale-billed Copsefinch", _PALE_CONE, _PLAIN, None, 1, _NOTCHED, BLACK),
    Species("Rusty-banded Copsefinch", _CONE, _PLAIN, None, 1, _NOTCHED, RUFOUS),
    Species("Black-crested Dunewit", _ORANGE_NEEDLE, _CREST, None, 2, _NOTCHED, None),
    Species("Gold-ringed Dunewit", _ORANGE_NEEDLE, _CREST, GOLD, 2, _NOTCHED, None),
    Species("Fork-tailed Dunewit", _ORANGE_NEEDLE, _CREST, None, 2, _FORKED, None),
)


def differing_parts(species: Species, other: Species) -> tuple[str, ...]:
    """The parts that tell two species apart, in the order of PARTS."""
    return tuple(part for part in PARTS if getattr(species, part) != getattr(other, part))


def relatives_of(species: Species) -> list[Species]:
    """The species of the guide that differ from this one in the fewest parts.

    Raises:
        DatasetError: the species is not one of SPECIES.
    """
    if species not in SPECIES:
        raise DatasetError(f"{species.name} is not a species of this guide.")
    counts = {other: len(differing_parts(species, other)) for other in SPECIES if other != species}
    return [other for other, count in counts.items() if count == min(counts.values())]


def defining_parts(species: Species) -> tuple[str, ...]:
    """The parts that tell a species of the guide from its nearest relatives.

    Raises:
        DatasetError: the species is not one of SPECIES.
    """
    parts = {part for relative in relatives_of(species) for part in differing_parts(species, relative)}
    return tuple(part for part in PARTS if part in parts)
