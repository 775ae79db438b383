"""A method: the maps that it needs of an image, and the encoder from these to a vector."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import Normalizer

from crosspool.encoding import Encoder, Record, TernaryQuantizer
from crosspool.errors import SettingError
from crosspool.fine_tuning import FineTuning, TunedEncoder
from crosspool.framing import Framing, Source


class SideBySide(FeatureUnion):
    """The vectors of several encoders side by side, in the thread that asks for them.

    A plain union goes through joblib, which resets the filters of warnings that all threads share, and warns of it.
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        for _, encoder in self.transformer_list:
            encoder.fit(X, y)
        return self

    def transform(self, X: Any) -> Any:
        return np.hstack([encoder.transform(X) for _, encoder in self.transformer_list])


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
    tuning: FineTuning | None = None
    """What tunes the network, and yields the maps that the parts pool."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources to compute for each image."""
        return sources_of(self.parts) if self.tuning is None else self.tuning.inputs

    @property
    def sources_to_fit(self) -> tuple[Source, ...]:
        """The sources to compute for each training image."""
        return self.sources if self.tuning is None else tuple(sorted({*self.sources, *self.tuning.lesson_views}))

    @property
    def sources_to_explain(self) -> tuple[Source, ...]:
        """The same as `sources`, with the maps that show where in the image an averaged activation comes from."""
        return sources_of(self.parts, averaged=True) if self.tuning is None else self.sources

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
        """Whether the encoder depends on the training images (principal components, codebooks, tuned layers)."""
        parts = any(getattr(part.steps[0][1], "learns", False) for part in self.parts)
        return parts or self.tuning is not None

    @property
    def is_seeded(self) -> bool:
        """Whether the vectors depend on the encoder's seed although it learns nothing."""
        return any(getattr(part.steps[0][1], "is_seeded", False) for part in self.parts)

    @property
    def needs_parts(self) -> bool:
        """Whether the encoder learns from boxes of the object's parts, which few data sets have."""
        return any(part.needs_parts for part in self.parts)

    @property
    def reads_parts(self) -> bool:
        """Whether the encoder reads the true boxes of every image, as an upper bound: none are known of a new one."""
        return any(getattr(part.steps[0][1], "reads_parts", False) for part in self.parts)

    def expect_new_images(self) -> None:
        """Raise SettingError where the method can describe no image without annotations."""
        if self.reads_parts:
            problem = f"{self.name} reads the true boxes of the parts, which are not known of a new image"
            raise SettingError(
                f"{problem}; leave out /true, or use crosspool evaluate, which tests it as an upper bound."
            )

    def with_parts(self, names: Sequence[str]) -> "Method":
        """The method for a data set with these annotated parts, the whole object first.

        Raises SettingError where it needs them, and there is none besides the whole.
        """
        if not self.needs_parts:
            return self
        if len(names) < 2:
            problem = f"{self.name} learns from boxes of the parts of an object, which this data set does not have"
            raise SettingError(f"{problem}; take CUB-200-2011 or fieldguide, or another method.")
        return replace(self, parts=tuple(part.with_parts(names) for part in self.parts))

    @property
    def is_taught(self) -> bool:
        """Whether the encoder learns what only training images have: their classes, or boxes of their parts."""
        taught = any(getattr(part.steps[0][1], "is_taught", False) for part in self.parts)
        return taught or self.needs_parts or self.tuning is not None

    def tuning_step(self, seed: int = 0) -> FineTuning | None:
        """A new step that tunes the network, if the method has one; it is the first of its encoder."""
        return None if self.tuning is None else clone(self.tuning).set_params(random_state=seed)

    def encoder(self, seed: int = 0) -> Encoder:
        """A new encoder, to be fitted on records of training images.

        It gives vectors (n, d), float32, of unit length; or packed ones, (n, d / 4) bytes, if the method is ternary.
        """
        encoders = [(f"part{i}", Encoder(list(part.steps))) for i, part in enumerate(self.parts)]
        encoder = encoders[0][1]
        if len(encoders) > 1:
            encoder = Encoder([("parts", SideBySide(encoders)), ("unit", Normalizer())])
        if self.quantizer is not None:
            encoder = Encoder([("vector", encoder), ("ternary", self.quantizer)])
        if self.tuning is not None:
            encoder = TunedEncoder([("tuning", self.tuning), ("vector", encoder)])
        seeds = {name: seed for name in encoder.get_params() if name.endswith("random_state")}
        cloned: Encoder = clone(encoder).set_params(**seeds)
        return cloned


def sources_of(parts: Sequence[Part], *, averaged: bool = False) -> tuple[Source, ...]:
    """The sources of parts, with the maps that some are averages of, if wanted."""
    maps = [part.averaged for part in parts if part.averaged is not None and averaged]
    return tuple(sorted({*maps, *(source for part in parts for source in part.sources)}))


def pooled_record(encoder: Encoder, record: Record) -> Record:
    """What a method's parts pool of an image, from the record that its fitted encoder reads."""
    return encoder[0].tuned(record) if isinstance(encoder, TunedEncoder) else record


def parts_and_rest(encoder: Encoder) -> tuple[list[Encoder], list[Any]]:
    """The encoder of each part, and the steps after them, which take the parts' vectors side by side."""
    rest: list[Any] = []
    if isinstance(encoder, TunedEncoder):
        encoder = encoder[1]
    if isinstance(encoder[-1], TernaryQuantizer):
        rest, encoder = [encoder[-1]], encoder[0]
    if isinstance(encoder[0], SideBySide):
        return [part for _, part in encoder[0].transformer_list], [encoder[1], *rest]
    return [encoder], rest
