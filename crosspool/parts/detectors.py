"""Linear detectors of parts, learned from windows of training images, one for each part."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from crosspool.errors import SettingError
from crosspool.framing import Rectangle
from crosspool.parts.windows import Values, Windows, zone_means

SAME, OTHER = 0.7, 0.3  # overlaps with the true box of a positive window, at least, and of a negative one, below
POSITIVES, NEGATIVES, HARD = 20, 40, 20  # windows of each training image, at most


class Examples:
    """Windows to learn one part's detector from."""

    def __init__(self, name: str, windows: Windows, random: np.random.Generator) -> None:
        self.name = name
        self._windows = windows
        self._random = random
        self._features: list[NDArray[np.float32]] = []
        self._is_part: list[bool] = []

    def add(self, maps: Values, box: Rectangle | None) -> None:
        """Add an image's true box, windows on it, and windows elsewhere; None where the part cannot be seen."""
        overlaps = self._overlaps(box)
        near = self._some(np.flatnonzero(overlaps >= SAME), POSITIVES)
        far = self._some(np.flatnonzero(overlaps < OTHER), NEGATIVES)
        self._take(maps, [*([] if box is None else [box]), *self._windows.boxes(near)], is_part=True)
        self._take(maps, self._windows.boxes(far), is_part=False)

    def add_hard(self, maps: Values, box: Rectangle | None, scores: Values) -> None:
        """Add the windows elsewhere that have the highest of an image's scores, (windows,)."""
        far = np.flatnonzero(self._overlaps(box) < OTHER)
        self._take(maps, self._windows.boxes(far[np.argsort(-scores[far], kind="stable")[:HARD]]), is_part=False)

    def detector(self, C: float) -> Values:
        """The intercept and the weights of the detector, (1 + Z * D,). Raises SettingError without the part."""
        if not any(self._is_part):
            raise SettingError(f"No training image shows the part {self.name}; train on more images.")
        machine = LogisticRegression(C=C, class_weight="balanced", max_iter=200)
        machine.fit(np.concatenate(self._features), self._is_part)
        return np.concatenate([machine.intercept_, machine.coef_[0]]).astype(np.float64)

    def _overlaps(self, box: Rectangle | None) -> Values:
        return np.zeros(self._windows.count) if box is None else self._windows.overlaps(box)

    def _some(self, indices: NDArray[np.intp], most: int) -> NDArray[np.intp]:
        return indices if len(indices) <= most else self._random.choice(indices, most, replace=False)

    def _take(self, maps: Values, boxes: Values | Sequence[Rectangle], *, is_part: bool) -> None:
        if len(boxes):
            self._features.append(zone_means(maps, np.asarray(boxes)).astype(np.float32))
            self._is_part += [is_part] * len(boxes)


def learned_detectors(
    maps_of: Callable[[int], Values], boxes: Sequence[Mapping[str, Rectangle]], names: Sequence[str], windows: Windows,
    C: float, seed: int, progress: Callable[[int, int], None] = lambda done, total: None,
) -> Values:  # fmt: skip
    """The detectors of parts with these names, (P, 1 + Z * D), from images' maps, (D, H, W), and their true boxes.

    `maps_of` gives the maps of an image by its place in `boxes`; it is called twice for each, which `progress` counts.

    Positive windows overlap with the true box by at least SAME, and it is one of them; negative ones by less than
    OTHER. One round of hard negatives is added: of each image those that the first detectors score highest.

    Raises SettingError where a part is in no image.
    """
    random = np.random.default_rng(seed)
    learners = [Examples(name, windows, random) for name in names]
    for image, known in enumerate(boxes):
        maps = maps_of(image)
        for learner in learners:
            learner.add(maps, known.get(learner.name))
        progress(image + 1, 2 * len(boxes))
    first = np.stack([learner.detector(C) for learner in learners])
    for image, known in enumerate(boxes):
        maps = maps_of(image)
        for learner, scores in zip(learners, detector_scores(first, maps, windows), strict=True):
            learner.add_hard(maps, known.get(learner.name), scores)
        progress(len(boxes) + image + 1, 2 * len(boxes))
    return np.stack([learner.detector(C) for learner in learners])


def detector_scores(detectors: Values, maps: Values, windows: Windows) -> Values:
    """The scores of all windows of maps (D, H, W) by detectors (P, 1 + Z * D): (P, windows)."""
    weights = detectors[:, 1:].reshape(len(detectors), -1, len(maps))  # (P, Z, D)
    return windows.scores(np.tensordot(weights, maps, 1)) + detectors[:, :1]
