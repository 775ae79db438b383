"""The grammar of methods' names, independent of any network.

METHOD = [ft[/OPTION...]+]PART[+PART...], and PART = NAME[:WHERE][@SIZE][[NETWORK]][/OPTION...], such as
cl@448[efficientnet_lite2].
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crosspool.errors import SettingError

MAX_PARTS = 16
MAX_NETWORKS = 4
TERNARY = "ternary"  # an option of the whole method, written after its last part

GEOMETRIES = ("mixture", "box", "true")  # of parts-rcnn, which takes one of them
_CROSS_LAYER = ("pca", "power", "blocks")
TUNING = "ft"  # what stands before the parts of a method whose network is fine-tuned
METHOD_OPTIONS = {
    "cl": _CROSS_LAYER,
    **dict.fromkeys(("cl-f", "cl-c"), (*_CROSS_LAYER, "whole")),
    **dict.fromkeys(("global", "jitter", "cnn-svm", "cnnaug-svm"), ("power",)),
    **dict.fromkeys(("sum", "max", "pyramid"), ("power", "lower")),
    "gem": ("p", "power", "lower"),
    "scda": ("power", "lower"),
    **dict.fromkeys(("bilinear", "isqrt"), ("power", "upper")),
    "compact": ("d", "power", "lower"),
    "compact-cl": ("d", "power"),
    "fv": ("gaussians", "pca", "power"),
    "scfv": ("atoms", "pca", "power", "local"),
    "vlad": ("centres", "pca", "power"),
    "guided": ("guides", "pca", "power", "lower"),
    **dict.fromkeys(("dpd", "dpd-cnn"), ("power",)),
    "parts-rcnn": GEOMETRIES,
    TUNING: ("epochs", "share"),
}
_NAMES = {name: f"{name}+METHOD" if name == TUNING else name for name in METHOD_OPTIONS}  # as people write them
_WHOLE = ("pca", "d", "gaussians", "centres", "atoms", "guides", "epochs")  # options of whole numbers
_REAL = ("power", "p", "share", TERNARY)
_NUMBERS: dict[str, Callable[[str], Any]] = dict.fromkeys(_WHOLE, int) | dict.fromkeys(_REAL, float)

LIMITS = {
    "p": (1, 100), "d": (16, 2**20), "gaussians": (1, 4096), "centres": (1, 4096), "atoms": (1, 4096),
    "guides": (1, 4096), "epochs": (0, 1000), "share": (0, 1),
}  # fmt: skip

# AlexNet's pairs as the paper names them, with its setting of 500 principal components; the last two are named alike.
PRESETS = {
    "cl-45": ("cl", "features.10"),
    "cl-45f": ("cl-f", "features.10"),
    "cl-45c": ("cl-c", "features.10"),
    "cl-34": ("cl", "features.8"),
    "cl-56": ("cl", "classifier.1"),
    "cl-67": ("cl", "classifier.4"),
}
PRESET_BACKBONE = "alexnet"
PRESET_COMPONENTS = 500

_PART = re.compile(
    r"(?P<name>[^:@/[\]]+)(:(?P<where>[^@/[\]]+))?(@(?P<size>\d{1,9}))?(\[(?P<network>[^[\]]+)\])?"
    r"(?P<options>(/[a-z]+[\d.]*)*)",
    re.IGNORECASE,
)
_DPD_CNN = re.compile(r"(?<![^+\s])dpd\+cnn(?![^+:@/[\s])", re.IGNORECASE)  # one method, as the paper writes it
_OPTION = re.compile(r"([a-z]+)([\d.]*)")


@dataclass(frozen=True)
class PartSpec:
    """One part of a method's name; None and False for what it does not mention.

    `method` is the name of the whole method, for error messages, and `preset` the paper's name if that was given.
    `network` is None for the network that the method is used on.
    """

    method: str
    name: str
    where: str | None
    size: int | None
    network: str | None = None
    preset: str | None = None
    pca: int | None = None
    power: float | None = None
    blocks: bool = False
    whole: bool = False
    lower: bool = False
    upper: bool = False
    mixture: bool = False
    box: bool = False
    true: bool = False
    p: float | None = None
    d: int | None = None
    gaussians: int | None = None
    centres: int | None = None
    atoms: int | None = None
    guides: int | None = None
    local: bool = False
    epochs: int | None = None
    share: float | None = None


def method_names(text: str) -> list[str]:
    """The names in a list with commas between. Raises SettingError without a name, or for one that is there twice."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SettingError(f"Name at least one method: {', '.join(_NAMES.values())}.")
    counts = Counter(name.lower() for name in names)
    repeated = [name for name in names if counts[name.lower()] > 1]
    if repeated:
        raise SettingError(f"The method {min(repeated)} is named twice; name each once.")
    return names


