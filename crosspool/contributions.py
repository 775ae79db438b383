"""Why a linear classifier gives an image its score: the score split by channel, by position, and by both.

A score is s = w . phi(P) + b, where P is the pooled vector and phi the normalisers after it (signed power, unit length,
...). These are frozen at their effect on this image: with V = w * phi(P) / P, and 0 where P is 0, s - b = V . P.

Every pooling here is linear in the map that it pools or weights with, or piecewise linear, as the maximum is: for a map
a, P is homogeneous of the first degree in a. So by Euler's theorem e = a * d(V . P) / da adds up to V . P exactly. For
cross-layer pooling that is e_ik = a_ik (V_k . x_i), and e_ik = a_ik (V_k . W(x_i - mu)) with principal components; for
the mean of a map it is the class activation map (Zhou et al., CVPR 2016).

As the normalisers are frozen, a contribution says what a channel or a position adds to this score as it stands. It does
not say what the score would be without it, as the rest of the vector would then be scaled differently:
`Explanation.without_channels` and `without_positions` compute that.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosspool.backbones import Backbone
from crosspool.classifiers import LinearClassifier, unit_vectors
from crosspool.encoding import Encoder, Record
from crosspool.errors import SettingError
from crosspool.grids import average_over_cells, spread_over_cells
from crosspool.methods import Method, parts_and_rest, pooled_record
from crosspool.pooled_parts import PartContributions, PooledPart, Vector, pooled_part
from crosspool.records import compute_record
from crosspool.statistics import channel_numbers

TOLERANCE = 1e-4  # the share of the score by which the sum of the parts may differ from it
ABOUT_FROZEN = (
    "Contributions add up to the score with the normalisation frozen at this image. They do not say what the score "
    "would be without a channel or a position."
)
ABOUT_EXACT = (
    "These contributions are exact: the classifier averages each map, so without a channel the score loses exactly "
    "that channel's contribution."
)


@dataclass(frozen=True)
class Completeness:
    """Whether contributions add up: the score, and the sums of the parts with the intercept.

    `by_position` is None where positions are unknown.
    """

    score: float
    intercept: float
    by_channel: float
    by_position: float | None

    @property
    def error(self) -> float:
        """The largest difference from the score, as a fraction of the score's size without the intercept."""
        sums = [self.by_channel] if self.by_position is None else [self.by_channel, self.by_position]
        difference, size = max(abs(value - self.score) for value in sums), abs(self.score - self.intercept)
        return difference / size if size else math.inf if difference else 0.0

    @property
    def holds(self) -> bool:
        return self.error <= TOLERANCE


@dataclass(frozen=True)
class Contributions:
    """A score, and what adds up to it: the intercept and the contributions of the method's parts."""

    score: float
    intercept: float
    parts: tuple[PartContributions, ...]

    @property
    def channels(self) -> Vector:
        """The contributions of the channels of all parts, one part after the other."""
        return np.concatenate([part.channels for part in self.parts])

    @property
    def names(self) -> list[str]:
        """The names of these channels: their numbers, with the part's name in front if there are several parts."""
        is_single = len(self.parts) == 1
        return [str(k) if is_single else f"{part.name} {k}" for part in self.parts for k in range(len(part.channels))]

    def channel(self, index: int) -> tuple[PartContributions, int]:
        """The part that the entry `index` of `channels` belongs to, and its number there.

        Raises IndexError if there is no such entry.
        """
        number = index
        for part in self.parts:
            if 0 <= number < len(part.channels):
                return part, number
            number -= len(part.channels)
        raise IndexError(index)

    @property
    def positions(self) -> NDArray[np.float64] | None:
        """The evidence at each position, s_i = sum_k e_ik, (H, W), on the finest part's grid; None where unknown."""
        totals = [part.evidence.sum(axis=0) for part in self.parts if part.evidence is not None]
        if len(totals) < len(self.parts):
            return None
        finest: tuple[int, int] = max(total.shape for total in totals)
        return np.asarray(np.sum([spread_over_cells(total, finest) for total in totals], axis=0))

    def channels_at(self, row: int, column: int) -> Vector:
        """What each channel adds at one position of `positions`, in the order of `channels`.

        Raises SettingError where positions are unknown, and for a position that there is not.
        """
        positions = self.positions
        if positions is None:
            raise SettingError("The positions behind the channels' contributions are not known for this method.")
        rows, columns = positions.shape
        if not (0 <= row < rows and 0 <= column < columns):
            raise SettingError(f"There is no position ({row}, {column}): the grid has {rows}×{columns} cells.")
        cell = np.zeros(positions.shape)
        cell[row, column] = 1
        evidence = [part.evidence for part in self.parts if part.evidence is not None]
        return np.concatenate([np.tensordot(e, average_over_cells(cell, e.shape[1:]), 2) for e in evidence])

    @property
    def check(self) -> Completeness:
        """Whether the channels, and the positions, add up to the score that the classifier gave."""
        positions = self.positions
        by_position = None if positions is None else self.intercept + float(positions.sum())
        return Completeness(self.score, self.intercept, self.intercept + float(self.channels.sum()), by_position)


