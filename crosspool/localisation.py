"""Do weighting maps find parts? Each map against the mask of a part: pointing game and average precision.

For each part the best channel is chosen on training images, and measured on other ones.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.intervals import Interval, bootstrap
from crosspool.grids import Mask, cell_shares


@dataclass(frozen=True)
class RegionScores:
    """How well maps find a region of one image, channel by channel: arrays of length D.

    `precision` is the average precision of a map's values against the region's pixels, and `pointing` the share of the
    region in the cell where the map is largest (1 or 0 but for cells that the region only touches). `chance` is the
    region's share of the image, which is what a map that knows nothing gets of either.
    """

    precision: NDArray[np.float64]
    pointing: NDArray[np.float64]
    chance: float


def score_region(maps: Tensor, mask: Mask) -> RegionScores:
    """Compare the maps of one image, (D, H, W), with a region of the image that the network saw.

    A cell stands for its pixels: the average precision is that of the map blown up to the mask's size, pixels of equal
    value entering together, so that a map of zeros gets exactly the chance level.

    Raises SettingError for an empty mask.
    """
    share = cell_shares(mask, (maps.shape[1], maps.shape[2])).flatten()
    if not share.any():
        raise SettingError("The mask is empty, so there is nothing to find.")
    negative, order = maps.flatten(1).double().neg().contiguous().sort(dim=1, stable=True)  # (D, N), largest first
    hits = share[order].cumsum(1)
    cells = torch.arange(1, negative.shape[1] + 1, dtype=torch.float64)
    end = torch.searchsorted(negative, negative, right=True) - 1  # the last cell with the same value
    precision = (hits / cells).gather(1, end)
    gained = share[order] / share.sum()
    return RegionScores((precision * gained).sum(1).numpy(), share[order[:, 0]].numpy(), float(share.mean()))


@dataclass(frozen=True)
class PartResult:
    """The channel of a layer that finds a part best on training images, and how well it finds it on other images.

    `precision` and `pointing` are means over the `images` test images that show the part, with bootstrap intervals over
    these (None of a single one); `training_precision` is what the channel was chosen by.
    """

    part: str
    layer: str
    channel: int
    images: int
    precision: float
    precision_interval: Interval | None
    pointing: float
    pointing_interval: Interval | None
    chance: float
    training_precision: float


Example = tuple[dict[str, Tensor], dict[str, Mask]]
"""An image's maps of several layers, (D, H, W) each, and the masks of its parts."""
_Comparisons = dict[tuple[str, str], list[RegionScores]]  # by part and layer


def find_best_channels(
    training: Iterable[Example], test: Iterable[Example], progress: Callable[[], None] = lambda: None
) -> list[PartResult]:
    """For each part the best channel of each layer by mean average precision on the training images, measured on the
    test images.

    Images are read one at a time, and those in which a part cannot be seen do not count for it. Raises DatasetError
    where a part is seen in no training or no test image.
    """
    on_training, on_test = _compared(training, progress), _compared(test, progress)
    missing = on_training.keys() ^ on_test.keys()
    if missing:
        raise DatasetError(f"The part {min(missing)[0]} is visible on one side of the split only; draw more images.")
    results = []
    for (part, layer), scores in on_training.items():
        mean = np.mean([score.precision for score in scores], axis=0)
        channel = int(mean.argmax())
        precision = np.array([score.precision[channel] for score in on_test[part, layer]])
        pointing = np.array([score.pointing[channel] for score in on_test[part, layer]])
        results.append(
            PartResult(
                part,
                layer,
                channel,
                len(precision),
                float(precision.mean()),
                _interval(precision),
                float(pointing.mean()),
                _interval(pointing),
                float(np.mean([score.chance for score in on_test[part, layer]])),
                float(mean[channel]),
            )
        )
    return results


def _compared(examples: Iterable[Example], progress: Callable[[], None]) -> _Comparisons:
    comparisons: _Comparisons = {}
    for layers, masks in examples:
        for part in (name for name, mask in masks.items() if mask.any()):
            for layer, maps in layers.items():
                comparisons.setdefault((part, layer), []).append(score_region(maps, masks[part]))
        progress()
    return comparisons


def _interval(values: NDArray[np.float64]) -> Interval | None:
    return None if len(values) < 2 else bootstrap(lambda chosen: float(values[chosen].mean()), len(values))
