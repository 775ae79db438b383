"""Image representations by name: cross-layer pooling's variants and what they are compared with.

METHOD = PART[+PART...], and PART = NAME[:WHERE][@SIZE][/OPTION...].

`cl:features.10@448/pca64` is cross-layer pooling of that layer pair, input 448, local features projected on 64
principal components; `cl@448+global@448` puts two parts side by side, each of unit length. Every method is the same
kind of object: it says which maps it needs of an image, and makes a scikit-learn encoder from those to a vector.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import Normalizer

from crosspool.backbones import Architecture
from crosspool.baselines import INPUT, PYRAMID, FullyConnected, MapPooling, MeanOverViews, fully_connected_layers
from crosspool.crops import Source, Views
from crosspool.encoding import BlockNormalizer, CrossLayerPooling, Encoder, SignedPower, TernaryQuantizer
from crosspool.errors import SettingError
from crosspool.images import Framing, input_side

ROOT = 0.5  # the signed square root
TERNARY = "ternary"
MAX_PARTS = 16

# AlexNet's pairs as the paper names them, with its setting of 500 principal components.
PRESETS = {
    "cl-45": "cl:features.10/pca500",
    "cl-45f": "cl-f:features.10/pca500",
    "cl-45c": "cl-c:features.10/pca500",
    "cl-34": "cl:features.8/pca500",
}
PRESET_BACKBONE = "alexnet"


@dataclass(frozen=True)
class Part:
    """One representation: its name, its sources, the encoder's steps from them, and its vector's length.

    `averaged` is the map whose mean over the positions its source is, where there is one.
    """

    name: str
    sources: tuple[Source, ...]
    steps: tuple[tuple[str, Any], ...]
    length: int
    averaged: Source | None = None


@dataclass(frozen=True)
class Method:
    """A representation by name: what it needs of an image, and how that becomes a vector."""

    name: str
    parts: tuple[Part, ...]
    quantizer: TernaryQuantizer | None

    @property
    def sources(self) -> tuple[Source, ...]:
        """What must be computed of each image."""
        return tuple(sorted({source for part in self.parts for source in part.sources}))

    @property
    def sources_to_explain(self) -> tuple[Source, ...]:
        """The same, and the maps that tell where in the image an averaged activation comes from."""
        return tuple(sorted({*self.sources, *(part.averaged for part in self.parts if part.averaged is not None)}))

    @property
    def length(self) -> int:
        """How many values a vector has, packed or not."""
        return sum(part.length for part in self.parts)

    @property
    def framing(self) -> Framing:
        """How pictures become square; the same for all parts."""
        return self.sources[0].framing

    @property
    def learns(self) -> bool:
        """Whether the encoder depends on the training images (PCA)."""
        return any(getattr(part.steps[0][1], "n_components", None) is not None for part in self.parts)

    def encoder(self, seed: int = 0) -> Encoder:
        """A new encoder, to be fitted on records of training images.

        It gives vectors (n, d), float32, of unit length; or packed ones, (n, d / 4) bytes, if the method is ternary.
        """
        encoders = [(f"part{i}", Encoder(list(part.steps))) for i, part in enumerate(self.parts)]
        if len(encoders) == 1:
            encoder = encoders[0][1]
        else:
            encoder = Encoder([("parts", FeatureUnion(encoders)), ("unit", Normalizer())])
        if self.quantizer is not None:
            encoder = Encoder([("vector", encoder), (TERNARY, self.quantizer)])
        seeds = {name: seed for name in encoder.get_params() if name.endswith("random_state")}
        cloned: Encoder = clone(encoder).set_params(**seeds)
        return cloned


def parts_and_rest(encoder: Encoder) -> tuple[list[Encoder], list[Any]]:
    """What `Method.encoder` put together: each part's encoder, and the steps from their vectors, side by side, on."""
    rest: list[Any] = []
    if isinstance(encoder[-1], TernaryQuantizer):
        rest, encoder = [encoder[-1]], encoder[0]
    if isinstance(encoder[0], FeatureUnion):
        return [part for _, part in encoder[0].transformer_list], [encoder[1], *rest]
    return [encoder], rest


