"""A network of anybody's own, given as a module: what is asked of it, and what a backbone is made of."""

import inspect
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import nn

from crosspool.backbones.class_names import numbered_classes
from crosspool.backbones.own_fingerprint import steps_in_words
from crosspool.backbones.own_structure import (
    OwnArchitecture,
    expect_the_same_elsewhere,
    first_line,
    recorded_layout,
)
from crosspool.backbones.parameters import expect_finite, fingerprint_of
from crosspool.backbones.structure import OWN, BackboneSpec
from crosspool.backbones.weights import Availability, WeightsFile
from crosspool.errors import BackboneError, SettingError
from crosspool.framing import MAX_SIZE, Preprocessing
from crosspool.module_copies import structural_copy
from crosspool.text import plural
from crosspool.tracing import Layout, forbid_in_place

SMALLEST_SIDE = 8
LARGEST = {"mean": 1, "std": 2}  # for values from 0 to 1: division by 256 makes a std of 256/255
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


class OwnWeights(WeightsFile):
    """The weights that a module came with, which are in no file."""

    @property
    def availability(self) -> Availability:
        return "included"


@dataclass(frozen=True)
class OwnNetwork:
    """A module that was found fit: a copy of it, what it is, its structure, and the names of its outputs."""

    spec: BackboneSpec
    architecture: OwnArchitecture
    model: nn.Module
    device: torch.device
    classes: tuple[str, ...]


def own_network(
    module: nn.Module, size: int, mean: Sequence[float], std: Sequence[float], classes: Sequence[str] | None,
    name: str | None,
) -> OwnNetwork:  # fmt: skip
    """A copy of a module that crosspool can use. Raises as `Backbone.from_module`."""
    from crosspool.backbones import backbone_specs  # whose module needs this one

    _expect_module(module)
    name = _checked_name(type(module).__name__ if name is None else name, backbone_specs())
    preprocessing = Preprocessing(_checked_size(size), 1.0, "bilinear", _triple("mean", mean), _triple("std", std))
    if min(preprocessing.std) <= 0:
        raise SettingError(f"The standard deviations of {name} must be above 0, not {preprocessing.std}.")
    model = _copied(module, name)
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    expect_finite(tensors, name)
    devices = {value.device for value in tensors.values()}
    if len(devices) > 1:
        raise BackboneError(f"The parameters of {name} lie on several devices; move it to one, as by module.cpu().")
    if not any(isinstance(part, nn.Conv2d) for part in model.modules()):
        raise BackboneError(f"{name} has no torch.nn.Conv2d: crosspool shows the maps of convolutions of images.")
    layout = recorded_layout(model, name, preprocessing.size)
    expect_the_same_elsewhere(model, layout, name)
    labels = _classes(classes, layout, name)
    parameters, fingerprint = (
        sum(value.numel() for value in tensors.values()),
        fingerprint_of(f"{name} {preprocessing} {model} {steps_in_words(layout)}", model),
    )
    spec = BackboneSpec(
        name=name,
        title=name,
        preprocessing=preprocessing,
        parameters=parameters,
        weights=OwnWeights(url=None, filename=OWN, megabytes=4 * parameters / 1e6, checksum=fingerprint),
        weights_licence="your own",
        build=partial(_not_built, name),
        rename=str,
        classes=partial(tuple, labels),
        is_own=True,
    )
    architecture = OwnArchitecture(spec, model)
    if not architecture.layer_pairs:
        reasons = "; ".join(f"{layer.id} {layer.reason}" for layer in architecture.not_offered[:3])
        raise BackboneError(f"None of the convolutions of {name} defines a layer pair: {reasons}.")
    return OwnNetwork(spec, architecture, model, devices.pop(), labels)


