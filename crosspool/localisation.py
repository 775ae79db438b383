"""Do weighting maps find parts? Each map is compared with the mask of a part: pointing game and average precision.

The best channel for each part is chosen on training images, and measured on test images.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.intervals import Interval, bootstrap
from crosspool.grids import Mask, cell_shares, region_precision


@dataclass(frozen=True)
class RegionScores:
    """How well maps find a region of one image, channel by channel: arrays of length D.

    `precision` is the average precision of a map's values against the region's pixels, and `pointing` the share of the
    region in the cell where the map is largest (1 or 0, except for cells that the region covers in part); where several
    are, as under a ceiling, the mean over them. `chance` is the region's share of the image, which an uninformative map
    gets of either.
    """

    precision: NDArray[np.float64]
    pointing: NDArray[np.float64]
    chance: float


def score_region(maps: Tensor, mask: Mask) -> RegionScores:
    """Compare the maps of one image, (D, H, W), with a region of the image that the network saw.

    A cell stands for its pixels: the average precision is that of the map enlarged to the size of the mask. Pixels of
    equal value count together, so that a map of zeros gets exactly the chance level.

    Raises SettingError if the mask is empty.
    """
    share = cell_shares(mask, (maps.shape[1], maps.shape[2])).flatten()
    if not share.any():
        raise SettingError("The mask is empty, so there is nothing to find.")
    values = maps.flatten(1)
    is_peak = (values == values.amax(dim=1, keepdim=True)).double()
    pointing = (share * is_peak).sum(1) / is_peak.sum(1)
    return RegionScores(region_precision(values.numpy(), share.numpy()), pointing.numpy(), float(share.mean()))


@dataclass(frozen=True)
class PartResult:
    """The channel of a layer that finds a part best on training images, and how well it finds it on test images.

    `precision` and `pointing` are means over the `images` test images that show the part, with bootstrap intervals over
    these (None for a single image); the channel was chosen by its `training_precision`.
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
    """The channel of each layer with the best mean average precision on training images, for each part, measured on
    test images.

    Images are read one at a time, and do not count for parts that they do not show. Raises DatasetError if no training
    image or no test image shows a part.
    """
    on_training, on_test = _compared(training, progress), _compared(test, progress)
    missing = on_training.keys() ^ on_test.keys()
    if missing:
        raise DatasetError(f"The part {min(missing)[0]} is visible on one side of the split only; draw more images.")
    results = []
    for (part, layer), scores in on_training.items():
        mean = np.mean([score.precision for score in scores], axis=0)
        channel = int(mean.argmax())
        test_scores = on_test[part, layer]
        precision = _mean_and_interval([score.precision[channel] for score in test_scores])
        pointing = _mean_and_interval([score.pointing[channel] for score in test_scores])
        chance = float(np.mean([score.chance for score in test_scores]))
        best = part, layer, channel, len(test_scores)
        results.append(PartResult(*best, *precision, *pointing, chance, float(mean[channel])))
    return results


def _compared(examples: Iterable[Example], progress: Callable[[], None]) -> _Comparisons:
    comparisons: _Comparisons = {}
    for layers, masks in examples:
        for part in (name for name, mask in masks.items() if mask.any()):
            for layer, maps in layers.items():
                comparisons.setdefault((part, layer), []).append(score_region(maps, masks[part]))
        progress()
    return comparisons


def _mean_and_interval(scores: Sequence[float]) -> tuple[float, Interval | None]:
    values = np.array(scores)
    interval = None if len(values) < 2 else bootstrap(lambda chosen: float(values[chosen].mean()), len(values))
    return float(values.mean()), interval
