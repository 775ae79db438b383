"""The networks that crosspool can use: a list of them, their structure, and loading one with its weights."""

import difflib
import os
import warnings
from dataclasses import replace
from functools import cache

import torch

from crosspool.backbones import lite, timm_networks
from crosspool.backbones.backbone import Backbone
from crosspool.backbones.checkpoints import Checkpoint, read_checkpoint
from crosspool.backbones.class_names import numbered_classes, read_class_names
from crosspool.backbones.fitting import Fit, fit
from crosspool.backbones.given_module import given_network
from crosspool.backbones.structure import OWN, Architecture, BackboneSpec, architecture_of, with_random_numbers
from crosspool.engines import EngineName, expect_engine
from crosspool.errors import BackboneError, WeightsWarning

__all__ = [
    "DEFAULT",
    "OWN",
    "PRETRAINED",
    "UNTRAINED",
    "Architecture",
    "Backbone",
    "BackboneSpec",
    "architecture",
    "backbone_specs",
    "choose_device",
    "given_network",
    "load",
    "load_backbone",
    "spec_of",
]

DEFAULT = lite.LITE0.name
PRETRAINED, UNTRAINED = "pretrained", "untrained"
LITE = {spec.name: spec for spec in (lite.LITE0, lite.LITE1, lite.LITE2)}  # the networks that need no torchvision


@cache
def backbone_specs() -> dict[str, BackboneSpec]:
    """Every network that crosspool can load.

    Returns:
        dict: Specs by name, the embedded default first. A spec has the title, preprocessing, licence and weights file
        of a network.

    Example:
        >>> import crosspool
        >>> list(crosspool.backbone_specs())[:3]
        ['efficientnet_lite0', 'efficientnet_lite1', 'efficientnet_lite2']
    """
    from crosspool.backbones.zoo import torchvision_specs  # only here, as torchvision takes seconds to import

    return LITE | {spec.name: spec for spec in torchvision_specs()}


