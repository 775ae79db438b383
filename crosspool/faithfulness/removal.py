"""The scores of many remainders of one image at once: some of its channels kept, or more and more of its positions.

Both are what `Explanation.without_channels` and `without_positions` compute one by one, in single precision. Instead of
positions, cells of the image's pixels can be hidden.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sklearn.preprocessing import Normalizer

from crosspool.backbones import Backbone
from crosspool.classifiers import LinearClassifier
from crosspool.contributions import Explanation
from crosspool.encoding import BlockNormalizer, SignedPower
from crosspool.errors import SettingError
from crosspool.framing import frame_image
from crosspool.grids import Size
from crosspool.methods import parts_and_rest

Scores = NDArray[np.float64]
Pooled = NDArray[np.float32]
Fill = Literal["blur", "mean"]
BLUR = 1 / 16  # the standard deviation over the side, which makes a small bird unrecognisable
ENCODE_BATCH = 8  # vectors that are encoded together: more would not stay in the processor's cache


def keeping_channels(explanation: Explanation, remaining: NDArray[np.bool_]) -> Scores:
    """The classes' scores, (n, L), when only those channels are kept, (n, K), and the vector is normalised again.

    Where all steps behind the pooling act on each channel's block by itself, or scale a whole part, the scores follow
    from what each channel adds to them, w_lk . phi_k, and from the lengths |phi_k|.
    """
    if not _acts_on_each_channel(explanation):
        return np.stack([explanation.without_channels(np.flatnonzero(~channels)) for channels in remaining])
    added, energy = _by_channel(explanation)
    total, length = np.zeros((len(remaining), len(added))), np.zeros((len(remaining), 1))
    ends = np.cumsum([part.channels for part in explanation.parts])
    for each in np.split(np.arange(ends[-1]), ends[:-1]):
        left = remaining[:, each] @ energy[each][:, None]  # (n, 1)
        remains = left > 0
        scale = np.sqrt(energy[each].sum() / np.where(remains, left, 1)) * remains  # a part has the same length again
        total += scale * (remaining[:, each] @ added[:, each].T)
        length += remains * energy[each].sum()
    scores: Scores = total / np.sqrt(np.where(length > 0, length, 1)) + explanation.classifier.intercept
    return scores


def _acts_on_each_channel(explanation: Explanation) -> bool:
    """Whether no step joins numbers of several channels, but to scale a whole part."""
    encoders, rest = parts_and_rest(explanation.classifier.encoder)
    return all(isinstance(step, Normalizer) for step in rest) and all(
        isinstance(step, SignedPower | Normalizer)
        or (isinstance(step, BlockNormalizer) and step.blocks == part.channels)
        for part, encoder in zip(explanation.parts, encoders, strict=True)
        for step in encoder[1:]
    )


def _by_channel(explanation: Explanation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each channel adds to each class's score, (L, K), and the squared length of its block of phi(P), (K,)."""
    vector, weights = explanation.vector.astype(np.float32), explanation.classifier.weights
    added, energy, start = [], [], 0
    for part in explanation.parts:
        end = start + part.pooled.size
        blocks = vector[start:end].reshape(part.channels, -1)
        added.append(np.einsum("lkd,kd->lk", weights[:, start:end].reshape(len(weights), *blocks.shape), blocks))
        energy.append(np.square(blocks).sum(axis=1))
        start = end
    return np.concatenate(added, axis=1, dtype=np.float64), np.concatenate(energy, dtype=np.float64)


class Positions:
    """An image's positions, numbered row by row on the grid of `Contributions.positions`, to be put in step by step.

    Raises SettingError where positions are not known.
    """

    def __init__(self, explanation: Explanation) -> None:
        self.grid: Size = max(part.grid for part in explanation.parts)
        self._explanation = explanation
        self._parts = [_SumPart.of(part) or _AnyPart(part) for part in explanation.parts]

    def both_ways(self, ranking: NDArray[np.intp], counts: NDArray[np.intp]) -> tuple[Scores, Scores]:
        """The classes' scores, (n, L) each: when only the first of the ranked positions are pooled, and when these are
        left out; for increasing numbers of them, from none to all."""
        steps = [ranking[start:end] for start, end in pairwise(counts)]
        return self._growing(steps), self._growing(steps[::-1])[::-1]

    def _growing(self, steps: Sequence[NDArray[np.intp]]) -> Scores:
        """The scores of nothing, and behind each step of all positions so far."""
        masks = np.zeros((len(steps) + 1, self.grid[0] * self.grid[1]), bool)
        for number, step in enumerate(steps, 1):
            masks[number:, step] = True
        pooled = zip(*(part.pooled(masks.reshape(-1, *self.grid)) for part in self._parts), strict=True)
        scores = []
        while some := list(islice(pooled, ENCODE_BATCH)):
            scores.append(self._explanation.rescored([np.stack(rows) for rows in zip(*some, strict=True)]))
        return np.concatenate(scores)


