"""The paper's results, to be shown beside your own. None of them was measured here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crosspool.methods.grammar import own_spelling

CITATION = (
    "Liu, Shen and van den Hengel, The Treasure beneath Convolutional Layers: Cross-convolutional-layer Pooling for "
    "Image Classification, CVPR 2015, Table 1 (as stated in the authors' extended abstract)"
)
DATASET = "Birds-200"
NOTE = (
    f"The paper's results are on {DATASET} with the authors' own network and settings: not comparable unless your data "
    "set is CUB-200-2011, and even then the networks differ."
)


BEST = {"CUB-200-2011": 73.5, "MIT-67": 71.5, "PASCAL VOC 2007": 77.8, "Attributes of People": 78.3}
"""The paper's best results, in percent: accuracy, and mean average precision where images have several labels."""

# The kinds of the presets, which name a layer pair of AlexNet.
_PRESETS = {"cl-45": "cl", "cl-34": "cl", "cl-45f": "cl-f", "cl-45c": "cl-c"}


def kind_of(method: str) -> str | None:
    """The kind of a method, by its name; None for several parts side by side."""
    method = own_spelling(method)
    tuned, plus, rest = method.partition("+")
    if plus and tuned.strip().lower().split("/")[0] == "ft":
        kind = kind_of(rest)
        return None if kind is None else f"ft+{kind}"
    if plus:
        return None
    head = re.split(r"[:@/[]", method)[0].strip().lower()
    return _PRESETS.get(head, head)


@dataclass(frozen=True)
class Published:
    """A row of Table 1: accuracy in percent, and this package's method of that kind, by its name on AlexNet."""

    name: str
    accuracy: float
    remark: str
    method: str

    @property
    def kind(self) -> str | None:
        return kind_of(self.method)


TABLE_1 = (
    Published("CNN-Global", 59.2, "no parts", "global"),
    Published("CNN-Jitter", 60.5, "no parts", "jitter"),
    Published("R-CNN SCFV", 66.4, "no parts", "scfv"),
    Published("CL-45", 72.4, "no parts, 13×13", "cl-45"),
    Published("CL-45F", 68.4, "no parts, 26×26", "cl-45f"),
    Published("CL-45C", 73.5, "no parts, CL-45 + CL-45F", "cl-45c"),
    Published("GlobalCNN-FT", 66.4, "no parts, fine-tuned", "ft+global"),
    Published("Parts-RCNN-FT", 76.37, "parts, fine-tuned", "ft+parts-rcnn"),
    Published("Parts-RCNN", 68.7, "parts", "parts-rcnn"),
    Published("CNNaug-SVM", 61.8, "", "cnnaug-svm"),
    Published("CNN-SVM", 53.3, "global", "cnn-svm"),
    Published("DPD+CNN", 65.0, "parts", "dpd-cnn"),
    Published("DPD", 51.0, "parts", "dpd"),
)


def counterparts(methods: Sequence[str]) -> list[tuple[Published, tuple[str, ...]]]:
    """Each row of Table 1 with the `methods` of its kind."""
    return [(row, tuple(name for name in methods if kind_of(name) == row.kind)) for row in TABLE_1]