def spec_of(name: str) -> BackboneSpec:
    """The spec of this name, with timm: before those of timm. Raises BackboneError with similar names."""
    if timm_networks.is_timm(name):
        return timm_networks.timm_spec(name)
    if name in LITE:
        return LITE[name]
    specs = backbone_specs()
    if name not in specs and (own := given_network()) is not None and own.spec.name == name:
        return own.spec
    if name not in specs:
        near = difflib.get_close_matches(name, specs, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see them all with: crosspool backbones"
        raise BackboneError(f"There is no backbone {name!r}; {hint}")
    return specs[name]


def architecture(name: str) -> Architecture:
    """The structure of a network with its layer pairs; needs no weights.

    Args:
        name: One of `backbone_specs()`, or one of timm's, such as "timm:resnet18".

    Returns:
        Architecture: Layer pairs, map sizes and the traced graph, at any input size.

    Raises:
        BackboneError: There is no such network; the message names similar ones.

    Example:
        >>> import crosspool
        >>> alexnet = crosspool.architecture("alexnet")
        >>> [pair.label for pair in alexnet.layer_pairs]
        ['conv1 → conv2', 'conv2 → conv3', 'conv3 → conv4', 'conv4 → conv5', 'conv5 → fc6', 'fc6 → fc7']
        >>> alexnet.map_sizes(alexnet.default_pair)  # of the lower and the upper map
        ((13, 13), (13, 13))
    """
    spec = spec_of(name)
    own = given_network() if spec.is_own else None
    return own.architecture if own is not None else architecture_of(spec, 1000)


def load_backbone(
    name: str = DEFAULT,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    classes: str | os.PathLike[str] | None = None,
    engine: EngineName = "auto",
) -> Backbone:
    """Load a network with its weights.

    Of a file of your own is read what fits the network, whatever stands around it or before the names of its tensors.
    What was left out is said in a `WeightsWarning`. Maps need no last layer.

    Args:
        name: One of `backbone_specs()`; or, where timm is installed, one of its convolutional networks with the tag of
            its weights or without, such as "timm:resnet18.a1_in1k".
        weights: None for the pretrained ones (from a package or a cache; nothing is downloaded), "untrained" for
            seeded random ones, or the path of your own: safetensors, or a torch checkpoint, of which only tensors,
            numbers and texts are read.
        device: "auto" (CUDA where there is one, else Apple's MPS, else the CPU), "cpu", "cuda", "mps" or any torch
            device.
        classes: The path of a text file with the name of one output in each line. None stands for the pretrained
            network's, or for those that your own file has, or else for "class 0", "class 1" and so on.
        engine: What computes on a CPU: "torch", "onnxruntime", or "auto" for whichever is faster, which is measured in
            the background. Their numbers differ by a few millionths. "bfloat16" is torch with numbers of 16 bits,
            for processors that have units for them; by how much the outputs differ is logged.

    Returns:
        Backbone: Ready to run, and shared by any number of threads.

    Raises:
        BackboneError: There is no such network, or its weights, the device or the file of names cannot be used; the
            message says what to do.

    Example:
        >>> import crosspool
        >>> backbone = crosspool.load_backbone("efficientnet_lite0")
        >>> backbone.title, len(backbone.layer_pairs), len(backbone.classes)
        ('EfficientNet-Lite0', 32, 1000)
    """
    expect_engine(engine)
    backbone = load(spec_of(name), weights, device, classes)
    return backbone if backbone.engine == engine else replace(backbone, engine=engine)


def load(
    spec: BackboneSpec,
    weights: str | os.PathLike[str] | None,
    device: str,
    classes: str | os.PathLike[str] | None = None,
) -> Backbone:
    """The backbone of a spec, with weights and classes as for `load_backbone`."""
    own = given_network() if spec.is_own else None
    if own is not None:
        if weights is not None or classes is not None or device not in ("auto", str(own.device)):
            raise BackboneError(
                f"{spec.name} is a module: its weights, classes and device are those that it came with."
            )
        return own
    target = choose_device(device)
    if spec.advice:
        warnings.warn(spec.advice, WeightsWarning, stacklevel=3)
    if weights is None or weights == UNTRAINED:
        names = spec.classes() if classes is None else read_class_names(classes, len(spec.classes()))
        if weights is None:
            return _pretrained(spec, names, target)
        state = with_random_numbers(spec, len(spec.classes())).state_dict()
        return Backbone.from_state(spec, state, names, weights=UNTRAINED, device=target)
    checkpoint = read_checkpoint(weights)
    fitting = fit(spec, checkpoint, backbone_specs().values())
    if classes is not None:
        names = read_class_names(classes, fitting.outputs)
    else:
        names = _classes_of(spec, weights, checkpoint, fitting)
    backbone = Backbone.from_state(
        spec, fitting.state, names, weights=str(weights), device=target, missing=fitting.missing
    )
    if fitting.notes:
        warnings.warn(f"{checkpoint.file}: {'; '.join(fitting.notes)}.", WeightsWarning, stacklevel=3)
    return backbone


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


def _pretrained(spec: BackboneSpec, classes: tuple[str, ...], device: torch.device) -> Backbone:
    if not spec.weights.is_here:
        problem = f"The weights of {spec.name} ({spec.weights.megabytes:.0f} MB) are not here yet"
        raise BackboneError(f"{problem}; {spec.weights.how_to_get(spec.name)}")
    try:
        if spec.read is None:
            state, missing = spec.renamed(read_checkpoint(spec.weights.path).tensors), frozenset[str]()
        else:
            fitting = fit(spec, Checkpoint(spec.weights.path.name, dict(spec.read(spec.weights.path))), ())
            state, missing = fitting.state, fitting.missing
        return Backbone.from_state(spec, state, classes, weights=PRETRAINED, device=device, missing=missing)
    except BackboneError as error:
        problem = f"The weights file {spec.weights.path.name} is damaged"
        raise BackboneError(f"{problem}; {spec.weights.how_to_mend(spec.name)}") from error


def _classes_of(
    spec: BackboneSpec, weights: str | os.PathLike[str], checkpoint: Checkpoint, fitting: Fit
) -> tuple[str, ...]:
    """The names in your own file, those of the pretrained network if it is that network's file, or else numbers."""
    own = (names for names in checkpoint.class_names if len(names) == fitting.outputs)
    published = replace(spec.weights, url=None, filename=os.fspath(weights))
    if not fitting.missing and fitting.outputs == len(spec.classes()) and published.is_intact():
        return spec.classes()
    return next(own, numbered_classes(fitting.outputs))