class _AnyPart:
    """A part of which only its way of pooling is known."""

    def __init__(self, part: Any) -> None:
        self._part = part
        self._map, self._pool = part.map_and_pool()

    def pooled(self, masks: NDArray[np.bool_]) -> Iterator[Pooled]:
        """P, (K * d,), of what lies under each of the masks, (n, H, W)."""
        for mask in masks:
            yield self._pool(self._map * self._part.covered(mask)).float().numpy()


class _SumPart:
    """A part with P_k = sum_i a_ik x_i, to which only the new terms are added.

    Sums begin at zero, as differences leave rounding errors, which a root and a normaliser make large.
    """

    def __init__(self, part: Any, patches: torch.Tensor) -> None:
        self._part = part
        self._weights = _by_position(part.map_and_pool()[0]).float().numpy()  # (V * N, K)
        self._patches = patches.float().numpy()  # (V * N, d)

    @classmethod
    def of(cls, part: Any) -> "_SumPart | None":
        """None where P is no such sum (max); x_i is what a map of a single 1 pools."""
        weights, pool = part.map_and_pool()
        views, _, rows, columns = weights.shape
        count = views * rows * columns
        single = torch.eye(count, dtype=weights.dtype).view(count, views, rows, columns).movedim(0, 1)
        patches = pool(single).view(count, -1)
        if patches.shape[1] * part.channels != part.pooled.size:
            return None
        total = (_by_position(weights).T @ patches).flatten().numpy()
        is_sum = np.allclose(total, part.pooled, rtol=1e-6, atol=1e-6 * np.abs(part.pooled).max())
        return cls(part, patches) if is_sum else None

    def pooled(self, masks: NDArray[np.bool_]) -> Iterator[Pooled]:
        """P, (K * d,), of what lies under each of the masks, (n, H, W), each of which holds the one before."""
        before: NDArray[np.float32] = np.zeros(len(self._weights), np.float32)
        total = np.zeros((self._weights.shape[1], self._patches.shape[1]), np.float32)
        for mask in masks:
            covered = self._part.covered(mask).flatten().float().numpy()
            new = np.flatnonzero(covered != before)
            if len(new):
                total = total + (self._weights[new] * (covered - before)[new, None]).T @ self._patches[new]
            before = covered
            yield total.ravel()


def _by_position(maps: torch.Tensor) -> torch.Tensor:
    """(V, K, H, W) as (V * N, K)."""
    return maps.movedim(1, 3).flatten(0, 2)


# --- cells of pixels, for which the network runs again


def filled(image: Image.Image, fill: Fill) -> Image.Image:
    """The replacement for hidden pixels: the image blurred beyond recognition, or its mean colour everywhere."""
    if fill == "blur":
        return image.filter(ImageFilter.GaussianBlur(BLUR * image.width))
    colour = np.asarray(image).reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
    return Image.new("RGB", image.size, tuple(colour))


def showing(image: Image.Image, hidden: Image.Image, cells: NDArray[np.bool_]) -> Image.Image:
    """The image in some cells of a grid over it, (H, W), and the hidden pixels' replacement in the others."""
    return Image.composite(image, hidden, mask_of(cells, (image.height, image.width)))


def mask_of(cells: NDArray[np.bool_], size: Size) -> Image.Image:
    """Cells as a mask of pixels: a pixel belongs to the cell that its centre lies in."""
    rows, columns = (
        (np.arange(pixels) * 2 + 1) * count // (2 * pixels) for pixels, count in zip(size, cells.shape, strict=True)
    )
    return Image.fromarray((cells[np.ix_(rows, columns)] * 255).astype(np.uint8))


class Pixels:
    """An image whose cells of pixels are shown or hidden, as a classifier sees it.

    Raises SettingError where the classifier sees a crop, as what was framed would be cropped once more.
    """

    def __init__(
        self, classifier: LinearClassifier, backbone: Backbone, image: Image.Image, grid: Size, fill: Fill
    ) -> None:
        method = classifier.method
        if method.framing != "squash":
            raise SettingError(
                "Pixels can only be hidden from a classifier that sees the whole image; train with squash framing."
            )
        size = max(source.size for source in method.sources)
        self.image = frame_image(image, backbone.spec.preprocessing, size, "squash")
        self.hidden = filled(self.image, fill)
        self._classifier, self._backbone, self._grid = classifier, backbone, grid

    def both_ways(self, ranking: NDArray[np.intp], counts: NDArray[np.intp]) -> tuple[Scores, Scores]:
        """The classes' scores, (n, L) each, when only the first of the ranked cells are shown, and when these are
        hidden."""
        first = [np.isin(np.arange(len(ranking)), ranking[:count]).reshape(self._grid) for count in counts]
        return self._scores(first), self._scores([~cells for cells in first])

    def _scores(self, shown_cells: Sequence[NDArray[np.bool_]]) -> Scores:
        images = [showing(self.image, self.hidden, cells) for cells in shown_cells]
        return np.concatenate([self._classifier.scores([image], self._backbone) for image in images])