def _expect_module(module: Any) -> None:
    """Raise BackboneError for what is no module, and for modules that are compiled or wrapped."""
    if not isinstance(module, nn.Module):
        kind = module.__name__ if isinstance(module, type) else type(module).__name__
        made = ", not a class: make one of it first" if isinstance(module, type) else f", not a {kind}"
        raise BackboneError(f"A network of your own is a torch.nn.Module{made}.")
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise BackboneError(
                "A TorchScript module cannot be followed; give the Python module that it was made from."
            )
        if isinstance(part, nn.DataParallel | nn.parallel.DistributedDataParallel):
            raise BackboneError("A module that is spread over devices cannot be followed; give its attribute .module.")
        if hasattr(part, "_orig_mod"):
            raise BackboneError("A compiled module cannot be followed; give its attribute ._orig_mod.")
        if type(part).__module__.startswith(("torch.ao.nn.quantized", "torch.nn.quantized", "torch.ao.nn.intrinsic")):
            raise BackboneError("A quantised module has no maps of numbers; give the module before it is quantised.")
    if any(isinstance(value, nn.UninitializedParameter) for value in module.parameters()):
        raise BackboneError("The module has lazy layers without numbers; call it once on an image first.")
    names = list(inspect.signature(module.forward).parameters.values())
    required = [each for each in names if each.default is each.empty and each.kind not in (2, 4)]
    positional = [each for each in names if each.kind in (0, 1, 2)]
    if len(required) > 1 or not positional:
        inputs = ", ".join(each.name for each in required) or "nothing by position"
        raise BackboneError(f"The module's forward takes {inputs}; wrap it in one that takes a batch of images alone.")


def _checked_name(name: str, taken: Collection[str]) -> str:
    if not NAME.fullmatch(str(name)):
        raise SettingError(
            f"A network's name has up to 60 letters, digits, hyphens, underscores and full stops, and "
            f"begins with a letter or digit; {name!r} does not."
        )
    if name.lower() in {other.lower() for other in taken}:
        raise SettingError(f"{name} is the name of a network of crosspool; give another, as by name='my_{name}'.")
    return name


def _checked_size(size: int) -> int:
    if type(size) is not int or not SMALLEST_SIDE <= size <= MAX_SIZE:
        raise SettingError(f"The size must be a whole number from {SMALLEST_SIDE} to {MAX_SIZE}, not {size!r}.")
    return size


def _triple(name: str, values: Any) -> tuple[float, float, float]:
    """A number for each of red, green and blue."""
    numbers = tuple(values) if isinstance(values, Iterable) else ()
    if len(numbers) != 3 or not all(isinstance(each, Real) and math.isfinite(each) for each in numbers):
        raise SettingError(f"{name} must be three numbers, for red, green and blue, not {values!r}.")
    if min(numbers) < 0 or max(numbers) > LARGEST[name]:
        problem = f"{name} must be for images whose values are from 0 to 1, not {values!r}"
        raise SettingError(f"{problem}; divide by 255 what is for values from 0 to 255.")
    red, green, blue = map(float, numbers)
    return red, green, blue


def _copied(module: nn.Module, name: str) -> nn.Module:
    """A copy in eval mode that shares nothing with the module, and overwrites nothing that it reads."""
    try:
        model = structural_copy(module, share=False)[0]
    except (TypeError, RuntimeError, ValueError, AttributeError) as error:
        problem = f"{name} cannot be copied ({first_line(error)})"
        raise BackboneError(f"{problem}; leave out of it what copy.deepcopy cannot copy.") from error
    model.eval().requires_grad_(False)
    forbid_in_place(model)
    return model


def _classes(classes: Sequence[str] | None, layout: Layout, name: str) -> tuple[str, ...]:
    """The names of the outputs: none where the network yields no scores."""
    try:
        count = layout.shapes[layout.output][1]
    except BackboneError:
        if classes is not None:
            raise
        return ()
    if classes is None:
        return numbered_classes(count)
    if isinstance(classes, str) or not all(isinstance(label, str) for label in classes):
        raise SettingError(f"The classes of {name} must be a list of names, one for each output.")
    twice = next((label for label, times in Counter(classes).items() if times > 1), None)
    if twice is not None:
        raise SettingError(f"{twice!r} is the name of several classes of {name}; give each a name of its own.")
    if len(classes) != count:
        raise SettingError(
            f"{name} has {plural(count, 'output')}, but {plural(len(classes), 'name was', 'names were')} given."
        )
    return tuple(classes)


def _not_built(name: str, num_classes: int) -> nn.Module:
    raise BackboneError(f"{name} is a module of your own: give the backbone itself, not its name.")
