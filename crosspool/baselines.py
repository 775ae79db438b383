"""The baselines of cross-layer pooling: fully-connected activations, and a single map pooled."""

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import label
from sklearn.preprocessing import normalize
from torch.nn import functional as F

from crosspool.encoding import OneMapStep, Records, SignedPower, Stateless, Vectors

PYRAMID_LEVELS = (1, 2, 4)  # cells per side: 21 cells in all


class MeanOverViews(Stateless):
    """Records to the mean of a vector over an image's views: (n, d).

    With `exponent`, the vector of each view first gets the signed power and unit length. Under a linear classifier the
    mean of the views' scores is the score of their mean, so at test time this is CNNaug-SVM (Razavian et al., CVPRW
    2014, section 3.6), which sums the scores and squares with the sign; in training it replaces the views, which that
    paper uses as separate images.
    """

    def __init__(self, source: Hashable, exponent: float | None = None) -> None:
        self.source = source
        self.exponent = exponent

    def transform(self, X: Records) -> Vectors:
        views = [torch.as_tensor(record[self.source]).cpu().numpy() for record in X]
        if self.exponent is not None:
            views = [normalize(SignedPower(self.exponent).transform(vectors)) for vectors in views]
        return np.stack([vectors.mean(axis=0) for vectors in views])


class OneMapPooling(OneMapStep):
    """A step whose vector grows in proportion to the map, channel by channel: (n, D * d).

    That lets a score be split among channels and positions.
    """


class MapPooling(OneMapPooling):
    """Records to one map pooled over the cells of grids of `levels` cells per side: (n, D * sum of levels^2).

    The levels (1,) pool over the whole map: direct sum, or direct max. More levels are a spatial pyramid (Lazebnik et
    al., CVPR 2006), whose cells overlap by a row where the map cannot be divided evenly.
    """

    def __init__(self, source: Hashable, reduction: Literal["sum", "max"], levels: Sequence[int] = (1,)) -> None:
        self.source = source
        self.reduction = reduction
        self.levels = levels

    def pool(self, views: torch.Tensor) -> torch.Tensor:
        """The vector of one image from its map, (V, D, H, W)."""
        if self.reduction == "max":
            cells = [F.adaptive_max_pool2d(views, level).amax(0) for level in self.levels]
        else:
            area = views.shape[2] * views.shape[3]
            cells = [F.adaptive_avg_pool2d(views, level).sum(0) * (area / level**2) for level in self.levels]
        return torch.cat([cell.flatten(1) for cell in cells], dim=1).flatten()


class GeneralizedMean(OneMapPooling):
    """Records to the generalised mean of each channel of the rectified map: (n, D).

    (sum_i a_ik ** p / N) ** (1 / p) over the N positions (GeM: Radenovic, Tolias and Chum, TPAMI 2019, Eq. 3): the mean
    for p = 1, and the maximum as p grows. The paper learns p; 3 is what it usually comes to.
    """

    def __init__(self, source: Hashable, p: float = 3.0) -> None:
        self.source = source
        self.p = p

    def pool(self, views: torch.Tensor) -> torch.Tensor:
        """The vector of one image from its map, (V, D, H, W)."""
        values = views.clamp_min(0).transpose(0, 1).flatten(1)
        norms: torch.Tensor = torch.linalg.vector_norm(values, self.p, dim=1)
        return norms / float(values.shape[1] ** (1 / self.p))


class SelectedPooling(OneMapPooling):
    """Records to the mean and the maximum of each channel where the main object is thought to be: (n, 2 * D).

    That is the largest connected region (of eight neighbours) of the positions whose sum over all channels is above the
    mean of these sums; no label is needed (SCDA: Wei, Luo, Wu and Zhou, TIP 2017, Eq. 1 to 5, without its mask of an
    earlier layer and its mirror image). A map whose sums are all equal is taken whole. The mean of each channel stands
    beside its maximum.
    """

    def __init__(self, source: Hashable) -> None:
        self.source = source

    def pool(self, views: torch.Tensor) -> torch.Tensor:
        """The vector of one image from its map, (1, D, H, W)."""
        sums = views.detach().sum(dim=1)[0]
        selected = torch.from_numpy(_largest_region((sums > sums.mean()).cpu().numpy())).to(views.device)
        values = views[0][:, selected]
        return torch.stack([values.mean(dim=1), values.amax(dim=1)], dim=1).flatten()


def _largest_region(mask: np.ndarray) -> np.ndarray:
    """The largest connected region of a mask, (H, W), the first of several; everything where nothing is set."""
    if not mask.any():
        return np.ones_like(mask)
    regions, _ = label(mask, np.ones((3, 3)))
    largest: np.ndarray = regions == np.bincount(regions[mask]).argmax()
    return largest


class TurnNormalizer(Stateless):
    """Scale each of `count` vectors whose numbers take turns to unit length; one of zeros stays as it is."""

    def __init__(self, count: int) -> None:
        self.count = count

    def transform(self, X: Vectors) -> Vectors:
        vectors = X.reshape(len(X), -1, self.count)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray((vectors / np.where(norms > 0, norms, X.dtype.type(1))).reshape(X.shape))
