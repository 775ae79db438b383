"""Deep links: the settings of a page as URL parameters, and back. Nonsense is ignored with a note, never an error."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from crosspool.backbones import DEFAULT, UNTRAINED, BackboneSpec, architecture, backbone_specs, spec_of
from crosspool.drawing.rendering import COLOUR_MAPS, Look, Overlay, Scale
from crosspool.framing import MAX_SIZE, MIN_SIZE, Framing
from crosspool.gallery import LARGEST_TOP, MAX_PINS
from crosspool.gallery.pointing import PhotoBox
from crosspool.pooling import Border
from crosspool.samples import samples
from crosspool.ui.visit.state import VisitPart, about_images, plain

PRETRAINED = "pretrained"
RIGHT = "right_"
MOST_NAMED = 5  # unknown settings in a note


@dataclass
class LinkState(VisitPart):
    """What a link can carry. An empty `pair` is the backbone's last, `size` 0 its own, `channel` -1 the one to look
    at first: the best match of the `box` on the photo, or without one a telling map.

    `image` is the name of one of the visitor's own images, which only this visit knows, and "" for the sample.
    `top` is the end of a fixed scale, 0 for the layer's largest weight; `pins` lists the channels pinned, as "3,17";
    `box` is left, top, right and bottom in parts of the photo's sides, as "0.1,0.2,0.5,0.6".
    `positive` and `against` are classes, "" for the highest score and for none. `present` is presenter mode.
    What begins with `right` is of the right pane of Side by side, "" and 0 being what the left one has: `right_by` is
    whether it shows the best match or the channel of the same number, unless `right_channel` is one that was chosen.
    """

    sample: str = plain("cat")
    image: str = about_images("")
    backbone: str = plain(DEFAULT)
    weights: str = plain(PRETRAINED)
    pair: str = plain("")
    size: int = plain(0)
    framing: Framing = plain("crop")
    signed: bool = plain(False)
    border: Border = plain("zero")
    channel: int = plain(-1)
    colours: str = plain(COLOUR_MAPS[0])
    overlay: Overlay = plain("growing")
    opacity: float = plain(Look().opacity)
    scale: Scale = plain("map")
    smooth: bool = plain(True)
    top: float = plain(0.0)
    pins: str = plain("")
    box: str = plain("")
    positive: str = about_images("")
    against: str = about_images("")
    present: bool = plain(False)
    right_sample: str = plain("")
    right_backbone: str = plain("")
    right_weights: str = plain(UNTRAINED)
    right_pair: str = plain("")
    right_size: int = plain(0)
    right_by: str = plain("match")
    right_channel: int = plain(-1)


def right_side(link: LinkState) -> LinkState:
    """The view in the right pane of Side by side."""
    is_same_network = link.right_backbone in ("", link.backbone)
    return replace(
        link,
        sample=link.right_sample or link.sample,
        backbone=link.right_backbone or link.backbone,
        weights=link.right_weights,
        pair=link.right_pair or (link.pair if is_same_network else ""),
        size=link.right_size or (link.size if is_same_network else 0),
        channel=link.right_channel,
    )


@dataclass
class ChosenClassifier(VisitPart):
    """Whose classes `positive` and `against` are: "" for the network's own, which are the only ones in links."""

    classifier: str = about_images("")


LINK_NAMES = frozenset(each.name for each in fields(LinkState))
IMAGE_NAME = re.compile(r"[0-9a-f]{8}")
FOREIGN_PREFIXES = ("embed", "utm_", "fbclid", "gclid")  # Streamlit's own, and what mailers and networks append

_CHOICES: dict[str, tuple[str, ...]] = {
    "weights": (PRETRAINED, UNTRAINED),
    "framing": ("crop", "squash"),
    "border": ("zero", "valid"),
    "colours": COLOUR_MAPS,
    "overlay": ("growing", "even"),
    "scale": ("map", "layer", "fixed"),
    "by": ("match", "number"),
}
_SWITCHES = ("signed", "smooth", "present")
_RANGES: dict[str, tuple[float, float]] = {
    "opacity": (0.0, 1.0),
    "size": (MIN_SIZE, MAX_SIZE),
    "top": (0.0, LARGEST_TOP),
}


def to_params(state: LinkState) -> dict[str, str]:
    """URL parameters for everything that differs from its default, so that links stay short."""
    default = asdict(LinkState())
    return {
        name: str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in asdict(state).items()
        if value != default[name]
    }


