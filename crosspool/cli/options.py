"""The options that several commands share. Their choices are repeated here, so that the help does not import torch."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crosspool.errors import SettingError

if TYPE_CHECKING:
    from crosspool.backbones import BackboneSpec

DEFAULT_BACKBONE = "efficientnet_lite0"

FramingChoice = Literal["crop", "squash"]
BorderChoice = Literal["zero", "valid"]
ColourMapChoice = Literal["viridis", "cividis", "magma", "gray"]
OverlayChoice = Literal["growing", "even"]
ScaleChoice = Literal["map", "layer", "fixed"]
SortChoice = Literal["share", "peak", "mean", "sparsity", "channel"]


def option(metavar: str, text: str, *names: str, default: str = "", **limits: Any) -> Any:
    """An option that takes a value; `default` describes the value that is used otherwise."""
    return typer.Option(*names, metavar=metavar, help=text, show_default=default or True, **limits)


def size_option(default: str) -> Any:
    return option("PIXELS", "Side of the square input, 128 to 896; larger gives finer maps.", default=default)


def model_option(default: str = "") -> Any:
    help_text = "A classifier that crosspool train wrote."
    return option("FILE.safetensors", help_text, "--model", "-m", default=default)


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
BackboneName = Annotated[str, option("NAME", "The network; crosspool backbones lists them.", "--backbone", "-b")]
WEIGHTS_HELP = "Your own state dict (.safetensors, or a checkpoint of tensors), or the word untrained: random weights."
Weights = Annotated[str | None, option("FILE", WEIGHTS_HELP, default="the pretrained ones")]
ImageFile = Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.")]
Images = Annotated[list[str], typer.Argument(metavar="IMAGES", help="One or more image files.")]
Device = Annotated[str, option("DEVICE", "auto, cpu, cuda, cuda:1 or mps.")]
Size = Annotated[int | None, size_option("the network's own")]
FRAMING_HELP = "crop: the centre of the image; squash: all of it, with its aspect ratio changed."
Framing = Annotated[FramingChoice, typer.Option(help=FRAMING_HELP)]
PAIR_HELP = "The layer pair; crosspool pairs lists them."
Pair = Annotated[str | None, option("ID", PAIR_HELP, "--pair", "-p", default="the last one")]


def side(spec: "BackboneSpec", size: int | None) -> int:
    """The side of the network's input in pixels. Raises SettingError for one that is out of range."""
    from crosspool.framing import MAX_SIZE, MIN_SIZE

    own = spec.preprocessing.size
    if size is None or size == own or MIN_SIZE <= size <= MAX_SIZE:
        return size or own
    raise SettingError(f"The input size must be a whole number from {MIN_SIZE} to {MAX_SIZE}, not {size}.")


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
