"""The networks that crosspool can use: which there are, their structure, and how to load one."""

import difflib
import os
from functools import cache

from crosspool.backbones import lite0, zoo
from crosspool.backbones.architecture import Architecture, architecture_of
from crosspool.backbones.backbone import Backbone
from crosspool.backbones.loading import PRETRAINED, UNTRAINED, choose_device, load
from crosspool.backbones.spec import BackboneSpec
from crosspool.errors import BackboneError

__all__ = [
    "DEFAULT",
    "PRETRAINED",
    "UNTRAINED",
    "Architecture",
    "Backbone",
    "BackboneSpec",
    "architecture",
    "backbone_specs",
    "choose_device",
    "load_backbone",
    "spec_of",
]

DEFAULT = lite0.SPEC.name


@cache
def backbone_specs() -> dict[str, BackboneSpec]:
    """Every backbone by name, the embedded default first."""
    return {spec.name: spec for spec in (lite0.SPEC, *zoo.torchvision_specs())}


def spec_of(name: str) -> BackboneSpec:
    """The backbone of this name. Raises BackboneError with the nearest names."""
    specs = backbone_specs()
    if name not in specs:
        near = difflib.get_close_matches(name, specs, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see them all with: crosspool backbones"
        raise BackboneError(f"There is no backbone {name!r}; {hint}")
    return specs[name]


def architecture(name: str) -> Architecture:
    """The structure of a backbone, its layer pairs among it; needs no weights."""
    return architecture_of(spec_of(name))


def load_backbone(name: str = DEFAULT, weights: str | os.PathLike[str] | None = None, device: str = "auto") -> Backbone:
    """Load a backbone.

    `weights` is None for the pretrained ones (embedded, or from torch's cache: never downloaded from here),
    "untrained" for seeded random ones, or the path of your own state dict (safetensors, or a checkpoint that holds
    only tensors). `device` is "auto", "cpu", "cuda", "mps" or any torch device.

    Raises BackboneError saying what to do when the name, the weights or the device cannot be had.
    """
    return load(spec_of(name), weights, device)