@dataclass(frozen=True)
class Explanation:
    """An image as a classifier sees it, ready to be split.

    Everything is computed in double precision from the network's maps; `encoded`, (d,), is the vector that the
    classifier itself computes, in single precision, so that the parts are checked against its score.
    """

    classifier: LinearClassifier
    encoded: NDArray[np.float32]
    parts: tuple[PooledPart, ...]

    @cached_property
    def vector(self) -> Vector:
        """phi(P), (d,)."""
        return np.asarray(self._encode([part.pooled[None] for part in self.parts])[0], np.float64)

    @property
    def scores(self) -> Vector:
        """The scores of the classes, (L,), as the classifier gives them."""
        return np.asarray(self._scores(self.encoded[None])[0])

    @property
    def predicted(self) -> str:
        """The class with the highest score."""
        return self.classifier.classes[int(self.scores.argmax())]

    @property
    def normalises(self) -> bool:
        """Whether anything follows the pooling, so that it has to be frozen; else the contributions are exact."""
        encoders, rest = parts_and_rest(self.classifier.encoder)
        return bool(rest) or any(len(encoder.steps) > 1 for encoder in encoders)

    def contributions(self, positive: str | None = None, against: str | None = None) -> Contributions:
        """What adds up to the score of a class (None: the predicted one), or to its lead over the class `against`.

        Raises SettingError for a class that the classifier does not know, and for a class against itself.
        """
        first = self._index(self.predicted if positive is None else positive)
        weights, intercept = self.classifier.weights[first].astype(np.float64), float(self.classifier.intercept[first])
        if against is not None:
            second = self._index(against)
            if first == second:
                raise SettingError(f"{against} cannot be set against itself; choose two classes.")
            weights = weights - self.classifier.weights[second]
            intercept -= float(self.classifier.intercept[second])
        # In double precision: a lead is small, and the difference of two rounded scores would be too coarse for it.
        return self._split(weights, intercept, float(self.encoded.astype(np.float64) @ weights) + intercept)

    def similarity(self, other: "Explanation") -> Contributions:
        """What adds up to the inner product of two images' vectors, phi(P) . phi(P'), at the positions of this one.

        Raises SettingError if the two were not encoded by the same classifier.
        """
        if other.classifier is not self.classifier:
            raise SettingError("Only two images that the same classifier encoded can be compared.")
        return self._split(other.vector, 0.0, float(self.encoded.astype(np.float64) @ other.encoded))

    def without_channels(self, channels: Sequence[int] | NDArray[np.integer[Any]]) -> Vector:
        """The scores of the classes, (L,), when these maps are removed and the rest is normalised again.

        Channels are numbered as in `Contributions.channels`, from 0. Raises SettingError for one that there is not.
        """
        is_left = np.ones(sum(part.channels for part in self.parts), bool)
        is_left[channel_numbers(channels, len(is_left))] = False
        left = np.split(is_left, np.cumsum([part.channels for part in self.parts])[:-1])
        pooled = [part.blocks(keep).reshape(1, -1) for part, keep in zip(self.parts, left, strict=True)]
        return np.asarray(self.rescored(pooled)[0])

    def without_positions(self, gone: NDArray[np.bool_]) -> Vector:
        """The scores of the classes, (L,), when positions are left out of pooling and the rest is normalised again.

        `gone`, (H, W), lies over the image; a cell of a map loses the share of its weight that `gone` covers.
        Raises SettingError where positions are unknown.
        """
        return np.asarray(self.rescored([part.pooled_without(gone)[None] for part in self.parts])[0])

    def rescored(self, pooled: Sequence[NDArray[Any]]) -> Vector:
        """The scores of the classes, (n, L), if the parts had pooled these vectors instead, (n, K * d) each."""
        return self._scores(self._encode(pooled))

    def _index(self, name: str) -> int:
        classes = self.classifier.classes
        if name not in classes:
            by_lower_case = {label.lower(): label for label in classes}
            near = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
            examples = ", ".join(classes[:10]) + (" and others" if len(classes) > 10 else "")
            hint = f"did you mean {by_lower_case[near[0]]}?" if near else f"choose one of {examples}."
            raise SettingError(f"The classifier knows no class {name!r}; {hint}")
        return classes.index(name)

    def _scores(self, vectors: NDArray[Any]) -> Vector:
        weights, intercept = self.classifier.weights, self.classifier.intercept
        return np.asarray(vectors.astype(np.float32, copy=False) @ weights.T + intercept)

    def _encode(self, pooled: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """phi of the parts' pooled vectors, (n, d): every step of the encoder but the pooling."""
        encoders, rest = parts_and_rest(self.classifier.encoder)
        steps = [[step for _, step in encoder.steps[1:]] for encoder in encoders]
        encoded = np.hstack([_through(part_steps, vectors) for part_steps, vectors in zip(steps, pooled, strict=True)])
        return unit_vectors(_through(rest, encoded))

    def _split(self, weights: Vector, intercept: float, score: float) -> Contributions:
        return split_score(self.parts, weights * self.vector, score, intercept)


def split_score(parts: Sequence[PooledPart], products: Vector, score: float, intercept: float = 0.0) -> Contributions:
    """A score split among the channels and positions of parts, from what each number of the vector adds, w * phi(P)."""
    ends = np.cumsum([part.pooled.size for part in parts])
    by_part = np.split(products[: ends[-1]], ends[:-1])  # packing pads the vector with zeros
    return Contributions(score, intercept, tuple(part.split(each) for part, each in zip(parts, by_part, strict=True)))


def explain(classifier: LinearClassifier, backbone: Backbone, image: Image.Image) -> Explanation:
    """An image as a classifier sees it, ready to be split into contributions.

    Args:
        classifier: A trained one, or a network's own (`own_classifier`).
        backbone: The network that it was trained on.
        image: Upright RGB, as `load_image` gives it.

    Returns:
        Explanation: `contributions()` splits the score of a class by channel and by position, `without_channels()`
        gives the scores after removal.

    Raises:
        ModelError: The classifier was trained on another network.

    Example:
        >>> import crosspool
        >>> backbone = crosspool.load_backbone()
        >>> classifier = crosspool.own_classifier(backbone)
        >>> explanation = crosspool.explain(classifier, backbone, crosspool.load_image("assets/samples/cat.jpg"))
        >>> why = explanation.contributions()
        >>> explanation.predicted, why.channels.shape, why.positions.shape, why.check.holds
        ('tiger cat', (1280,), (7, 7), True)

    References:
        Euler's theorem on the pooled map (see this module); for the mean of a map these are the class activation maps
        of Zhou et al., CVPR 2016.
    """
    classifier.check_backbone(backbone)
    return explanation_of(classifier, compute_record(backbone, image, classifier.method.sources_to_explain))


def explanation_of(classifier: LinearClassifier, record: Record) -> Explanation:
    """As `explain`, but from maps computed before: those of `classifier.method.sources_to_explain`."""
    parts = pooled_parts(classifier.method, classifier.encoder, record)
    return Explanation(classifier, classifier.vectors([record])[0], parts)


def pooled_parts(method: Method, encoder: Encoder, record: Record) -> tuple[PooledPart, ...]:
    """What the parts of a method pool of an image, ready to be split; `encoder` is the method's, fitted."""
    encoders, _ = parts_and_rest(encoder)
    pooled = pooled_record(encoder, record)
    return tuple(pooled_part(part, own[0], pooled) for part, own in zip(method.parts, encoders, strict=True))


def _through(steps: Sequence[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    for step in steps:
        vectors = step.transform(vectors)
    return vectors
