"""timm's convolutional networks, by a name such as timm:resnet18.a1_in1k. The package is optional, and imported late.

timm's entry for the weights decides how images are prepared. Whether a network has layer pairs is found by following
it, as for any other.
"""

import difflib
import math
import pickle
from functools import cache, partial
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

from safetensors import SafetensorError
from torch import Tensor, nn

from crosspool.backbones.class_names import numbered_classes
from crosspool.backbones.lite import imagenet_classes
from crosspool.backbones.structure import BackboneSpec, ParametersOnMeta
from crosspool.backbones.timm_weights import HUB_FILES, TimmWeights
from crosspool.errors import BackboneError, SettingError
from crosspool.framing import Preprocessing
from crosspool.tracing import MODULE_CALLS

PREFIX = "timm:"
MISSING = "timm is not installed; install it with: python -m pip install 'crosspool[timm]'"
LARGER_IMAGENETS = frozenset({"in12k", "in21k", "in22k"})  # parts of the tags of weights
# What is to be known of networks that timm does not show the middle of an image.
FRAMINGS = {
    "squash": "was trained on whole images, squashed to a square; see them so with framing squash",
    "border": "was trained on whole images with a border around them, which crosspool does not draw",
}


def is_timm(name: str) -> bool:
    """Whether a network's name is one of timm's."""
    return name.startswith(PREFIX)


def timm_spec(name: str) -> BackboneSpec:
    """The spec of timm's network of this name, which may end in the tag of its weights.

    Raises BackboneError where timm is not installed, has no such network, or one that takes no square RGB images.
    """
    model, _, tag = name.removeprefix(PREFIX).partition(".")
    models = _timm().models
    if model not in models.list_models():
        near = difflib.get_close_matches(model, models.list_models(), n=3)
        hint = f"did you mean {' or '.join(PREFIX + each for each in near)}?" if near else "see some of them with:"
        example = "" if near else " crosspool backbones --timm 'resnet*'"
        raise BackboneError(f"There is no backbone {name!r}; {hint}{example}")
    tags = [each.partition(".")[2] for each in models.get_arch_pretrained_cfgs(model)]
    entry = models.get_pretrained_cfg(model)
    tag = tag or str((entry and entry.tag) or "")
    if tag not in [*tags, ""] or entry is None:
        raise BackboneError(f"timm has no weights {tag!r} of {model}; it has: {', '.join(tags) or 'none'}")
    return _spec(f"{model}.{tag}" if tag else model)


def convolutional_specs(pattern: str) -> list[BackboneSpec]:
    """timm's networks with a name like resnet*, if they have convolutions that read more than the image.

    A pattern with a dot is compared with names that end in the tag of weights. Networks that take no square RGB images
    are left out. Raises BackboneError without timm.
    """
    names = _timm().list_models(pattern.removeprefix(PREFIX), include_tags="." in pattern)
    specs: dict[str, BackboneSpec] = {}
    for name in names:
        try:
            spec = timm_spec(f"{PREFIX}{name}")
        except BackboneError:
            continue
        if _counted(spec.name.removeprefix(PREFIX))[1]:
            specs[spec.name] = spec
    return list(specs.values())


def _timm() -> ModuleType:
    try:
        import timm  # which imports torchvision: here, that is done already, and guarded
    except ModuleNotFoundError as error:
        raise BackboneError(MISSING) from error
    module: ModuleType = timm
    return module


@cache
def _spec(name: str) -> BackboneSpec:
    entry = _timm().models.get_pretrained_cfg(name)
    parameters, _ = _counted(name)
    framing = FRAMINGS.get(entry.crop_mode)
    return BackboneSpec(
        name=f"{PREFIX}{name}",
        title=f"{name} (timm)",
        preprocessing=_preprocessing(name, entry),
        parameters=parameters,
        weights=_weights(name, entry, 4 * parameters / 1e6),
        weights_licence=entry.license or "not stated",
        build=partial(_build, name),
        rename=str,
        classes=partial(tuple, _classes(entry)),
        read=partial(_pretrained, name, entry.num_classes),
        advice=f"{name} {framing}." if framing else "",
        is_recorded=True,
    )


def _preprocessing(name: str, entry: Any) -> Preprocessing:
    data = _timm().data.resolve_data_config(pretrained_cfg=entry.to_dict())
    channels, rows, columns = data["input_size"]
    if (channels, rows) != (3, columns):
        raise BackboneError(f"{PREFIX}{name} takes {channels}×{rows}×{columns} numbers, not a square image in RGB.")
    resized = math.floor(rows / data["crop_pct"])  # where crosspool rounds, timm does so
    try:
        return Preprocessing(rows, rows / resized, data["interpolation"], tuple(data["mean"]), tuple(data["std"]))
    except SettingError as error:
        raise BackboneError(f"Images cannot be prepared as for {PREFIX}{name}: {error}") from error


def _weights(name: str, entry: Any, megabytes: float) -> TimmWeights:
    from huggingface_hub import hf_hub_url

    address = entry.url if isinstance(entry.url, str) else ""
    older = PurePosixPath(urlparse(address).path).name
    if entry.hf_hub_id:
        url, file = hf_hub_url(entry.hf_hub_id, HUB_FILES[0]), f"timm-{name}.safetensors"
    else:
        url, file = address, older or f"timm-{name}.pth"
    return TimmWeights(url, file, megabytes, checksum="", repository=entry.hf_hub_id or "", older=older)


def _classes(entry: Any) -> tuple[str, ...]:
    """The names of the outputs, where the tag says on what the last layer was trained; else numbers.

    Weights without a last layer count as having one output.
    """
    count, parts = entry.num_classes, set((entry.tag or "").split("_"))
    if count == 1000 and "in1k" in parts:
        return imagenet_classes()
    data = _timm().data
    subset = data.infer_imagenet_subset({"num_classes": count})
    if subset and parts & LARGER_IMAGENETS:
        return tuple(data.ImageNetInfo(subset).label_descriptions())
    return numbered_classes(max(count, 1))


def _build(name: str, num_classes: int) -> nn.Module:
    with MODULE_CALLS:  # some are run while they are built
        model: nn.Module = _timm().create_model(name, pretrained=False, num_classes=num_classes)
    return model


def _pretrained(name: str, num_classes: int, path: Path) -> dict[str, Tensor]:
    """The tensors of a file by the network's parameter names, for which timm knows what older files call them."""
    overlay = {"file": str(path)}
    try:
        with MODULE_CALLS:
            model: nn.Module = _timm().create_model(
                name, pretrained=True, num_classes=num_classes, pretrained_cfg_overlay=overlay
            )
    except (RuntimeError, OSError, ValueError, LookupError, pickle.UnpicklingError, SafetensorError) as error:
        raise BackboneError(f"timm cannot read {path.name} as weights of {name}") from error
    return model.state_dict()


@cache
def _counted(name: str) -> tuple[int, bool]:
    """How many parameters a network has, and whether it has a convolution that reads more than the image."""
    with ParametersOnMeta():
        model = _build(name, _timm().models.get_pretrained_cfg(name).num_classes)
    convolutions = [each for each in model.modules() if isinstance(each, nn.Conv2d) and each.groups == 1]
    return sum(value.numel() for value in model.parameters()), any(each.in_channels > 3 for each in convolutions)
