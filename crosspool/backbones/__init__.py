"""The networks that crosspool can use: a list of them, their structure, and loading one with its weights."""

import difflib
import os
import threading
from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from crosspool.backbones import lite0, zoo
from crosspool.backbones.backbone import Backbone
from crosspool.backbones.structure import Architecture, BackboneSpec, architecture_of, without_memory
from crosspool.backbones.weights import read_state_dict
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
    "load",
    "load_backbone",
    "spec_of",
]

DEFAULT = lite0.SPEC.name
PRETRAINED, UNTRAINED = "pretrained", "untrained"
UNTRAINED_SEED = 0
_SEEDING = threading.Lock()  # torch's random numbers belong to the whole process


@cache
def backbone_specs() -> dict[str, BackboneSpec]:
    """Every network that crosspool can load.

    Returns:
        dict: Specs by name, the embedded default first. A spec has the title, preprocessing, licence and weights file
        of a network.

    Example:
        >>> import crosspool
        >>> list(crosspool.backbone_specs())[:3]
        ['efficientnet_lite0', 'alexnet', 'vgg16']
    """
    return {spec.name: spec for spec in (lite0.SPEC, *zoo.torchvision_specs())}


def spec_of(name: str) -> BackboneSpec:
    """The spec of this name. Raises BackboneError with similar names."""
    specs = backbone_specs()
    if name not in specs:
        near = difflib.get_close_matches(name, specs, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see them all with: crosspool backbones"
        raise BackboneError(f"There is no backbone {name!r}; {hint}")
    return specs[name]


def architecture(name: str) -> Architecture:
    """The structure of a network with its layer pairs; needs no weights.

    Args:
        name: One of `backbone_specs()`.

    Returns:
        Architecture: Layer pairs, map sizes and the traced graph, at any input size.

    Raises:
        BackboneError: There is no such network; the message names similar ones.

    Example:
        >>> import crosspool
        >>> alexnet = crosspool.architecture("alexnet")
        >>> [pair.label for pair in alexnet.layer_pairs]
        ['conv1 → conv2', 'conv2 → conv3', 'conv3 → conv4', 'conv4 → conv5']
        >>> alexnet.map_sizes(alexnet.default_pair)  # of the lower and the upper map
        ((13, 13), (13, 13))
    """
    return architecture_of(spec_of(name), 1000)


def load_backbone(name: str = DEFAULT, weights: str | os.PathLike[str] | None = None, device: str = "auto") -> Backbone:
    """Load a network with its weights.

    Args:
        name: One of `backbone_specs()`.
        weights: None for the pretrained ones (embedded, or from torch's cache; nothing is downloaded), "untrained" for
            seeded random ones, or the path of your own state dict: safetensors, or a checkpoint with tensors only.
        device: "auto" (CUDA where there is one, else Apple's MPS, else the CPU), "cpu", "cuda", "mps" or any torch
            device.

    Returns:
        Backbone: Ready to run, and shared by any number of threads.

    Raises:
        BackboneError: There is no such network, or its weights or the device cannot be used; the message says what to
            do.

    Example:
        >>> import crosspool
        >>> backbone = crosspool.load_backbone("efficientnet_lite0")
        >>> backbone.title, len(backbone.layer_pairs), len(backbone.classes)
        ('EfficientNet-Lite0', 32, 1000)
    """
    return load(spec_of(name), weights, device)


def load(spec: BackboneSpec, weights: str | os.PathLike[str] | None, device: str) -> Backbone:
    """The backbone of a spec, with weights as for `load_backbone`."""
    target = choose_device(device)
    if weights is None:
        return _pretrained(spec, target)
    if weights == UNTRAINED:
        return Backbone.from_state(spec, _random_state(spec), spec.classes(), weights=UNTRAINED, device=target)
    state = spec.renamed(read_state_dict(weights))
    return Backbone.from_state(spec, state, _classes_of(spec, state), weights=str(weights), device=target)


def choose_device(device: str = "auto") -> torch.device:
    """A torch device by name; "auto" is CUDA if there is one, else Apple's MPS, else the CPU."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()  # fails on "meta", which has no numbers
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        problem = f"The device {device!r} cannot be used here"
        raise BackboneError(f"{problem}; choose auto, cpu, cuda or mps (see crosspool doctor).") from error
    return chosen


def _pretrained(spec: BackboneSpec, device: torch.device) -> Backbone:
    if spec.weights.availability == "needs a download":
        problem = f"The weights of {spec.name} ({spec.weights.megabytes:.0f} MB) are not here yet"
        raise BackboneError(f"{problem}; download them with: crosspool fetch {spec.name}")
    try:
        state = spec.renamed(read_state_dict(spec.weights.path))
        return Backbone.from_state(spec, state, spec.classes(), weights=PRETRAINED, device=device)
    except BackboneError as error:
        problem = f"The weights file {spec.weights.path.name} is damaged"
        raise BackboneError(f"{problem}; get it again with: crosspool fetch {spec.name}") from error


def _random_state(spec: BackboneSpec) -> dict[str, Tensor]:
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return spec.build(len(spec.classes())).state_dict()


def _classes_of(spec: BackboneSpec, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The pretrained classes, or numbered ones if the last layer of your own weights has another number of outputs."""
    classes = spec.classes()
    last = state.get(list(without_memory(spec, len(classes)).state_dict())[-1])
    if last is None or not last.ndim or len(last) == len(classes):
        return classes
    return tuple(f"class {number}" for number in range(len(last)))
