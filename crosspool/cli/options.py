"""The options that several commands share. Their choices are written out: torch is imported only by a command."""

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
DOWNLOADS_NOTHING = "Nothing is downloaded unless you run: crosspool fetch NAME"

FramingChoice = Literal["crop", "squash"]
BorderChoice = Literal["zero", "valid"]
ColourMapChoice = Literal["viridis", "cividis", "magma", "gray"]
ScaleChoice = Literal["map", "layer", "fixed"]
SortChoice = Literal["share", "peak", "mean", "sparsity", "channel"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
BackboneName = Annotated[
    str, typer.Option("--backbone", "-b", metavar="NAME", help="The network; crosspool backbones lists them.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Your own state dict (.safetensors, or a checkpoint of tensors), or the word untrained: random weights.",
        show_default="the pretrained ones",
    ),
]
Images = Annotated[list[str], typer.Argument(metavar="IMAGES", help="One or more image files.")]
Top = Annotated[int, typer.Option(min=1, metavar="N", help="How many classes to show for each image.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")]
Size = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        help="Side of the network's square input, 128 to 896; larger gives finer maps.",
        show_default="the network's own",
    ),
]
Framing = Annotated[
    FramingChoice, typer.Option(help="crop: the centre of the image; squash: all of it, with its aspect ratio changed.")
]
Pair = Annotated[
    str | None,
    typer.Option(
        "--pair", "-p", metavar="ID", help="The layer pair; crosspool pairs lists them.", show_default="the last one"
    ),
]
Signed = Annotated[bool, typer.Option("--signed", help="Keep negative weights; otherwise max(0, a).")]
Border = Annotated[
    BorderChoice, typer.Option(help="zero: pad patches as the network does; valid: only patches that lie inside.")
]


def side(spec: "BackboneSpec", size: int | None) -> int:
    """The side of the input in pixels. Raises SettingError before any work is done for one that cannot be had."""
    from crosspool.framing import MAX_SIZE, MIN_SIZE

    own = spec.preprocessing.size
    if size is None or size == own or MIN_SIZE <= size <= MAX_SIZE:
        return size or own
    raise SettingError(f"The input size must be a whole number from {MIN_SIZE} to {MAX_SIZE}, not {size}.")


def option_by_option(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer wants it: a parameter that is a dataclass becomes an option for each of its fields."""
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
