"""A mixture of star-shaped models of parts, learned from annotated boxes and found by sliding filters over maps.

A component has a root filter and one filter for each part. The score of a placement of the root is the sum of all
filters' responses, of which each part's is the largest around its usual place after the cost of the displacement
(Felzenszwalb, Girshick, McAllester and Ramanan, PAMI 2010, Eq. 1 to 4). As boxes of the parts are annotated, nothing is
latent on examples (Azizpour and Laptev, ECCV 2012). Departures from both: root and parts share one resolution, each
component is learned by itself, and costs grow with the squares of displacements, without a linear term.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import grey_dilation
from sklearn.cluster import KMeans
from sklearn.svm import SVC
from torch.nn import functional as F

from crosspool.errors import SettingError

SIDE = 16  # cells of the root filter's longer side
MARGIN = 4  # cells of zeros around each map, so that an object at the border fits in
REACH = 4  # cells that a part may be displaced by, along either side
COMPONENTS = 3
ROUNDS = 2  # of collecting the background that looks most like an object
SAMPLE = 500  # images at most that filters are learned on
OVERLAP = 0.5  # a placement with at least this intersection over union is not background
PENALTY = 0.002  # C of the support vector machine, as in Felzenszwalb's
LEAST_SPREAD = 0.25  # cells^2
LEAST_STIFFNESS = 0.01  # as in Felzenszwalb's: a part that displacements cost nothing goes anywhere

Array = NDArray[np.floating[Any]]
Cells = NDArray[np.intp]
Pyramid = Sequence[torch.Tensor]
"""Maps of one image at several sizes, (D, H, W) each, of which all cells are equal parts of the image."""
Responses = list[Array]
"""The inner products of a component's filters, the root first, with all windows of a map: (rows, columns) each."""


@dataclass(frozen=True)
class Placement:
    """Where a component was placed: its score, the level of the pyramid, and the first cells of its filters, (K, 2).

    Cells are rows and columns, counted from the first of the margin.
    """

    score: float
    level: int
    cells: Cells


@dataclass(frozen=True)
class StarModel:
    """C components of K filters each: the root, and P parts.

    `filters` are (C, K, D, SIDE, SIDE), zero beyond their rows and columns, `shapes`, (C, K, 2). `anchors` are the
    parts' usual first cells relative to the root's, (C, P, 2), and `stiffness` is the cost of a displacement by one row
    and by one column, (C, P, 2), which grows with its square. `bias` is added to each component's scores, (C,).
    """

    filters: Array
    shapes: Array
    anchors: Array
    stiffness: Array
    bias: Array

    def detect(self, pyramid: Pyramid) -> Array:
        """The boxes of the root and the parts where the score is highest: (K, 4), left, top, right and bottom.

        They are fractions of the image, and cut off at its border. Raises SettingError where no component fits in.
        """
        best = [(placement, index) for index, placement in enumerate(self.placements(pyramid)) if placement is not None]
        if not best:
            raise SettingError("The model of parts fits into no image; train it again.")
        placement, index = max(best, key=lambda each: each[0].score)
        return boxes_of(placement.cells, self.shapes[index], pyramid[placement.level].shape[1:])

    def placements(self, pyramid: Pyramid, away_from: Array | None = None) -> list[Placement | None]:
        """Each component's best placement, or its best that overlaps a box little; None where there is none."""
        best: list[Placement | None] = [None] * len(self.bias)
        for level, values in enumerate(pyramid):
            for index, responses in enumerate(self.responses(values)):
                scores = self.scores(index, responses)
                if away_from is not None:
                    shape, size = self.shapes[index, 0], values.shape[1:]
                    scores = np.where(_overlaps(scores.shape, shape, size, away_from) < OVERLAP, scores, -np.inf)
                highest, leader = scores.max(initial=-np.inf), best[index]
                if highest > (-np.inf if leader is None else leader.score):
                    root = np.array(np.unravel_index(scores.argmax(), scores.shape))
                    best[index] = Placement(float(highest), level, self.placed(index, responses, root))
        return best

    def responses(self, values: torch.Tensor) -> list[Responses]:
        """What the filters of each component respond to the windows of a map, (D, H, W), and its margin."""
        filters = torch.from_numpy(self.filters).to(values).flatten(0, 1)
        padded = F.pad(values, [MARGIN, MARGIN + SIDE] * 2)  # so that there is a response wherever a filter fits in
        found = F.conv2d(padded[None], filters)[0].cpu().double().numpy()
        counts = (np.add(values.shape[1:], 2 * MARGIN + 1) - self.shapes.astype(np.intp)).clip(0)  # (C, K, 2)
        found = found.reshape(*counts.shape[:2], *found.shape[1:])
        return [
            [response[:rows, :columns] for response, (rows, columns) in zip(*each, strict=True)]
            for each in zip(found, counts, strict=True)
        ]

    def scores(self, index: int, responses: Responses) -> Array:
        """The score of each placement of a component's root, each part placed best."""
        root, *parts = responses
        total = root + self.bias[index]
        for response, anchor, costs in zip(parts, self._anchors(index), self._costs(index), strict=True):
            around = _window(response, anchor - REACH, np.add(root.shape, 2 * REACH))
            for axis in (0, 1):  # the largest after the cost, along one axis after the other
                around = grey_dilation(around, structure=-np.expand_dims(costs[axis], 1 - axis))
            total += around[REACH:-REACH, REACH:-REACH]
        return np.asarray(total)

    def placed(self, index: int, responses: Responses, root: Cells) -> Cells:
        """The first cells of a component's filters, (K, 2), for that of its root."""
        cells = [root]
        for response, anchor, costs in zip(responses[1:], self._anchors(index), self._costs(index), strict=True):
            first = root + anchor - REACH
            around = _window(response, first, (2 * REACH + 1, 2 * REACH + 1)) - costs[0][:, None] - costs[1]
            cells.append(first + np.unravel_index(around.argmax(), around.shape))
        return np.array(cells)

    def _anchors(self, index: int) -> Cells:
        return np.asarray(self.anchors[index], np.intp)

    def _costs(self, index: int) -> Array:
        """What displacements from -REACH to REACH cost each part, by rows and by columns: (P, 2, 2 * REACH + 1)."""
        return np.asarray(self.stiffness[index][..., None] * np.arange(-REACH, REACH + 1) ** 2)


