"""Second-order poolings of local features, the descendants of bilinear pooling: products of channels, summed.

All are steps of an encoder, as those of `crosspool.encoding`: from records to vectors that are not normalised yet.
Sums are in double precision: products of both signs cancel, and the root of what is left would magnify its error.
"""

from collections.abc import Hashable

import numpy as np
import torch
from torch import Tensor

from crosspool.encoding import OneMapStep, Records, Stateless, Vectors
from crosspool.layer_pairs import Geometry
from crosspool.pooling import local_features

ITERATIONS = 5  # of Newton and Schulz, as in the paper
MOST_NUMBERS = 2**22  # of the count sketches that are held at once: 32 MiB


class BilinearPooling(OneMapStep):
    """Records to the products of all channels with all, averaged over the positions: (n, D * D).

    sum_i x_i x_i^T / N over the positions i of one map (Lin, RoyChowdhury and Maji, ICCV 2015, with one network for
    both streams).
    """

    def __init__(self, source: Hashable) -> None:
        self.source = source

    def pool(self, views: Tensor) -> Tensor:
        """The products of one map, (V, D, H, W), flattened."""
        units = _units(views)
        return (units @ units.T / units.shape[1]).flatten().to(views.dtype)


class ISqrtCovariance(OneMapStep):
    """Records to the square root of the covariance of a map's local features, by its upper triangle: (n, D(D+1)/2).

    By `iterations` of Newton and Schulz on the covariance over its trace, scaled back by the square root of the trace
    (Li, Xie, Wang and Gao, CVPR 2018, Eq. 3 to 5). The paper first reduces the channels to 256 by a layer that it
    trains; here all channels of the map are taken.
    """

    def __init__(self, source: Hashable, iterations: int = ITERATIONS) -> None:
        self.source = source
        self.iterations = iterations

    def pool(self, views: Tensor) -> Tensor:
        """The upper triangle of one map, (V, D, H, W), row by row; zeros for a map without variance."""
        units = _units(views)
        centred = units - units.mean(dim=1, keepdim=True)
        covariance = centred @ centred.T / units.shape[1]
        rows, columns = torch.triu_indices(len(units), len(units), device=units.device)
        trace = covariance.trace()
        if trace <= 0:
            return views.new_zeros(len(rows))
        root, inverse = covariance / trace, torch.eye(len(units), dtype=units.dtype, device=units.device)
        three = 3 * inverse
        for _ in range(self.iterations):
            step = (three - inverse @ root) / 2
            root, inverse = root @ step, step @ inverse
        return (trace.sqrt() * root)[rows, columns].to(views.dtype)


class TensorSketch(Stateless):
    """Records to a sketch, (n, length), of the outer products of two kinds of local features, summed over positions.

    The inner product of two sketches is on average that of the products themselves, with a variance that falls with
    the length: sum_i count(a_i) * count'(x_i), where * is the circular convolution of two count sketches (Pham and
    Pagh, KDD 2013; as compact bilinear pooling, Gao, Beijbom, Zhang and Darrell, CVPR 2016). With the rectified upper
    map as a and the patches of the lower one as x it is a sketch of Eq. 1's P. Without a `geometry` both maps are taken
    as they are: with one for both, it is a sketch of what bilinear pooling averages. The counts are drawn from
    `random_state`, and depend on no image.
    """

    def __init__(
        self, upper: Hashable, lower: Hashable, geometry: Geometry | None, length: int, random_state: int = 0
    ) -> None:
        self.upper = upper
        self.lower = lower
        self.geometry = geometry
        self.length = length
        self.random_state = random_state

    is_seeded = True

    def transform(self, X: Records) -> Vectors:
        maps = ([torch.as_tensor(record[name]) for name in (self.upper, self.lower)] for record in X)
        return np.stack([self.pool(upper, lower).cpu().numpy() for upper, lower in maps])

    def pool(self, upper: Tensor, lower: Tensor) -> Tensor:
        """The sketch of one image from its maps, (V, D, H, W)."""
        if self.geometry is None:
            weights, features = _units(upper), _units(lower)
        else:
            weights, features = _units(upper.clamp_min(0)), _columns(local_features(lower, **self.geometry))
        counts = np.random.default_rng(self.random_state)
        left, right = (self._drawn(len(units), counts) for units in (weights, features))
        total = torch.zeros(self.length // 2 + 1, dtype=torch.complex128)
        at_once = max(1, MOST_NUMBERS // self.length)
        for some, others in zip(weights.split(at_once, dim=1), features.split(at_once, dim=1), strict=True):
            total += (self._counted(some, *left) * self._counted(others, *right)).sum(dim=1)
        sketch: Tensor = torch.fft.irfft(total, n=self.length).to(upper.dtype)
        return sketch

    def _drawn(self, channels: int, counts: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The place and the sign of each channel."""
        places, signs = counts.integers(self.length, size=channels), counts.choice([-1.0, 1.0], channels)
        return torch.from_numpy(places), torch.from_numpy(signs)

    def _counted(self, units: Tensor, places: Tensor, signs: Tensor) -> Tensor:
        """The Fourier transform of each position's count sketch: channels are added to their places, with signs."""
        sketches = units.new_zeros(self.length, units.shape[1]).index_add(0, places, signs[:, None] * units)
        spectra: Tensor = torch.fft.rfft(sketches, dim=0)
        return spectra


def _units(views: Tensor) -> Tensor:
    """The local features of a map's views, (V, D, H, W), as columns: (D, V * H * W)."""
    return _columns(views.flatten(2))


def _columns(features: Tensor) -> Tensor:
    """(V, D, N) as (D, V * N), in double precision; on the CPU, as Apple's MPS has none."""
    return features.transpose(0, 1).flatten(1).cpu().double()
