"""From the maps of images to vectors for a linear classifier: scikit-learn transformers for a Pipeline.

The first step of a pipeline reads records, one for each image: mappings from a name to the maps of the V views of the
image, as an array or as a tensor, on whose device they are pooled. Every other step goes from (n, d) to (n, d).
Arithmetic is in the precision of the records: single, unless they are double.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn
from torch.nn import functional as F

from crosspool.cache import ArrayCache
from crosspool.errors import SettingError
from crosspool.framing import Rectangle
from crosspool.layer_pairs import Geometry
from crosspool.pooling import cross_layer_pool, local_features, pool_projected

Record = Mapping[Any, NDArray[np.float32] | torch.Tensor]
Records = Sequence[Record]
Vectors = NDArray[np.float32]
Packed = NDArray[np.uint8]

PCA_SAMPLE_SIZE = 20_000  # local features
PCA_BLOCK = 1024  # local features in memory at a time; of VGG's longest patches, 4,608 numbers, they are 19 MB
ROOT_FLOOR = 1e-2
LOGIT_SCALE = 10.0  # of vectors of unit length, whose products with small weights would hardly tell classes apart
VALUES_PER_BYTE = 4  # two bits each: 0 stands for 0, 1 for +1, 2 for -1
_BYTES = np.array([0, 1, -1, 0], np.int8)[np.arange(256)[:, None] >> np.arange(0, 8, 2) & 3]  # (256, 4)
_WORDS = _BYTES.view(np.uint32)[:, 0]  # the four values of each byte as one number, which is looked up faster
_GATHER = sum(1 << shift for shift in (24, 18, 12, 6))  # times four codes of a byte each: packed, in the highest byte


class Encoder(Pipeline):
    """A Pipeline of which only the first step learns, so that fitting it encodes no image.

    A plain Pipeline would transform all training images to fit steps that learn nothing.
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        self.steps[0][1].fit(X, y)
        return self


class Stateless(TransformerMixin, BaseEstimator):
    """A transformer that learns nothing."""

    def fit(self, X: Any, y: Any = None) -> Self:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


class OneMapStep(Stateless, ABC):
    """Records to what `pool` makes of one map of each, (V, D, H, W): (n, d)."""

    source: Hashable

    def transform(self, X: Records) -> Vectors:
        return np.stack([self.pool(torch.as_tensor(record[self.source])).cpu().numpy() for record in X])

    @abstractmethod
    def pool(self, views: torch.Tensor) -> torch.Tensor:
        """The vector of one image from its map."""


@dataclass(frozen=True)
class Lessons:
    """What is known of training images besides their pixels, for steps that learn from it.

    `targets` are the images' classes, (n,), or labels, (n, L), as in a data set. `parts` are each image's boxes of the
    object's parts that can be seen, by their names, from 0 to 1 of the sides of what the network sees of the whole
    image; empty where no step needs them.

    `network` is the one that yields the records. Long learning tells `progress` how many images it has seen, of at most
    how many; it keeps how far it is in `cache`, under names that contain `key`, which differs where the records do.
    """

    targets: NDArray[np.intp]
    parts: Sequence[Mapping[str, Rectangle]] = ()
    network: nn.Module | None = None
    cache: ArrayCache | None = None
    key: str = ""
    progress: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True)
class LearnedArray:
    """An array that a step learns: its shape, a magnitude that training never comes near, and its precision."""

    shape: tuple[int, ...]
    largest: float
    precision: type[np.floating[Any]] = np.float32


ShapeOf = Callable[[Hashable], tuple[int, ...]]
"""Gives the shape of one view of a source, such as (D, H, W)."""


