"""Deep links: the settings of a page as URL parameters, and back. Nonsense is ignored with a note, never an error."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from crosspool.backbones import DEFAULT, UNTRAINED, architecture, backbone_specs
from crosspool.images import MAX_SIZE, MIN_SIZE
from crosspool.rendering import COLOUR_MAPS
from crosspool.samples import samples

PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Settings:
    """What a link can carry. An empty `pair` is the backbone's last, `size` 0 its own, `channel` -1 the strongest."""

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


_CHOICES: dict[str, tuple[str, ...]] = {
    "weights": (PRETRAINED, UNTRAINED),
    "framing": ("crop", "squash"),
    "border": ("zero", "valid"),
    "colours": COLOUR_MAPS,
    "scale": ("map", "layer"),
}


def to_params(settings: Settings) -> dict[str, str]:
    """URL parameters for everything that differs from its default, so that links stay short."""
    default = asdict(Settings())
    return {
        name: str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in asdict(settings).items()
        if value != default[name]
    }


def from_params(params: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Settings from URL parameters, and a sentence for each that made no sense and was ignored."""
    settings, notes = Settings(), []
    known = [field.name for field in fields(Settings)]
    for name in known:  # in this order: a pair is checked against its backbone, a channel against its pair
        if name not in params:
            continue
        value, reason = _read(name, params[name], settings)
        if reason:
            notes.append(f"The link's {name} `{_shorten(params[name])}` was ignored: {reason}.")
        else:
            settings = replace(settings, **{name: value})
    return settings, notes


def _shorten(text: str) -> str:
    """What a stranger's link says, made fit for a code span of Markdown: short, and never empty."""
    plain = "".join(sign if sign.isalnum() or sign in " .,-+/" else "_" for sign in text).strip() or "_"
    return plain if len(plain) <= 40 else plain[:39] + "…"


def _read(name: str, text: str, settings: Settings) -> tuple[Any, str]:
    """(value, "") or (None, why not)."""
    if name in _CHOICES:
        return (text, "") if text in _CHOICES[name] else (None, f"it is one of {', '.join(_CHOICES[name])}")
    if name in ("signed", "smooth"):
        return (text == "1", "") if text in ("0", "1") else (None, "it is 0 or 1")
    if name == "sample":
        ids = [sample.id for sample in samples()]
        return (text, "") if text in ids else (None, f"there are the samples {', '.join(ids)}")
    if name == "backbone":
        return (text, "") if text in backbone_specs() else (None, "there is no such network")
    if name == "pair":
        ids = [pair.id for pair in architecture(settings.backbone).layer_pairs]
        return (text, "") if text in ids else (None, f"{settings.backbone} has no such layer pair")
    if name == "opacity":
        return _number(text, float, 0.0, 1.0)
    if name == "size":
        return _number(text, int, MIN_SIZE, MAX_SIZE)
    found = architecture(settings.backbone)
    pair = found.pair(settings.pair) if settings.pair else found.default_pair
    return _number(text, int, 0, pair.upper_channels - 1)


def _number(text: str, kind: type[int] | type[float], low: float, high: float) -> tuple[Any, str]:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        return None, f"it is a number from {low} to {high}"
    return value, ""
