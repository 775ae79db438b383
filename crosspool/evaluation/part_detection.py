"""Whether detectors find the parts of objects in test images: the percentage of correctly localised parts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from crosspool.datasets import Split
from crosspool.encoding import Encoder
from crosspool.features import Features
from crosspool.framing import Rectangle
from crosspool.methods import Method, parts_and_rest, pooled_record

LEAST_OVERLAP = 0.5  # the intersection of two boxes over their union, from which on the part counts as found


def found_parts(
    method: Method, encoder: Encoder, features: Features, split: Split, step: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """In which share of the test images that show a part it is found, by the parts' names.

    `encoder` is the method's, fitted on the split's training images. Empty where it detects nothing; of several
    detectors side by side, those of the first are meant.
    """
    steps = [each[0] for each in parts_and_rest(encoder)[0] if getattr(each[0], "detects_parts", False)]
    if not steps:
        return {}
    records = features.records_of(split.test, method.sources, step)
    shown, found = Counter[str](), Counter[str]()
    for index, record in zip(split.test, records, strict=True):
        sample, detected = features.dataset.samples[index], steps[0].boxes(pooled_record(encoder, record))
        for name, box in sample.part_boxes(features.backbone.spec.preprocessing, method.framing).items():
            if name in detected:
                shown[name] += 1
                found[name] += overlap(detected[name], box) >= LEAST_OVERLAP
    return {name: found[name] / count for name, count in shown.items()}


def mean_shares(splits: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The means over the splits that show a part, in the order of their first appearance."""
    names = dict.fromkeys(name for shares in splits for name in shares)
    return {name: float(np.mean([shares[name] for shares in splits if name in shares])) for name in names}


def overlap(one: Rectangle, other: Rectangle) -> float:
    """The intersection of two boxes over their union."""
    across, down = (min(one[axis + 2], other[axis + 2]) - max(one[axis], other[axis]) for axis in (0, 1))
    common = max(across, 0.0) * max(down, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return common / (sum(areas) - common)