class LearnedStep(TransformerMixin, BaseEstimator):
    """The first step of an encoder that may learn from training images: `fit(records, lessons)`.

    One that needs `lessons.parts` has a parameter `parts`, which `Method.with_parts` sets to the names of the parts.
    """

    needs_parts = False
    reads_parts = False  # the true ones, from the records
    detects_parts = False  # and has `boxes(record)`, where they are in an image

    @property
    def learns(self) -> bool:
        """Whether it depends on the training images."""
        return True

    @property
    def is_taught(self) -> bool:
        """Whether it learns from the targets, too, so that it knows the classes of its training images too well."""
        return False

    def learned_arrays(self, shape_of: ShapeOf) -> dict[str, LearnedArray]:
        """What it learns, by the names of its attributes."""
        raise NotImplementedError

    def learned(self) -> dict[str, NDArray[Any]]:
        """The arrays that it has learned, by their names: all that `restore` needs."""
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what was learned before. Raises SettingError where it gives no finite numbers."""
        for name, array in arrays.items():
            setattr(self, name, array)

    def __sklearn_is_fitted__(self) -> bool:
        return not self.learns or bool(self.learned())


class ProjectedStep(LearnedStep):
    """A step that may project the local features of a map, `lower`, on principal components that it learns."""

    lower: Hashable
    geometry: Geometry
    n_components: int | None

    @property
    def learns(self) -> bool:
        return self.n_components is not None

    def learned_arrays(self, shape_of: ShapeOf) -> dict[str, LearnedArray]:
        if self.n_components is None:
            return {}
        length = shape_of(self.lower)[0] * prod(self.geometry["kernel_size"])
        components = LearnedArray((self.n_components, length), 2.0)  # of unit length
        return {"mean_": LearnedArray((length,), 1e4), "components_": components}


class CrossLayerPooling(ProjectedStep):
    """Records to P (Eq. 1 of Liu et al., CVPR 2015), flattened: (n, D_{t+1} * d), block by block.

    `lower` and `upper` name the two maps in a record, (V, D_t, H_t, W_t) and (V, D_{t+1}, H, W); the patches of all
    views are pooled together. With `n_components`, the local features are first projected on that many principal
    components. These are fitted on a seeded sample of at most `sample` local features: `sampled_features`.

    Raises SettingError if there are more components than sampled local features, or than numbers in one.
    """

    mean_: NDArray[np.float32]
    components_: NDArray[np.float32]

    def __init__(
        self,
        lower: Hashable,
        upper: Hashable,
        geometry: Geometry,
        n_components: int | None = None,
        sample: int = PCA_SAMPLE_SIZE,
        random_state: int = 0,
    ) -> None:
        self.lower = lower
        self.upper = upper
        self.geometry = geometry
        self.n_components = n_components
        self.sample = sample
        self.random_state = random_state

    def fit(self, X: Records, y: Any = None) -> Self:
        if self.n_components is None:
            return self
        if not len(X):
            raise SettingError("Principal components need at least one image to be fitted on.")
        sampled = sampled_features(X, self.lower, self.geometry, self.sample, self.random_state)
        self.mean_, self.components_ = principal_components(sampled, self.n_components)
        return self

    def transform(self, X: Records) -> Vectors:
        check_is_fitted(self)
        maps = ([torch.as_tensor(record[name]) for name in (self.lower, self.upper)] for record in X)
        return np.stack([self.pool(lower, self.weighting(upper)).cpu().numpy() for lower, upper in maps])

    def weighting(self, upper: torch.Tensor) -> torch.Tensor:
        """The weighting maps of one image, from its upper map."""
        return upper.clamp_min(0)

    def pool(self, lower: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """P of one image, flattened, from its lower map and the weighting maps, in which it is linear."""
        if self.n_components is None:
            return _summed(cross_layer_pool(lower, weights, **self.geometry)).flatten()
        components, mean = (torch.from_numpy(value).to(lower) for value in (self.components_, self.mean_))
        return _summed(pool_projected(lower, weights, components, mean, **self.geometry)).flatten()


def _summed(views: torch.Tensor) -> torch.Tensor:
    """The sum over the first axis; no copy of a single one."""
    return views[0] if len(views) == 1 else views.sum(0)


def sampled_features(
    X: Records, lower: Hashable, geometry: Geometry, sample: int, random_state: int
) -> Iterator[Vectors]:
    """A seeded sample of at most `sample` local features, about PCA_BLOCK at a time: (count, D_t*m*n).

    The same number is drawn without replacement from each of at most `sample` images, which are read one at a time.
    """
    images = np.random.default_rng(random_state).permutation(len(X))[:sample]
    each, wanted = -(-sample // len(images)), sample
    block: list[Vectors] = []
    for index in images:
        units = columns_of(X[int(index)], lower, geometry).T
        drawn = np.random.default_rng([random_state, int(index)]).permutation(len(units))[: min(each, wanted)]
        block.append(units[drawn].cpu().numpy())
        wanted -= len(block[-1])
        if not wanted:
            break
        if sum(map(len, block)) >= PCA_BLOCK:
            yield np.concatenate(block)
            block.clear()
    if block:
        yield np.concatenate(block)


def columns_of(record: Record, lower: Hashable, geometry: Geometry) -> torch.Tensor:
    """All local features of an image, of all its views, as columns: (D_t*m*n, V * N).

    A vector for each view is a local feature of its own.
    """
    views = torch.as_tensor(record[lower])
    maps = views if views.ndim == 4 else views[:, :, None, None]
    return local_features(maps, **geometry).transpose(0, 1).flatten(1)


def principal_components(blocks: Iterable[Vectors], count: int) -> tuple[Vectors, Vectors]:
    """The mean of all rows of `blocks`, (d,), and their first `count` principal components, (count, d).

    Of every component the entry of the largest magnitude is positive.

    Raises SettingError if there are more components than rows, or than numbers in one.
    """
    # Products of numbers near zero lose little in single precision, which is twice as fast; their sums are differences
    # of large numbers later on, and are kept in double precision. LAPACK finds the leading axes alone in half the time
    # of all of them. Lanczos iteration (ARPACK) takes a third of that, but need not converge on every covariance.
    rows, shift = 0, np.zeros(1, np.float32)
    sums, products = np.zeros(1), np.zeros((1, 1))
    for block in blocks:
        if not rows:
            shift = block.mean(axis=0)
            sums, products = np.zeros(len(shift)), np.zeros((len(shift), len(shift)))
        centred = block - shift
        rows += len(block)
        sums += centred.sum(axis=0, dtype=np.float64)
        products += centred.T @ centred
    most = min(rows, len(sums))
    if not 1 <= count <= most:
        problem = f"{count} principal components cannot be computed from {rows} local features of {len(sums)} numbers"
        raise SettingError(f"{problem}; choose at most {most}.")
    offset = sums / rows
    products /= rows
    products -= np.outer(offset, offset)
    axes = eigh(products.T, subset_by_index=(len(sums) - count, len(sums) - 1), overwrite_a=True)[1].T[::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1, keepdims=True), axis=1)
    return (shift + offset).astype(np.float32), np.ascontiguousarray(axes * np.sign(largest), np.float32)


class SignedPower(Stateless):
    """sign(v) * |v| ** exponent, by default the signed square root."""

    def __init__(self, exponent: float = 0.5) -> None:
        self.exponent = exponent

    def transform(self, X: Vectors) -> Vectors:
        magnitude = np.sqrt(np.abs(X)) if self.exponent == 0.5 else np.abs(X) ** X.dtype.type(self.exponent)
        return np.asarray(np.copysign(magnitude, X))


def unit_root(vectors: torch.Tensor) -> torch.Tensor:
    """The signed root of vectors, (n, d), scaled to unit length, with a slope at zero that is finite: for training.

    The slope of the true root is infinite there. Vectors have values around 1.
    """
    return F.normalize(vectors / (vectors.abs() + ROOT_FLOOR).sqrt(), dim=1)


def class_loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy of scores, (n, C): of classes, (n,), or of labels, (n, C), each by itself.

    Labels are 1, 0, or below where unknown, which do not count; without any that is known, the loss is 0.
    """
    if targets.ndim == 1:
        return F.cross_entropy(scores, targets)
    known = targets >= 0
    losses = F.binary_cross_entropy_with_logits(scores[known], targets[known].to(scores), reduction="sum")
    return losses / known.sum().clamp_min(1)