def parse_methods(text: str, architecture: Architecture, framing: Framing = "squash") -> list[Method]:
    """Methods by name, with commas between them. Raises SettingError for what cannot be understood or had."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SettingError(f"Name at least one method: {', '.join(_BUILDERS)}.")
    plain = [name.lower() for name in names]
    twice = [name for name in names if plain.count(name.lower()) > 1]
    if twice:
        raise SettingError(f"The method {min(twice)} is named twice; name each once.")
    return [parse_method(name, architecture, framing) for name in names]


def parse_method(name: str, architecture: Architecture, framing: Framing = "squash") -> Method:
    """The method that `name` says, for a network. Raises SettingError, or LayerPairError for an unknown pair."""
    builder = _Builder(name, architecture, framing)
    texts = name.split("+")
    if len(texts) > MAX_PARTS:
        raise SettingError(f"A method has at most {MAX_PARTS} parts, not {len(texts)}.")
    words = [_understood(_preset(text.strip(), architecture), name) for text in texts]
    quantizer = builder.quantizer(words[-1])
    return Method(name, tuple(part for word in words for part in builder.parts(word)), quantizer)


@dataclass(frozen=True)
class _Words:
    """What a part's name says: `options` are names with the number behind them, or an empty text."""

    name: str
    where: str | None
    size: int | None
    options: dict[str, str]

    def label(self, where: str, usual: str, size: int) -> str:
        """What a part is called: the layer or pair is named where it is not the usual one."""
        return f"{self.name}@{size}" if where == usual else f"{self.name}:{where}@{size}"


_PART = re.compile(
    r"(?P<name>[^:@/]+)(:(?P<where>[^@/]+))?(@(?P<size>\d{1,9}))?(?P<options>(/[a-z]+[\d.]*)*)", re.IGNORECASE
)
_OPTION = re.compile(r"([a-z]+)([\d.]*)")


def _preset(text: str, architecture: Architecture) -> str:
    head = re.split(r"[@/]", text, maxsplit=1)[0]
    if head.lower() not in PRESETS:
        return text
    if architecture.spec.name != PRESET_BACKBONE:
        raise SettingError(f"{head} is a layer pair of {PRESET_BACKBONE}; say cl:PAIR, or choose that network.")
    preset = PRESETS[head.lower()]
    size, slash, options = text[len(head) :].partition("/")
    where, _, dimension = preset.partition("/")
    kept = [] if "pca" in options.lower() else [dimension]
    return "/".join([where + size, *kept, *([options] if slash else [])])


def _understood(text: str, method: str) -> _Words:
    found = _PART.fullmatch(text)
    if found is None:
        raise SettingError(f"{method!r} is no method; write NAME:PAIR@SIZE/OPTION, such as cl:features.10@448/pca64.")
    named = _OPTION.findall(found["options"].lower())
    if len(dict(named)) < len(named):
        raise SettingError(f"{text} gives an option twice; give each once.")
    return _Words(found["name"].lower(), found["where"], int(found["size"]) if found["size"] else None, dict(named))


