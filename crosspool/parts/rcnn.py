"""Steps of encoders that describe an image by its object's parts: found by detectors, or where the annotations say."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from crosspool.encoding import (
    PCA_SAMPLE_SIZE,
    LearnedArray,
    LearnedStep,
    Lessons,
    Record,
    Records,
    ShapeOf,
    Vectors,
    principal_components,
    sampled_features,
)
from crosspool.errors import SettingError
from crosspool.framing import Rectangle
from crosspool.layer_pairs import ONE_BY_ONE
from crosspool.parts.detectors import learned_detectors
from crosspool.parts.geometry import COLUMNS, GAUSSIANS, SLACK, Constraint, best_boxes, learned_gaussians
from crosspool.parts.windows import ZONES, Values, means_inside, usual_windows

TRUE_BOXES = "true boxes"  # the name in a record of the boxes that annotations give
IMAGES = 1000  # that the detectors learn from, at most
CELLS = 20
C = 1.0
SMALLEST = 1e-6
WHOLE_IMAGE: Rectangle = (0.0, 0.0, 1.0, 1.0)


class RegionVectors(LearnedStep, ABC):
    """Records to the vectors of the whole image and of the object's parts, side by side: (n, (1 + P) * D).

    A region's vector is the signed root of the mean of the map inside its box, of unit length; of a part that is not
    there it is zero.
    """

    needs_parts = True
    source: Hashable
    parts: tuple[str, ...]

    @abstractmethod
    def boxes(self, record: Record) -> Mapping[str, Rectangle]:
        """The boxes of the parts in an image."""

    def transform(self, X: Records) -> Vectors:
        check_is_fitted(self)
        return np.stack([self._vector(record) for record in X])

    def _vector(self, record: Record) -> Vectors:
        boxes, values = self.boxes(record), _map_of(record, self.source)
        known = [number for number, name in enumerate(self.parts, 1) if name in boxes]
        regions = np.array([WHOLE_IMAGE, *(boxes[self.parts[number - 1]] for number in known)])
        vectors = np.zeros((1 + len(self.parts), len(values)))
        vectors[[0, *known]] = normalize(np.sqrt(means_inside(values, regions)))
        return vectors.ravel().astype(np.float32)


class TrueParts(RegionVectors):
    """The parts are where the annotations of each image say: an upper bound, as they are not known of a new image."""

    reads_parts = True

    def __init__(self, source: Hashable, parts: tuple[str, ...] = ()) -> None:
        self.source = source
        self.parts = parts

    @property
    def learns(self) -> bool:
        return False

    def fit(self, X: Records, y: Any = None) -> Self:
        return self

    def boxes(self, record: Record) -> Mapping[str, Rectangle]:
        boxes: Mapping[str, Rectangle] = record[TRUE_BOXES]  # type: ignore[assignment]
        return boxes


class DetectedParts(RegionVectors):
    """The parts are where detectors find them: Zhang, Donahue, Girshick and Darrell, ECCV 2014, on a frozen network.

    The paper describes regions that a segmentation proposes, each cut out and warped to the network's input. Here the
    network sees the image once, and a window is described by means of the map, of the square roots of its values on
    `n_components` principal components (of the first, the standard deviation is 1): inside the window, in the window of
    twice its sides around it, and in its middle, without which nothing would tell a window from a smaller one on the
    same part. The detectors are logistic, as the paper's scores go through a sigmoid, and learn from at most IMAGES
    images.

    Raises SettingError without images or their boxes, or where too few show a part.

    `constraint` is "box", which keeps the parts inside the whole, or "mixture", which also weighs their places by
    mixtures of Gaussians. `side` is that of the network's input in pixels.
    """

    detects_parts = True
    mean_: NDArray[np.float32]
    components_: NDArray[np.float32]
    detectors_: Values
    gaussians_: Values

    def __init__(
        self, source: Hashable, n_components: int, side: int, constraint: Constraint = "mixture",
        parts: tuple[str, ...] = (), random_state: int = 0,
    ) -> None:  # fmt: skip
        self.source = source
        self.n_components = n_components
        self.side = side
        self.constraint = constraint
        self.parts = parts
        self.random_state = random_state

    def fit(self, X: Records, y: Lessons | None = None) -> Self:
        if y is None or not len(X):
            raise SettingError("Detectors of parts are learned from training images and their boxes; there are none.")
        sampled = sampled_features(X, self.source, ONE_BY_ONE, PCA_SAMPLE_SIZE, self.random_state)
        blocks = [_root(block) for block in sampled]
        self.mean_, components = principal_components(blocks, self.n_components)
        spread = np.concatenate([block @ components[0] for block in blocks]).std()
        self.components_ = components / max(spread, SMALLEST)
        images = np.sort(np.random.default_rng(self.random_state).permutation(len(X))[:IMAGES])
        self.detectors_ = learned_detectors(
            lambda place: self._projected(X[int(images[place])]), [y.parts[image] for image in images],
            self.parts, usual_windows(CELLS), C, self.random_state, y.progress,
        )  # fmt: skip
        if self.constraint == "mixture":
            self.gaussians_ = np.stack([self._gaussians(name, y.parts) for name in self.parts[1:]])
        return self

    def boxes(self, record: Record) -> Mapping[str, Rectangle]:
        gaussians = self.gaussians_ if self.constraint == "mixture" else None
        maps = self._projected(record)
        found = best_boxes(self.detectors_, gaussians, maps, usual_windows(CELLS), SLACK / self.side)
        return dict(zip(self.parts, map(tuple, found.tolist()), strict=True))

    def _gaussians(self, name: str, boxes: Sequence[Mapping[str, Rectangle]]) -> Values:
        whole = self.parts[0]
        both = [each for each in boxes if name in each and whole in each]
        if len(both) < GAUSSIANS:
            raise SettingError(
                f"{GAUSSIANS} Gaussians cannot be learned from {len(both)} images that show the part {name}; train on "
                "more images, or write /box."
            )
        places, wholes = (np.array([each[part] for each in both]) for part in (name, whole))
        return learned_gaussians(places, wholes, self.random_state)

    def _projected(self, record: Record) -> Values:
        """The square roots of an image's map on the principal components, (C, H, W)."""
        roots = np.sqrt(_map_of(record, self.source)) - self.mean_[:, None, None]
        return np.asarray(np.tensordot(self.components_, roots, 1))

    def learned_arrays(self, shape_of: ShapeOf) -> dict[str, LearnedArray]:
        length, count = shape_of(self.source)[0], len(self.parts)
        arrays = {
            "mean_": LearnedArray((length,), 1e4),
            "components_": LearnedArray((self.n_components, length), 1e8),
            "detectors_": LearnedArray((count, 1 + len(ZONES) * self.n_components), 1e8, np.float64),
        }
        if self.constraint == "mixture":
            arrays["gaussians_"] = LearnedArray((count - 1, GAUSSIANS, COLUMNS), 1e8, np.float64)
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().restore(arrays)
        if self.constraint == "mixture":
            scales = self.gaussians_[..., 5:].reshape(*self.gaussians_.shape[:2], 4, 4)
            if min(self.gaussians_[..., 0].min(), np.diagonal(scales, axis1=2, axis2=3).min()) <= 0:
                raise SettingError("A Gaussian of the parts has a weight or a scale that is not above zero.")


def _map_of(record: Record, source: Hashable) -> Values:
    """The map of an image, (D, H, W), without negative values."""
    values: Values = torch.as_tensor(record[source])[0].clamp_min(0).cpu().numpy().astype(np.float64)
    return values


def _root(block: Vectors) -> Vectors:
    return np.sqrt(np.maximum(block, 0))
