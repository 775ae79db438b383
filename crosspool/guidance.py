"""Weighting maps that are learned from class labels: cross-layer pooling under guides, on a network that stays fixed.

By its abstract, the second scheme of Liu, Shen and van den Hengel, TPAMI 2017, trains a convolution on top of the
fully-connected activations of dense regions, to guide their pooling. How, could not be read here: what is below is the
simplest reading, not the paper's recipe.
"""

from collections.abc import Callable, Hashable
from math import isfinite
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from crosspool.encoding import (
    LOGIT_SCALE,
    PCA_SAMPLE_SIZE,
    CrossLayerPooling,
    LearnedArray,
    Lessons,
    Record,
    Records,
    ShapeOf,
    class_loss,
    columns_of,
    unit_root,
)
from crosspool.errors import SettingError
from crosspool.layer_pairs import Geometry
from crosspool.tracing import BETWEEN_NODES

MOST_NUMBERS = 2**28  # of the maps that are held in memory to learn from: 1 GiB
HELD_SHARE = 5  # one in so many training images is held out, to stop early
EPOCHS, PATIENCE = 60, 5
BATCH = 32
FIRST_NOISE = 0.1
LEARNING_RATE = 0.003  # tried within the training images of one split of birds


class GuidedPooling(CrossLayerPooling):
    """Records to P under `guides` learned maps instead of the upper layer's own: (n, guides * n_components).

    A guide is a 1x1 convolution of the map `upper` with ReLU: g_i = max(0, w . a_i + b). Guides are trained by gradient
    descent (Adam) together with a linear softmax on the pooled vector, with the signed root and unit length that the
    classifier sees later on, or by logistic losses where images have several labels. One in five training images is
    held out, and the guides of the epoch that does best on these are kept; the softmax is dropped. Local features are
    projected on principal components first, without which there would be too much to learn from few images.

    Learns from as many training images as fit in 1 GiB, a seeded sample of them.

    Raises SettingError without the targets of the training images, where no loss is finite, and as CrossLayerPooling.
    """

    guides_: NDArray[np.float32]  # (guides, D_{t+1} + 1), the intercepts b last
    n_components: int

    def __init__(
        self,
        lower: Hashable,
        upper: Hashable,
        geometry: Geometry,
        n_components: int,
        guides: int,
        sample: int = PCA_SAMPLE_SIZE,
        random_state: int = 0,
    ) -> None:
        super().__init__(lower, upper, geometry, n_components, sample, random_state)
        self.guides = guides

    @property
    def is_taught(self) -> bool:
        return True

    def fit(self, X: Records, y: Any = None) -> Self:
        if not isinstance(y, Lessons):
            raise SettingError("Guides are learned from the classes of training images, which are not given.")
        super().fit(X)
        numbers = sum(map(Tensor.numel, self._maps(X[0])))
        images = np.random.default_rng(self.random_state).permutation(len(X))[: max(1, MOST_NUMBERS // numbers)]
        features, maps = (torch.stack(each) for each in zip(*(self._maps(X[int(i)]) for i in images), strict=True))
        targets = y.targets[images]
        guides = learned_guides(features, maps, targets, self.guides, self.random_state, progress=y.progress)
        self.guides_ = guides.numpy()
        return self

    def _maps(self, record: Record) -> tuple[Tensor, Tensor]:
        """The projected local features of an image, (n_components, N), and its upper map, (D_{t+1}, N)."""
        patches = columns_of(record, self.lower, self.geometry).cpu().float()
        components, mean = torch.from_numpy(self.components_), torch.from_numpy(self.mean_)
        upper = torch.as_tensor(record[self.upper]).cpu().transpose(0, 1).flatten(1)
        return components @ (patches - mean[:, None]), upper.float()

    def weighting(self, upper: Tensor) -> Tensor:
        """The guides' maps, (V, guides, H, W)."""
        guides = torch.from_numpy(self.guides_).to(upper)
        return F.conv2d(upper, guides[:, :-1, None, None], guides[:, -1]).relu()

    def learned_arrays(self, shape_of: ShapeOf) -> dict[str, LearnedArray]:
        shape = (self.guides, shape_of(self.upper)[0] + 1)
        return super().learned_arrays(shape_of) | {"guides_": LearnedArray(shape, 1e8)}


def learned_guides(
    features: Tensor, maps: Tensor, targets: NDArray[np.intp], count: int, seed: int, *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:  # fmt: skip
    """Guides of upper maps, (count, D + 1), that tell images apart; the last column is the intercept.

    Args:
        features: The local features of n images, (n, d, N).
        maps: Their upper maps, (n, D, N), which are overwritten.
        targets: Their classes, (n,), or labels, (n, L): 1, 0, or below where unknown.
        count: How many guides to learn.
        seed: Of the first guides, of which images are held out, and of their order.
        progress: Is told how many images were learned from in all epochs, of at most how many.

    Returns:
        Tensor: The guides of the epoch with the smallest loss on the images that were held out.

    Raises SettingError where no loss is finite.
    """
    generator = torch.Generator().manual_seed(seed)
    scale, unit = _root_mean_square(maps), _root_mean_square(features)
    maps /= scale
    depth, labels = maps.shape[1], _labels(targets)
    guides = FIRST_NOISE * torch.randn(count, depth + 1, generator=generator) / depth**0.5
    guides[:, -1] = 1  # at first nearly even maps, under which P is the sum of all local features
    outputs = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    machine = torch.randn(count * features.shape[1] + 1, outputs, generator=generator) / LOGIT_SCALE
    parameters = [guides.requires_grad_(), machine.requires_grad_()]
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE)
    order = torch.randperm(len(maps), generator=generator)
    held, taught = order[: len(maps) // HELD_SHARE], order[len(maps) // HELD_SHARE :]
    held = held if len(held) else taught

    def loss_of(images: Tensor) -> Tensor:
        BETWEEN_NODES.get()()  # where others go first, or the job is cancelled
        vectors = _pooled(features[images] / unit, maps[images], guides)
        return class_loss(LOGIT_SCALE * vectors @ machine[:-1] + machine[-1], labels[images])

    kept: Tensor = guides.detach().clone()
    best, waited = float("inf"), 0
    for epoch in range(EPOCHS):
        for batch in taught[torch.randperm(len(taught), generator=generator)].split(BATCH):
            optimizer.zero_grad()
            loss_of(batch).backward()
            optimizer.step()
        with torch.no_grad():
            loss = sum(float(loss_of(batch)) * len(batch) for batch in held.split(BATCH))
        progress((epoch + 1) * len(taught), EPOCHS * len(taught))
        waited += 1
        if loss < best:
            best, kept, waited = loss, guides.detach().clone(), 0
        elif waited == PATIENCE:
            break
    if not isfinite(best):
        raise SettingError("Guides cannot be learned from these images: the loss is not finite; check their maps.")
    kept[:, :-1] /= scale
    return kept


def _root_mean_square(values: Tensor) -> float:
    return float(values.square().mean().sqrt()) or 1.0


def _labels(targets: NDArray[np.intp]) -> Tensor:
    """Classes, numbered without gaps, or labels as they are."""
    return torch.from_numpy(targets if targets.ndim == 2 else np.unique(targets, return_inverse=True)[1])


def _pooled(features: Tensor, maps: Tensor, guides: Tensor) -> Tensor:
    """The vectors of images, of unit length, (n, guides * d), with a signed root that can be differentiated at 0."""
    weights = (guides[:, :-1] @ maps + guides[:, -1:]).relu()  # (n, guides, N)
    pooled = (weights @ features.transpose(1, 2) / maps.shape[2]).flatten(1)
    return unit_root(pooled)
