"""A method: the maps that it needs of an image, and the encoder from these to a vector."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import Normalizer

from crosspool.encoding import Encoder, TernaryQuantizer
from crosspool.errors import SettingError
from crosspool.framing import Framing, Source


@dataclass(frozen=True)
class Part:
    """One representation: its name, its sources, the encoder's steps from them, and its vector's length.

    `averaged` is the map that its source is the mean of over the positions, if there is one. The vector grows by
    `length_per_part` with each annotated part of the object.
    """

    name: str
    sources: tuple[Source, ...]
    steps: tuple[tuple[str, Any], ...]
    length: int
    averaged: Source | None = None
    length_per_part: int = 0

    @property
    def needs_parts(self) -> bool:
        """Whether its encoder learns from boxes of the object's parts."""
        return bool(getattr(self.steps[0][1], "needs_parts", False))

    def with_parts(self, names: Sequence[str]) -> "Part":
        """The same for objects with these annotated parts."""
        if not self.needs_parts:
            return self
        (place, step), *rest = self.steps
        steps = ((place, clone(step).set_params(parts=tuple(names))), *rest)
        return replace(self, steps=steps, length=self.length + self.length_per_part * len(names), length_per_part=0)


@dataclass(frozen=True)
class Method:
    """A representation by name: the sources that it needs of an image, and how they become a vector."""

    name: str
    parts: tuple[Part, ...]
    quantizer: TernaryQuantizer | None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources to compute for each image."""
        return tuple(sorted({source for part in self.parts for source in part.sources}))

    @property
    def sources_to_explain(self) -> tuple[Source, ...]:
        """The same, with the maps that show where in the image an averaged activation comes from."""
        return tuple(sorted({*self.sources, *(part.averaged for part in self.parts if part.averaged is not None)}))

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of the networks that it needs beside the one that it is used on."""
        return tuple(sorted({source.network for source in self.sources} - {""}))

    @property
    def length(self) -> int:
        """The number of values in a vector, packed or not."""
        return sum(part.length for part in self.parts)

    @property
    def framing(self) -> Framing:
        """How images become square, the same for all parts."""
        return self.sources[0].framing

    @property
    def learns(self) -> bool:
        """Whether the encoder depends on the training images (principal components, codebooks)."""
        return any(getattr(part.steps[0][1], "learns", False) for part in self.parts)

    @property
    def needs_parts(self) -> bool:
        """Whether the encoder learns from boxes of the object's parts, which few data sets have."""
        return any(part.needs_parts for part in self.parts)

    def with_parts(self, names: Sequence[str]) -> "Method":
        """The method for a data set with these `annotated` parts; without any, it must need none.

        Raises SettingError where it needs them, and there are none.
        """
        if not self.needs_parts:
            return self
        if not names:
            problem = f"{self.name} learns from boxes of the parts of an object, which this data set does not have"
            raise SettingError(f"{problem}; take CUB-200-2011 or fieldguide, or another method.")
        return replace(self, parts=tuple(part.with_parts(names) for part in self.parts))

    def encoder(self, seed: int = 0) -> Encoder:
        """A new encoder, to be fitted on records of training images.

        It gives vectors (n, d), float32, of unit length; or packed ones, (n, d / 4) bytes, if the method is ternary.
        """
        encoders = [(f"part{i}", Encoder(list(part.steps))) for i, part in enumerate(self.parts)]
        encoder = encoders[0][1]
        if len(encoders) > 1:
            encoder = Encoder([("parts", FeatureUnion(encoders)), ("unit", Normalizer())])
        if self.quantizer is not None:
            encoder = Encoder([("vector", encoder), ("ternary", self.quantizer)])
        seeds = {name: seed for name in encoder.get_params() if name.endswith("random_state")}
        cloned: Encoder = clone(encoder).set_params(**seeds)
        return cloned


def parts_and_rest(encoder: Encoder) -> tuple[list[Encoder], list[Any]]:
    """The encoder of each part, and the steps after them, which take the parts' vectors side by side."""
    rest: list[Any] = []
    if isinstance(encoder[-1], TernaryQuantizer):
        rest, encoder = [encoder[-1]], encoder[0]
    if isinstance(encoder[0], FeatureUnion):
        return [part for _, part in encoder[0].transformer_list], [encoder[1], *rest]
    return [encoder], rest
