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
    """Every network that crosspool can load.

    Returns:
        dict: Specs by name, the embedded default first; a spec says title, preprocessing, licence and where its weights
        are.

    Example:
        >>> import crosspool
        >>> list(crosspool.backbone_specs())[:3]
        ['efficientnet_lite0', 'alexnet', 'vgg16']
    """
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
    """The structure of a network, its layer pairs among it; needs no weights.

    Args:
        name: One of `backbone_specs()`.

    Returns:
        Architecture: Layer pairs, map sizes and the traced graph, at any input size.

    Raises:
        BackboneError: There is no such network; the sentence names the nearest ones.

    Example:
        >>> import crosspool
        >>> alexnet = crosspool.architecture("alexnet")
        >>> [pair.label for pair in alexnet.layer_pairs]
        ['conv1 → conv2', 'conv2 → conv3', 'conv3 → conv4', 'conv4 → conv5']
        >>> alexnet.map_sizes(alexnet.default_pair)  # of the lower and the upper map
        ((13, 13), (13, 13))
    """
    return architecture_of(spec_of(name))


def load_backbone(name: str = DEFAULT, weights: str | os.PathLike[str] | None = None, device: str = "auto") -> Backbone:
    """Load a network with its weights.

    Args:
        name: One of `backbone_specs()`.
        weights: None for the pretrained ones (embedded, or from torch's cache; nothing is downloaded from here),
            "untrained" for seeded random ones, or the path of your own state dict: safetensors, or a checkpoint that
            holds only tensors.
        device: "auto" (CUDA where there is one, else Apple's MPS, else the CPU), "cpu", "cuda", "mps" or any torch
            device.

    Returns:
        Backbone: Ready to run, and shared by any number of threads.

    Raises:
        BackboneError: The name, the weights or the device cannot be had; the sentence says what to do.

    Example:
        >>> import crosspool
        >>> backbone = crosspool.load_backbone("efficientnet_lite0")
        >>> backbone.title, len(backbone.layer_pairs), len(backbone.classes)
        ('EfficientNet-Lite0', 32, 1000)
    """
    return load(spec_of(name), weights, device)
