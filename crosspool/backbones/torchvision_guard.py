"""Import torchvision, even if its compiled operators cannot be loaded.

A torchvision wheel built for CUDA beside a CPU build of torch (a common accident on laptops) cannot load its `_C`
library, and its import then fails: it registers shape rules for `torchvision::nms` and `torchvision::qnms`, which do
not exist. crosspool needs models and transforms, but no box suppression, so declaring the schemas of these two
operators is enough. If the compiled operators load, nothing is declared.
"""

import importlib
import sys
from types import ModuleType

import torch

_BOX_SUPPRESSION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _declare_missing_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms" + _BOX_SUPPRESSION)
    library.define("qnms" + _BOX_SUPPRESSION)
    return library


def _forget(package: str) -> None:
    """Remove a half-imported package. Meanwhile other threads may import other modules."""
    for name in list(sys.modules):
        if name.split(".")[0] == package:
            del sys.modules[name]


def _import_torchvision() -> tuple[ModuleType, torch.library.Library | None]:
    try:
        return importlib.import_module("torchvision"), None
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _forget("torchvision")
    library = _declare_missing_operators()
    return importlib.import_module("torchvision"), library


# The library object is kept, as the declared operators vanish with it.
torchvision, declared_operators = _import_torchvision()
importlib.import_module("torchvision.models")
