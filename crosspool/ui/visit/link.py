"""Deep links: the settings of a page as URL parameters, and back. Nonsense is ignored with a note, never an error."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from crosspool.backbones import DEFAULT, UNTRAINED, architecture, backbone_specs
from crosspool.drawing.rendering import COLOUR_MAPS
from crosspool.framing import MAX_SIZE, MIN_SIZE
from crosspool.gallery import LARGEST_TOP, MAX_PINS
from crosspool.samples import samples

PRETRAINED = "pretrained"


@dataclass(frozen=True)
class LinkState:
    """What a link can carry. An empty `pair` is the backbone's last, `size` 0 its own, `channel` -1 the strongest.

    `top` is the end of a fixed scale, 0 for the layer's largest weight; `pins` lists the channels pinned, as "3,17".
    `positive` and `against` are classes of the network's own, "" for the highest score and for none. `present` is
    presenter mode.
    """

    sample: str = "cat"
    backbone: str = DEFAULT
    weights: str = PRETRAINED
    pair: str = ""
    size: int = 0
    framing: str = "crop"
    signed: bool = False
    border: str = "zero"
    channel: int = -1
    colours: str = COLOUR_MAPS[0]
    opacity: float = 0.65
    scale: str = "map"
    smooth: bool = True
    top: float = 0.0
    pins: str = ""
    positive: str = ""
    against: str = ""
    present: bool = False


_CHOICES: dict[str, tuple[str, ...]] = {
    "weights": (PRETRAINED, UNTRAINED),
    "framing": ("crop", "squash"),
    "border": ("zero", "valid"),
    "colours": COLOUR_MAPS,
    "scale": ("map", "layer", "fixed"),
}


def to_params(settings: LinkState) -> dict[str, str]:
    """URL parameters for everything that differs from its default, so that links stay short."""
    default = asdict(LinkState())
    return {
        name: str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in asdict(settings).items()
        if value != default[name]
    }


def from_params(params: Mapping[str, str]) -> tuple[LinkState, list[str]]:
    """A link state from URL parameters, and a sentence for each that made no sense and was ignored."""
    settings, notes = LinkState(), []
    known = [field.name for field in fields(LinkState)]
    for name in known:  # in this order: a pair is checked against its backbone, a channel against its pair
        if name not in params:
            continue
        value, reason = _read(name, params[name], settings)
        if reason:
            notes.append(f"The link's {name} `{shorten(params[name])}` was ignored: {reason}.")
        else:
            settings = replace(settings, **{name: value})
    return settings, notes


def shorten(text: str) -> str:
    """What a stranger's link says, made fit for a code span of Markdown: short, and never empty."""
    plain = "".join(sign if sign.isalnum() or sign in " .,-+/" else "_" for sign in text).strip() or "_"
    return plain if len(plain) <= 40 else plain[:39] + "…"


def _read(name: str, text: str, settings: LinkState) -> tuple[Any, str]:
    """(value, "") or (None, why not)."""
    if name in ("signed", "smooth", "present"):
        return (text == "1", "") if text in ("0", "1") else (None, "it is 0 or 1")
    if name == "opacity":
        return _number(text, float, 0.0, 1.0)
    if name == "size":
        return _number(text, int, MIN_SIZE, MAX_SIZE)
    if name == "top":
        return _number(text, float, 0.0, LARGEST_TOP)
    if name == "channel":
        return _number(text, int, 0, _channels(settings) - 1)
    if name == "pins":
        return _channel_list(text, _channels(settings))
    known, reason = _known(name, settings)
    return (text, "") if text in known else (None, reason)


def _channels(settings: LinkState) -> int:
    found = architecture(settings.backbone)
    return (found.pair(settings.pair) if settings.pair else found.default_pair).upper_channels


def _channel_list(text: str, count: int) -> tuple[Any, str]:
    numbers = text.split(",")
    pins = {int(part) for part in numbers if part.isascii() and part.isdigit() and len(part) < 6}
    if len(pins) < len(numbers) or len(pins) > MAX_PINS or max(pins) >= count:
        return None, f"it lists up to {MAX_PINS} channels from 0 to {count - 1}, such as 3,17"
    return text, ""


def _known(name: str, settings: LinkState) -> tuple[Sequence[str], str]:
    """What can be chosen, and a sentence for everything else."""
    if name in _CHOICES:
        return _CHOICES[name], f"it is one of {', '.join(_CHOICES[name])}"
    if name == "sample":
        ids = [sample.id for sample in samples()]
        return ids, f"there are the samples {', '.join(ids)}"
    if name == "backbone":
        return list(backbone_specs()), "there is no such network"
    if name == "pair":
        pairs = architecture(settings.backbone).layer_pairs
        return [pair.id for pair in pairs], f"{settings.backbone} has no such layer pair"
    return backbone_specs()[settings.backbone].classes(), f"{settings.backbone} has no such class"


def _number(text: str, kind: type[int] | type[float], low: float, high: float) -> tuple[Any, str]:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        return None, f"it is a number from {low} to {high}"
    return value, ""