def _window(values: Array, first: Cells, shape: Sequence[int] | Cells) -> Array:
    """A window of values, of which those that lie outside are minus infinity."""
    window = np.full(tuple(shape), -np.inf)
    low, high = np.maximum(first, 0), np.minimum(np.add(first, shape), values.shape)
    if (low < high).all():
        inside = tuple(slice(*ends) for ends in zip(low - first, high - first, strict=True))
        window[inside] = values[tuple(slice(*ends) for ends in zip(low, high, strict=True))]
    return window


def boxes_of(cells: Cells, shapes: Array, size: Sequence[int]) -> Array:
    """The boxes of filters, (K, 4), as fractions of an image of `size` cells: left, top, right and bottom."""
    first, last = ((corner - MARGIN) / size for corner in (cells, cells + shapes))
    return np.concatenate([first[:, ::-1], last[:, ::-1]], axis=1).clip(0, 1)


def _overlaps(placements: Sequence[int], shape: Array, size: Sequence[int], box: Array) -> Array:
    """The intersection over the union of a box of fractions with the root's box at each placement."""
    low, high = (corner[::-1] * size for corner in (box[:2], box[2:]))  # rows first
    firsts = (np.arange(count) - MARGIN for count in placements)
    ends = zip(firsts, shape, low, high, strict=True)
    rows, columns = ((np.minimum(at + length, top) - np.maximum(at, under)).clip(0) for at, length, under, top in ends)
    shared = rows[:, None] * columns
    return np.asarray(shared / (shape.prod() + (high - low).prod() - shared))


# --- learning


def learn(
    pyramid_of: Callable[[int], Pyramid], boxes: Array, components: int = COMPONENTS, seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> StarModel:  # fmt: skip
    """Learn a model from n images, by number, and the boxes of the whole object and its parts, (n, K, 4).

    Images are grouped by pose: the parts' places in the whole, and its aspect. For each group one linear SVM learns all
    filters and how much displacements cost, from the annotated placements against others in all images: drawn ones at
    first, then in each of ROUNDS those that score best so far. At most SAMPLE images are read, one at a time, as often
    as there are kinds of background, which `progress` counts.

    Boxes are fractions of the image: left, top, right and bottom.

    Raises SettingError where there are fewer different poses than components, or no background.
    """
    drawing = np.random.default_rng(seed)
    chosen = np.sort(drawing.permutation(len(boxes))[:SAMPLE])
    boxes = boxes[chosen]
    groups = _pose_groups(boxes, components, seed)
    sizes = np.array([values.shape[1:] for values in pyramid_of(int(chosen[0]))])
    lessons = [_Lesson(boxes[groups == group], sizes) for group in range(components)]
    seen, total = count(1), (1 + ROUNDS) * len(chosen)
    for index, group, annotated in zip(chosen, groups, boxes, strict=True):
        pyramid = pyramid_of(int(index))
        lessons[group].add(pyramid, lessons[group].annotated(annotated), is_object=True)
        for lesson in lessons:
            lesson.add(pyramid, lesson.drawn(annotated[0], drawing))
        progress(next(seen), total)
    for _ in range(ROUNDS):
        model = _learned(lessons)
        for index, annotated in zip(chosen, boxes, strict=True):
            pyramid = pyramid_of(int(index))
            for lesson, placement in zip(lessons, model.placements(pyramid, annotated[0]), strict=True):
                lesson.add(pyramid, placement)
            progress(next(seen), total)
    return _learned(lessons)


def _learned(lessons: Sequence["_Lesson"]) -> StarModel:
    return StarModel(*(np.array(arrays) for arrays in zip(*(lesson.learned() for lesson in lessons), strict=True)))


def _pose_groups(boxes: Array, groups: int, seed: int) -> NDArray[np.int32]:
    """The group of each image, (n,), of similar poses."""
    centres, sizes = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]  # (n, K, 2)
    places = (centres[:, 1:] - centres[:, :1]) / sizes[:, :1]
    poses = np.column_stack([places.reshape(len(boxes), -1), np.log(sizes[:, 0, 0] / sizes[:, 0, 1])])
    if len(np.unique(poses, axis=0)) < groups:
        raise SettingError(f"{groups} poses cannot be learned from {len(boxes)} annotated images; annotate more.")
    labels: NDArray[np.int32] = KMeans(groups, n_init=10, random_state=seed).fit_predict(poses)
    return labels


