"""FieldGuide: a generated set of birds whose species differ in a few small parts, with the mask of every part."""

from crosspool.datasets.fieldguide.guide import (
    MASKS,
    MAX_PER_CLASS,
    MAX_SIDE,
    MIN_SIDE,
    Drawing,
    draw,
    fieldguide,
    image_and_masks,
    scene_of,
)
from crosspool.datasets.fieldguide.scene import Scene, random_scene
from crosspool.datasets.fieldguide.species import (
    DEFINING_PARTS,
    PARTS,
    SPECIES,
    Species,
    defining_parts,
    differing_parts,
)

__all__ = [
    "DEFINING_PARTS",
    "MASKS",
    "MAX_PER_CLASS",
    "MAX_SIDE",
    "MIN_SIDE",
    "PARTS",
    "SPECIES",
    "Drawing",
    "Scene",
    "Species",
    "defining_parts",
    "differing_parts",
    "draw",
    "fieldguide",
    "image_and_masks",
    "random_scene",
    "scene_of",
]