def parse_parts(method: str) -> tuple[tuple[PartSpec, ...], float | None]:
    """The parts of a method's name, and the threshold of its ternary quantiser if it has one.

    Raises SettingError if the name is not understood.
    """
    texts = [text.strip() for text in own_spelling(method).split("+")]
    if len(texts) > MAX_PARTS:
        raise SettingError(f"A method has at most {MAX_PARTS} parts, not {len(texts)}.")
    parts = [_parse_words(text, method) for text in texts]
    networks = {words["network"] for words, _ in parts if words["network"]}
    if len(networks) > MAX_NETWORKS:
        raise SettingError(f"A method names at most {MAX_NETWORKS} networks, not {len(networks)}.")
    threshold = None
    words, options = parts[-1]
    if TERNARY in options:
        threshold = 1.0 if options[TERNARY] == "" else _option_value(TERNARY, options[TERNARY], method)
        parts[-1] = words, {option: number for option, number in options.items() if option != TERNARY}
    specs = tuple(_part_spec(words, options, method) for words, options in parts)
    if any(spec.name == TUNING for spec in specs[1:]) or specs[-1].name == TUNING:
        raise SettingError(f"{TUNING} stands once, before what is pooled, such as {TUNING}+cl@448 (not {method}).")
    if specs[0].name == TUNING and (specs[0].where or specs[0].size or specs[0].network):
        raise SettingError(f"{TUNING} has no layer, size or network; name those of the parts after it (in {method}).")
    return specs, threshold


def own_spelling(method: str) -> str:
    """A method's name in which + only joins parts: dpd-cnn for the paper's DPD+CNN."""
    return _DPD_CNN.sub("dpd-cnn", method)


def _parse_words(text: str, method: str) -> tuple[re.Match[str], dict[str, str]]:
    """A part's words, and its options with the number after each, or an empty text."""
    words = _PART.fullmatch(text)
    if words is None:
        example = "write NAME:PAIR@SIZE/OPTION, such as cl:features.10@448/pca64"
        if "[" in text:
            example = "write NAME:PAIR@SIZE[NETWORK]/OPTION, such as cl@448[efficientnet_lite2]/pca64"
        raise SettingError(f"{method!r} is not a method; {example}.")
    options = _OPTION.findall(words["options"].lower())
    if len(dict(options)) < len(options):
        raise SettingError(f"{text} gives an option twice; give each once.")
    return words, dict(options)


def _part_spec(words: re.Match[str], options: dict[str, str], method: str) -> PartSpec:
    name, where, preset = words["name"].lower(), words["where"], None
    if where is None and name in PRESETS:
        preset, (name, where) = words["name"], PRESETS[name]
        options = {"pca": str(PRESET_COMPONENTS)} | options
    if name not in METHOD_OPTIONS:
        raise SettingError(f"There is no method {name!r}; {_hint(words)}")
    unknown = options.keys() - METHOD_OPTIONS[name]
    if unknown:
        raise SettingError(f"{name} takes no option /{min(unknown)} (in {method}).")
    geometries = [option for option in GEOMETRIES if option in options]
    if len(geometries) > 1:
        raise SettingError(f"{name} takes one of /{' and /'.join(geometries)}, not both (in {method}).")
    values = {option: _option_value(option, number, method) for option, number in options.items()}
    size = int(words["size"]) if words["size"] else None
    return PartSpec(method, name, where, size, words["network"], preset, **values)


def _hint(words: re.Match[str]) -> str:
    """What may be meant by an unknown name: a similar one, any other, or a network."""
    near = difflib.get_close_matches(words["name"].lower(), METHOD_OPTIONS, n=1)
    if near:
        return f"did you mean {_NAMES[near[0]]}?"
    network = words["name"] + (f":{words['where']}" if words["where"] else "")
    size = f"@{words['size']}" if words["size"] else ""
    return f"there are {', '.join(_NAMES.values())}. If it is a network, write global{size}[{network}]."


def _option_value(option: str, number: str, method: str) -> Any:
    """An option's value: True for a flag, which has no number."""
    if option not in _NUMBERS:
        if number:
            raise SettingError(f"Write /{option} without a number (in {method}).")
        return True
    try:
        value = _NUMBERS[option](number)
    except ValueError as error:
        raise SettingError(f"Write a number after /{option}, such as /pca64 or /power0.5 (in {method}).") from error
    if option == "power" and not 0 < value <= 1:
        raise SettingError(f"The exponent of /power is above 0 and at most 1, not {value} (in {method}).")
    if option in LIMITS and not LIMITS[option][0] <= value <= LIMITS[option][1]:
        low, high = LIMITS[option]
        raise SettingError(f"/{option} is from {low:,} to {high:,}, not {value:,} (in {method}).")
    return value