class _Lesson:
    """What one component learns from: its filters' shapes, and vectors of placements on objects and on background.

    A placement's vector has the windows of all filters, and less the square of each part's displacement over the
    variance of the annotated displacements.
    """

    def __init__(self, boxes: Array, sizes: Cells) -> None:
        """From the annotated boxes of the component's images, (m, K, 4), and the levels' rows and columns."""
        self.sizes = sizes
        lengths = (boxes[..., 2:] - boxes[..., :2])[..., ::-1]  # (m, K, 2), rows first
        typical = np.median(lengths / np.sqrt(lengths[:, 0].prod(axis=1))[:, None, None], axis=0)  # (K, 2)
        self.shapes = np.round(typical * SIDE / typical[0].max()).astype(np.intp).clip(1, SIDE)
        cells = np.array([self.annotated(each).cells for each in boxes])
        offsets = cells[:, 1:] - cells[:, :1]
        self.anchors = np.round(offsets.mean(axis=0)).astype(np.intp)
        self.spread = np.square(offsets - self.anchors).mean(axis=0) + LEAST_SPREAD
        self.vectors: list[NDArray[np.float32]] = []
        self.is_object: list[bool] = []

    def annotated(self, boxes: Array) -> Placement:
        """The placement at annotated boxes, (K, 4), on the level where the whole is nearest to its filter's size."""
        lengths = (boxes[0, 2:] - boxes[0, :2])[::-1] * self.sizes
        level = int(np.abs(np.log(lengths.prod(axis=1) / self.shapes[0].prod())).argmin())
        centres = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, ::-1] * self.sizes[level]
        return self._placement(level, np.round(centres - self.shapes / 2).astype(np.intp) + MARGIN)

    def drawn(self, whole: Array, drawing: np.random.Generator) -> Placement | None:
        """A placement that overlaps the box of the whole little, its parts displaced by any cells; None without one."""
        level = int(drawing.integers(len(self.sizes)))
        size = self.sizes[level]
        overlaps = _overlaps(size + 2 * MARGIN - self.shapes[0] + 1, self.shapes[0], size, whole)
        places = np.argwhere(overlaps < OVERLAP)
        if not len(places):
            return None
        root = places[drawing.integers(len(places))]
        parts = root + self.anchors + drawing.integers(-REACH, REACH + 1, self.anchors.shape)
        return self._placement(level, np.array([root, *parts]))

    def _placement(self, level: int, cells: Cells) -> Placement:
        """The placement at these cells, or at the nearest where the filters fit in."""
        return Placement(0.0, level, cells.clip(0, self.sizes[level] + 2 * MARGIN - self.shapes))

    def add(self, pyramid: Pyramid, placement: Placement | None, *, is_object: bool = False) -> None:
        """Let the component learn from a placement, if there is one."""
        if placement is None:
            return
        padded = F.pad(pyramid[placement.level], [MARGIN] * 4)
        windows = [
            padded[:, row : row + rows, column : column + columns].flatten().cpu().numpy()
            for (row, column), (rows, columns) in zip(placement.cells, self.shapes, strict=True)
        ]
        displaced = placement.cells[1:] - placement.cells[0] - self.anchors
        costs = (displaced**2 / self.spread).sum(axis=1)
        self.vectors.append(np.concatenate([*windows, -costs], dtype=np.float32))
        self.is_object.append(is_object)

    def learned(self) -> tuple[Array, ...]:
        """What is learned so far: the arrays of a `StarModel` for this component."""
        if all(self.is_object):
            problem = "The annotated objects fill their images, so that no background is left to learn from"
            raise SettingError(f"{problem}; add images that show more around the object.")
        vectors = np.array(self.vectors)
        machine = SVC(C=PENALTY, kernel="precomputed").fit((vectors @ vectors.T).astype(np.float64), self.is_object)
        weights = machine.dual_coef_[0].astype(np.float32) @ vectors[machine.support_]
        cells = self.shapes.prod(axis=1)
        depth = (len(weights) - len(self.anchors)) // cells.sum()
        *windows, stiffness = np.split(weights, depth * cells.cumsum())
        filters = np.zeros((len(windows), depth, SIDE, SIDE), np.float32)
        for each, window, (rows, columns) in zip(filters, windows, self.shapes, strict=True):
            each[:, :rows, :columns] = window.reshape(depth, rows, columns)
        costs = np.maximum(stiffness[:, None], LEAST_STIFFNESS) / self.spread
        return filters, self.shapes.astype(np.float64), self.anchors.astype(np.float64), costs, machine.intercept_[0]