class BlockNormalizer(Stateless):
    """Scale each of `blocks` equally long parts of a vector to unit length; a part of zeros stays as it is."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks

    def transform(self, X: Vectors) -> Vectors:
        parts = X.reshape(len(X), self.blocks, -1)
        norms = np.linalg.norm(parts, axis=2, keepdims=True)
        return np.asarray((parts / np.where(norms > 0, norms, X.dtype.type(1))).reshape(X.shape))


class TernaryQuantizer(Stateless):
    """The coarse quantiser of the paper: values become -1, 0 or +1, packed in two bits each, (n, ceil(d / 4)) bytes.

    A value becomes 0 if its magnitude is at most `threshold` times the mean magnitude of its vector. With a threshold
    of 0 that is the sign, as recalled from the paper; the default did better within the training images of both sets
    that it was tried on (docs/results.md). Packed vectors take a sixteenth of the bytes of float32; `unpack_ternary`
    gives the values back.
    """

    def __init__(self, threshold: float = 1.0) -> None:
        self.threshold = threshold

    def transform(self, X: Vectors) -> Packed:
        least = self.threshold * np.abs(X).mean(axis=1, keepdims=True)
        return pack_ternary(np.greater(X, least).view(np.int8) - np.less(X, -least).view(np.int8))


def pack_ternary(values: NDArray[np.int8]) -> Packed:
    """Values -1, 0 and +1, (n, d), as bytes, (n, ceil(d / 4)). Raises SettingError for other values."""
    if values.size and (values.min() < -1 or values.max() > 1):
        raise SettingError("Only -1, 0 and +1 can be packed in two bits.")
    count, length = values.shape
    codes = np.zeros((count, -(-length // VALUES_PER_BYTE) * VALUES_PER_BYTE), np.uint8)
    unsigned = values.view(np.uint8)  # -1 is 255
    np.add(unsigned & 1, unsigned >> 7, out=codes[:, :length])
    words = codes.view("<u4")
    words *= _GATHER
    words >>= 24
    return words.astype(np.uint8)


def unpack_ternary(packed: Packed, length: int | None = None) -> NDArray[np.int8]:
    """The first `length` values of each packed vector, (n, length), or all of them."""
    words = np.empty(packed.shape, np.uint32)
    for row, codes in zip(words, packed, strict=True):  # one by one, as NumPy makes indices of 8 bytes
        np.take(_WORDS, codes, out=row, mode="clip")
    return words.view(np.int8)[:, :length]
