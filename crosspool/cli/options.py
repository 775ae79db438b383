"""The options that several commands share.

Their choices are repeated here, so that the help does not import torch, which takes seconds. For the same reason values
are checked as they are parsed, as far as that needs neither torch nor the network.
"""

import os
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Literal

import typer

from crosspool.cli.inputs import expect_image
from crosspool.errors import BackboneError, ModelError, SettingError, not_found
from crosspool.methods.grammar import method_names, parse_parts

DEFAULT_BACKBONE, UNTRAINED = "efficientnet_lite0", "untrained"

FramingChoice = Literal["crop", "squash"]
BorderChoice = Literal["zero", "valid"]
EngineChoice = Literal["auto", "torch", "onnxruntime", "bfloat16"]
ColourMapChoice = Literal["viridis", "cividis", "magma", "gray"]
OverlayChoice = Literal["growing", "even"]
ScaleChoice = Literal["map", "layer", "fixed"]
SortChoice = Literal["share", "peak", "mean", "sparsity", "channel"]


def option(metavar: str, text: str, *names: str, default: str = "", **limits: Any) -> Any:
    """An option that takes a value; `default` describes the value that is used otherwise."""
    return typer.Option(*names, metavar=metavar, help=text, show_default=default or True, **limits)


def size_option(default: str) -> Any:
    help_text = "Side of the square input, 128 to 896; larger gives finer maps."
    return option("PIXELS", help_text, default=default, callback=_checked_size)


def _checked_size(size: int | None) -> int | None:
    if size is not None:
        from crosspool.framing import MAX_SIZE, MIN_SIZE

        if not MIN_SIZE <= size <= MAX_SIZE:
            raise SettingError(f"The input size must be a whole number from {MIN_SIZE} to {MAX_SIZE}, not {size}.")
    return size


def model_option(default: str = "") -> Any:
    help_text = "A classifier that crosspool train wrote."
    return option("FILE.safetensors", help_text, "--model", "-m", default=default, callback=_checked_model)


def _checked_model(path: str | None) -> str | None:
    if path is not None and not os.path.exists(path):
        raise ModelError(not_found(path))
    return path


def weights_option(help_text: str, default: str) -> Any:
    return option("FILE", help_text, default=default, callback=_checked_weights)


def _checked_weights(path: str | None) -> str | None:
    if path not in (None, UNTRAINED) and not os.path.exists(path):
        raise BackboneError(not_found(path))
    return path


def methods_option(metavar: str, help_text: str, *names: str, default: str = "") -> Any:
    return option(metavar, help_text, *names, default=default, callback=_checked_methods)


def _checked_methods(text: str | None) -> str | None:
    if text is not None:
        for name in method_names(text):
            parse_parts(name)
    return text


def channels_option(help_text: str, *names: str, default: str = "") -> Any:
    return option("LIST", help_text, *names, default=default, callback=_checked_channels)


def _checked_channels(parameter: typer.CallbackParam, text: str | None) -> str | None:
    if text is not None:
        channel_ranges(text, parameter.opts[0])
    return text


def channel_ranges(text: str, name: str = "--channels") -> list[tuple[int, int]]:
    """The first and last numbers of the parts of "0,5,12-20". Raises SettingError with the option's `name`."""
    ranges = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first.strip(), (last if dash else first).strip())
        if not all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends):
            raise SettingError(f"{name} {text!r} is not a list of channel numbers such as 0,5,12-20.")
        low, high = (int(end) for end in ends)
        if low > high:
            raise SettingError(f"{name} {part.strip()} counts down; write {high}-{low}.")
        ranges.append((low, high))
    return ranges


def channel_list(text: str, count: int, name: str = "--channels") -> list[int]:
    """The numbers in "0,5,12-20", each once, in that order. Raises SettingError for one that the layer lacks."""
    chosen: dict[int, None] = {}
    for low, high in channel_ranges(text, name):
        if high >= count:
            raise SettingError(f"There is no channel {high}: this layer has channels 0 to {count - 1}.")
        chosen.update(dict.fromkeys(range(low, high + 1)))
    return list(chosen)


def _checked_image(path: str | None) -> str | None:
    if path is not None:
        expect_image(path)
    return path


def image_option(help_text: str) -> Any:
    return option("IMAGE", help_text, callback=_checked_image)


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
BACKBONE_HELP = "The network, such as resnet18 or timm:resnet18; crosspool backbones lists them."
BackboneName = Annotated[str, option("NAME", BACKBONE_HELP, "--backbone", "-b")]
WEIGHTS_HELP = "A file of your own (safetensors, or a torch checkpoint), or the word untrained: random weights."
Weights = Annotated[str | None, weights_option(WEIGHTS_HELP, "the pretrained ones")]
CLASSES_HELP = "A text file with the name of one output of the network in each line."
Classes = Annotated[
    str | None,
    option("FILE", CLASSES_HELP, "--classes", default="those of the pretrained network, or in the file of weights"),
]
ImageFile = Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.", callback=_checked_image)]
Images = Annotated[list[str], typer.Argument(metavar="IMAGES", help="One or more image files.")]
DEVICE_HELP = "What to compute on: auto, cpu, cuda, cuda:1 or mps; auto: a GPU if there is one."
Device = Annotated[str, option("DEVICE", DEVICE_HELP)]
ENGINE_HELP = (
    "What runs the network. auto: torch, or ONNX Runtime on a CPU where it is faster and there is much to compute; "
    "bfloat16: torch in 16 bits, for processors made for them; it says by how much the network's outputs differ."
)
Engine = Annotated[EngineChoice, typer.Option(help=ENGINE_HELP)]
Size = Annotated[int | None, size_option("the network's own")]
FRAMING_HELP = "crop: the centre of the image; squash: all of it, with its aspect ratio changed."
Framing = Annotated[FramingChoice, typer.Option(help=FRAMING_HELP)]
PAIR_HELP = "The layer pair; crosspool pairs lists them."
Pair = Annotated[str | None, option("ID", PAIR_HELP, "--pair", "-p", default="the last convolution's")]


def option_by_option(command: Callable[..., None]) -> Callable[..., None]:
    """The command for typer: a parameter that is a dataclass becomes an option for each of its fields."""
    parameters = signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in parameters if is_dataclass(p.annotation)}

    @wraps(command)
    def flat_command(**options: Any) -> None:
        for name, group in groups.items():
            options[name] = group(**{field.name: options.pop(field.name) for field in fields(group)})
        command(**options)

    flat: list[Parameter] = []
    for parameter in parameters:
        group = groups.get(parameter.name)
        flat += [parameter] if group is None else signature(group, eval_str=True).parameters.values()
    keywords = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in flat]
    flat_command.__signature__ = Signature(keywords)  # type: ignore[attr-defined]
    return flat_command
