"""Descriptors pooled in the parts of an object, which a model of its pose finds: deformable part descriptors.

A step of an encoder, as those of `crosspool.encoding`: from records to vectors that are not normalised as a whole yet.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from crosspool.encoding import LearnedArray, LearnedStep, Lessons, Record, Records, ShapeOf, SignedPower, Vectors
from crosspool.errors import SettingError
from crosspool.framing import Rectangle
from crosspool.parts.windows import means_inside
from crosspool.star_model import COMPONENTS, SIDE, Array, Pyramid, StarModel, learn


class DeformableParts(LearnedStep):
    """Records to maps pooled in each detected part: (n, K * d) for K parts of d numbers.

    The strongly supervised deformable part descriptor of Zhang, Farrell, Iandola and Darrell (ICCV 2013): a mixture of
    star-shaped models, `crosspool.star_model`, is learned from the annotated boxes of training images, and finds the
    parts in every image, training images included. As all components have the same named parts, these are pooled by
    name, whichever component was found. In each part every map of `pooled` is averaged over the cells of grids of
    `levels` cells a side, and the result gets the signed power and unit length.

    Departures: the paper pools kernel descriptors, in whose place are gradients and colours. Activations as in DPD+CNN
    (Donahue et al., ICML 2014) are those of the part's box in a map of the whole image, where that paper cuts out the
    part and takes a fully-connected layer.

    Images of which some part is not annotated teach nothing. Raises SettingError where there are no others.
    """

    needs_parts = True
    detects_parts = True

    def __init__(
        self,
        pyramid: Sequence[Hashable],
        pooled: Sequence[Hashable],
        levels: Sequence[int] = (1,),
        power: float = 0.5,
        parts: Sequence[str] = (),
        random_state: int = 0,
    ) -> None:
        self.pyramid = pyramid
        self.pooled = pooled
        self.levels = levels
        self.power = power
        self.parts = parts
        self.random_state = random_state

    def fit(self, X: Records, y: Lessons | None = None) -> Self:
        lessons = y or Lessons(np.array([], np.intp))
        indices, boxes = annotated_boxes(lessons.parts, self.parts)

        def pyramid_of(place: int) -> Pyramid:
            return self._pyramid(X[indices[place]])

        model = learn(pyramid_of, boxes, seed=self.random_state, progress=lessons.progress)
        self.restore({f"{name}_": array for name, array in vars(model).items()})
        return self

    def transform(self, X: Records) -> Vectors:
        return np.stack([self._pool(record, self._detected(record)) for record in X])

    def boxes(self, record: Record) -> dict[str, Rectangle]:
        """The boxes of the parts in an image, as fractions: left, top, right and bottom."""
        return {name: tuple(box) for name, box in zip(self.parts, self._detected(record).tolist(), strict=True)}

    def _detected(self, record: Record) -> Array:
        check_is_fitted(self)
        model = StarModel(**{name.removesuffix("_"): array for name, array in self.learned().items()})
        return model.detect(self._pyramid(record))

    def _pyramid(self, record: Record) -> Pyramid:
        return [torch.as_tensor(record[source])[0] for source in self.pyramid]

    def _pool(self, record: Record, boxes: Array) -> Vectors:
        maps = [torch.as_tensor(record[source])[0] for source in self.pooled]
        vectors = [pool_box(values, box, self.levels) for box in boxes for values in maps]
        power = SignedPower(self.power)
        return np.concatenate([normalize(power.transform(each[None]))[0] for each in vectors])

    def learned_arrays(self, shape_of: ShapeOf) -> dict[str, LearnedArray]:
        components, parts, depth = COMPONENTS, len(self.parts), shape_of(self.pyramid[0])[0]
        of_parts = (components, parts - 1, 2)
        return {
            "filters_": LearnedArray((components, parts, depth, SIDE, SIDE), 1e4),
            "shapes_": LearnedArray((components, parts, 2), SIDE, np.float64),
            "anchors_": LearnedArray(of_parts, 1e3, np.float64),
            "stiffness_": LearnedArray(of_parts, 1e6, np.float64),
            "bias_": LearnedArray((components,), 1e6, np.float64),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        super().restore(arrays)
        if arrays["shapes_"].min() < 1 or arrays["stiffness_"].min() < 0:
            raise SettingError("A filter has no cells, or a displacement lowers its own cost.")


def annotated_boxes(annotated: Sequence[Mapping[str, Rectangle]], parts: Sequence[str]) -> tuple[list[int], Array]:
    """The images of which all parts are annotated, and the boxes of these, (n, K, 4).

    Raises SettingError where there are none.
    """
    indices = [index for index, boxes in enumerate(annotated) if boxes.keys() >= set(parts)]
    if not indices or not parts:
        raise SettingError("No training image has boxes of all parts; deformable parts are learned from these.")
    return indices, np.array([[annotated[index][name] for name in parts] for index in indices], np.float64)


def pool_box(values: torch.Tensor, box: Sequence[float] | NDArray[np.float64], levels: Sequence[int]) -> Vectors:
    """The means of a map, (D, H, W), over the cells of grids over a box of fractions: (D * sum of levels^2,).

    A cell of the map counts by the area that it shares with that of the grid; where that is none, the mean is zero.
    """
    left, top, right, bottom = box
    pooled = []
    for level in levels:
        across, down = np.linspace(left, right, level + 1), np.linspace(top, bottom, level + 1)
        cells = [(across[x], down[y], across[x + 1], down[y + 1]) for y in range(level) for x in range(level)]
        pooled.append(means_inside(values.cpu().numpy().astype(np.float64), np.array(cells)).T)  # (D, level^2)
    return np.concatenate(pooled, axis=1).ravel().astype(np.float32)