class _Builder:
    """Makes the parts of one method for one network."""

    def __init__(self, method: str, architecture: Architecture, framing: Framing) -> None:
        self.method = method
        self.architecture = architecture
        self.framing = framing

    def parts(self, words: _Words) -> list[Part]:
        if words.name not in _BUILDERS:
            near = difflib.get_close_matches(words.name, _BUILDERS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_BUILDERS)}."
            raise SettingError(f"There is no method {words.name!r}; {hint}")
        if words.size is not None:
            input_side(self.architecture.spec.preprocessing, words.size)
        options = dict(words.options)
        parts = _BUILDERS[words.name](self, replace(words, options=options))
        if options:
            raise SettingError(f"{words.name} takes no option /{min(options)} (in {self.method}).")
        return parts

    def quantizer(self, words: _Words) -> TernaryQuantizer | None:
        if words.options.get(TERNARY) == "":
            del words.options[TERNARY]
            return TernaryQuantizer()
        threshold = self._number(words, TERNARY, float)
        return None if threshold is None else TernaryQuantizer(threshold)

    # --- cross-layer pooling

    def cross_layer(self, words: _Words, views: Views = "whole", size: int | None = None) -> Part:
        pair = self.architecture.default_pair if words.where is None else self.architecture.pair(words.where)
        at = size or words.size or self.own_size
        lower, upper = (self.source(node, at, views) for node in (pair.lower, pair.upper))
        n_components = self._number(words, "pca", int)
        if n_components is not None and not 1 <= n_components <= pair.patch_length:
            raise SettingError(
                f"The local features of {pair.id} have {pair.patch_length} numbers; choose /pca from 1 to that, not "
                f"{n_components} (in {self.method})."
            )
        pool = CrossLayerPooling(lower, upper, pair.geometry, n_components)
        blocks = (("blocks", BlockNormalizer(pair.upper_channels)),) if self._flag(words, "blocks") else ()
        steps = (("pool", pool), *self._power(words, ROOT), *blocks, ("unit", Normalizer()))
        length = pair.upper_channels * (n_components or pair.patch_length)
        return Part(words.label(pair.id, self.architecture.default_pair.id, at), (lower, upper), steps, length)

    def finer(self, words: _Words) -> Part:
        size = words.size or 2 * self.own_size
        if self._flag(words, "whole"):
            return self.cross_layer(words, "whole", size)
        return self.cross_layer(words, "tiles", self._even(size))

    def combined(self, words: _Words) -> list[Part]:
        size = self._even(words.size or 2 * self.own_size)
        options = {name: value for name, value in words.options.items() if name != "whole"}
        coarse = self.cross_layer(replace(words, options=options), "whole", size // 2)
        return [coarse, self.finer(words)]

    # --- fully-connected activations

    def vector(self, words: _Words, views: Views, exponent: float | None = None) -> Part:
        layer, size = self.layer(words), words.size or self.own_size
        source = self.source(layer.node, size, views)
        steps = (("mean", MeanOverViews(source, exponent)), *self._power(words, 1.0), ("unit", Normalizer()))
        averaged = self.source(layer.map, size, views) if layer.map is not None and views == "whole" else None
        usual = self.layer(replace(words, where=None)).id
        length = self.architecture.layout().shapes[layer.node][1]
        return Part(words.label(layer.id, usual, size), (source,), steps, length, averaged)

    def layer(self, words: _Words) -> FullyConnected:
        layers = fully_connected_layers(self.architecture.layout(words.size))
        if words.where is None:  # the first of several layers; the input of a single one
            return layers[1] if len(layers) > 2 else layers[0]
        for layer in layers:
            if words.where in (layer.id, layer.label):
                return layer
        known = ", ".join(layer.id if layer.id == INPUT else f"{layer.id} ({layer.label})" for layer in layers)
        raise SettingError(
            f"{self.architecture.spec.name} has no fully-connected layer {words.where!r}; it has {known}."
        )

    # --- one map by itself

    def one_map(self, words: _Words, how: Any, levels: tuple[int, ...] = (1,)) -> Part:
        pair = self.architecture.default_pair if words.where is None else self.architecture.pair(words.where)
        lower = self._flag(words, "lower")
        node, channels = (pair.lower, pair.lower_channels) if lower else (pair.upper, pair.upper_channels)
        size = words.size or self.own_size
        source = self.source(node, size, "whole")
        steps = (("pool", MapPooling(source, how, levels)), *self._power(words, ROOT), ("unit", Normalizer()))
        length = channels * sum(level**2 for level in levels)
        return Part(words.label(pair.id, self.architecture.default_pair.id, size), (source,), steps, length)

    # --- what they share

    @property
    def own_size(self) -> int:
        return self.architecture.spec.preprocessing.size

    def source(self, node: str, size: int, views: Views) -> Source:
        input_side(self.architecture.spec.preprocessing, size)
        self.architecture.layout(size // 2 if views == "tiles" else size)  # raises where the network has no room
        return Source(node, size, views, self.framing)

    def _even(self, size: int) -> int:
        if size % 2:
            raise SettingError(f"{self.method} cuts the picture into 2 x 2 blocks; choose an even size, not {size}.")
        return size

    def _power(self, words: _Words, default: float) -> tuple[tuple[str, Any], ...]:
        exponent = self._number(words, "power", float)
        exponent = default if exponent is None else exponent
        if not 0 < exponent <= 1:
            raise SettingError(f"The exponent of /power is above 0 and at most 1, not {exponent} (in {self.method}).")
        return () if exponent == 1 else (("power", SignedPower(exponent)),)

    def _flag(self, words: _Words, option: str) -> bool:
        text = words.options.pop(option, None)
        if text:
            raise SettingError(f"Write /{option} without a number (in {self.method}).")
        return text is not None

    def _number(self, words: _Words, option: str, kind: Callable[[str], Any]) -> Any:
        text = words.options.pop(option, None)
        if text is None:
            return None
        try:
            return kind(text)
        except ValueError as error:
            raise SettingError(
                f"Write a number behind /{option}, such as /pca64 or /power0.5 (in {self.method})."
            ) from error


_BUILDERS: dict[str, Callable[[_Builder, _Words], list[Part]]] = {
    "cl": lambda builder, words: [builder.cross_layer(words)],
    "cl-f": lambda builder, words: [builder.finer(words)],
    "cl-c": lambda builder, words: builder.combined(words),
    "global": lambda builder, words: [builder.vector(words, "whole")],
    "jitter": lambda builder, words: [builder.vector(words, "jitter")],
    "cnn-svm": lambda builder, words: [builder.vector(words, "whole")],
    "cnnaug-svm": lambda builder, words: [builder.vector(words, "augmented", ROOT)],
    "sum": lambda builder, words: [builder.one_map(words, "sum")],
    "max": lambda builder, words: [builder.one_map(words, "max")],
    "pyramid": lambda builder, words: [builder.one_map(words, "max", PYRAMID)],
}