def from_params(
    params: Mapping[str, str], others: Collection[str] = (), networks: Mapping[str, BackboneSpec] | None = None
) -> tuple[LinkState, list[str]]:
    """A link state from URL parameters, and a sentence for each that made no sense and was ignored.

    `others` are names that the page reads by itself, `networks` those that the server offers. Nothing is looked up of
    any other.
    """
    state, notes, networks = LinkState(), [], backbone_specs() if networks is None else networks
    for name in asdict(state):  # in this order: a pair is checked against its backbone, a channel against its pair
        if name not in params:
            continue
        value, hint = _read(name, params[name], state, networks)
        if value is None:
            notes.append(
                f"Unknown {name} `{shorten(params[name])}` in the link{hint}; showing {_title(name, state, networks)}."
            )
        else:
            state = replace(state, **{name: value})
    unknown = [
        name for name in params if name not in LINK_NAMES.union(others) and not name.startswith(FOREIGN_PREFIXES)
    ]
    if unknown:
        names = ", ".join(f"`{shorten(name)}`" for name in unknown[:MOST_NAMED])
        notes.append(f"Unknown setting{'s' if len(unknown) > 1 else ''} {names} in the link.")
    return state, notes


def box_text(box: Sequence[float] | None) -> str:
    """A box as a link carries it; "" for none."""
    return ",".join(f"{part:g}" for part in box or ())


def box_of(text: str) -> PhotoBox | None:
    """A box from its text in a link; None where there is none."""
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError:
        return None
    return (left, top, right, bottom) if 0 <= left < right <= 1 and 0 <= top < bottom <= 1 else None


def shorten(text: str) -> str:
    """Text from a link, made fit for a code span of Markdown: short, and never empty."""
    safe = "".join(char if char.isalnum() or char in " .,-+/" else "_" for char in text).strip() or "_"
    return safe if len(safe) <= 40 else safe[:39] + "…"


def _title(name: str, state: LinkState, networks: Mapping[str, BackboneSpec]) -> str:
    """What is shown instead of a value that makes no sense."""
    if name == "pair":
        return architecture(state.backbone).default_pair.label
    if name in (*_CHOICES, "sample", "image", "backbone"):
        name = "sample" if name == "image" else name
        return _options(name, state, networks)[getattr(state, name)]
    return "the default"


def _read(name: str, text: str, state: LinkState, networks: Mapping[str, BackboneSpec]) -> tuple[Any, str]:
    """A setting from its text: (value, ""), or None and, where it is short, a hint at sensible values in brackets."""
    if name.startswith(RIGHT):
        return _read(name.removeprefix(RIGHT), text, right_side(state), networks)
    if name in _SWITCHES:
        return (text == "1", "") if text in ("0", "1") else (None, " (0 or 1)")
    if name in _RANGES:
        return _number(text, *_RANGES[name])
    if name == "image":
        return (text if IMAGE_NAME.fullmatch(text) else None), ""
    if name == "channel":
        return _number(text, 0, _channel_count(state) - 1)
    if name == "box":
        return (
            (text, "") if box_of(text) else (None, " (left, top, right, bottom from 0 to 1, such as 0.1,0.2,0.5,0.6)")
        )
    if name == "pins":
        return _channel_list(text, _channel_count(state))
    return (text if text in _options(name, state, networks) else None), ""


def _channel_count(state: LinkState) -> int:
    network = architecture(state.backbone)
    return (network.pair(state.pair) if state.pair else network.default_pair).upper_channels


def _channel_list(text: str, count: int) -> tuple[Any, str]:
    numbers = text.split(",")
    pins = {int(part) for part in numbers if part.isascii() and part.isdigit() and len(part) < 6}
    if len(pins) < len(numbers) or len(pins) > MAX_PINS or max(pins) >= count:
        return None, f" (up to {MAX_PINS} channels from 0 to {count - 1}, such as 3,17)"
    return text, ""


def _options(name: str, state: LinkState, networks: Mapping[str, BackboneSpec]) -> dict[str, str]:
    """The values that a setting can have, with their titles."""
    if name == "sample":
        return {sample.id: sample.title for sample in samples()}
    if name == "backbone":
        return {backbone: spec.title for backbone, spec in networks.items()}
    if name == "pair":
        return {pair.id: pair.label for pair in architecture(state.backbone).layer_pairs}
    if name == "weights" and spec_of(state.backbone).is_own:
        return {PRETRAINED: "its own"}
    options = _CHOICES[name] if name in _CHOICES else spec_of(state.backbone).classes()
    return dict(zip(options, options, strict=True))


def _number(text: str, low: float, high: float) -> tuple[Any, str]:
    """A number from `low` to `high`, an integer if these are, or None and a hint."""
    try:
        value = type(low)(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        return None, f" ({low} to {high})"
    return value, ""
