"""From a method's name to its parts on a network: layers are looked up, sizes checked, and encoders put together."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

from sklearn.preprocessing import Normalizer

from crosspool.backbones import Architecture
from crosspool.baselines import INPUT, PYRAMID_LEVELS, FullyConnected, MapPooling, MeanOverViews, fully_connected_layers
from crosspool.encoding import BlockNormalizer, CrossLayerPooling, SignedPower, TernaryQuantizer
from crosspool.errors import SettingError
from crosspool.framing import Framing, Source, Views, input_side
from crosspool.layer_pairs import LayerPair
from crosspool.methods.grammar import METHOD_OPTIONS, PRESET_BACKBONE, PartSpec, parse_parts
from crosspool.methods.representation import Method, Part

SQUARE_ROOT = 0.5  # the exponent of the signed square root
SQUARE = 2.0  # that of CNNaug-SVM


def _build_parts(spec: PartSpec, architecture: Architecture, framing: Framing) -> list[Part]:
    """The parts on a network that one part of a name stands for: one, or two for cl-c.

    Raises SettingError for layers or sizes that the network does not have, and LayerPairError for an unknown pair.
    """
    if spec.preset is not None and architecture.spec.name != PRESET_BACKBONE:
        raise SettingError(f"{spec.preset} is a layer pair of {PRESET_BACKBONE}; say cl:PAIR, or choose that network.")
    if spec.size is not None:
        input_side(architecture.spec.preprocessing, spec.size)
    return _BUILDERS[spec.name](_Builder(spec, architecture, framing))


@dataclass(frozen=True)
class _Builder:
    """Builds what one part of a name stands for on one network."""

    spec: PartSpec
    architecture: Architecture
    framing: Framing

    @property
    def network_size(self) -> int:
        return self.architecture.spec.preprocessing.size

    # --- cross-layer pooling

    def cross_layer(self, views: Views = "whole", size: int | None = None) -> Part:
        pair, size = self._pair(), size or self.spec.size or self.network_size
        lower, upper = (self._source(node, size, views) for node in (pair.lower, pair.upper))
        n_components = self.spec.pca
        if n_components is not None and not 1 <= n_components <= pair.patch_length:
            advice = f"choose /pca from 1 to that, not {n_components} (in {self.spec.method})"
            raise SettingError(f"The local features of {pair.id} have {pair.patch_length} numbers; {advice}.")
        pool = CrossLayerPooling(lower, upper, pair.geometry, n_components)
        blocks = (("blocks", BlockNormalizer(pair.upper_channels)),) if self.spec.blocks else ()
        steps = (("pool", pool), *self._power(SQUARE_ROOT), *blocks, ("unit", Normalizer()))
        length = pair.upper_channels * (n_components or pair.patch_length)
        return Part(self._name(pair.id, self.architecture.default_pair.id, size), (lower, upper), steps, length)

    def finer(self) -> Part:
        size = self.spec.size or 2 * self.network_size
        return self.cross_layer("whole", size) if self.spec.whole else self.cross_layer("tiles", self._even(size))

    def combined(self) -> list[Part]:
        size = self._even(self.spec.size or 2 * self.network_size)
        return [self.cross_layer("whole", size // 2), self.finer()]

    # --- fully-connected activations

    def fully_connected(self, views: Views, exponent: float | None = None) -> Part:
        size = self.spec.size or self.network_size
        layout = self.architecture.layout(size)
        layers = fully_connected_layers(layout)
        usual = layers[1] if len(layers) > 2 else layers[0]  # the first of several layers; the input of a single one
        layer = usual if self.spec.where is None else self._named_layer(self.spec.where, layers)
        source = self._source(layer.node, size, views)
        steps = (("mean", MeanOverViews(source, exponent)), *self._power(1.0), ("unit", Normalizer()))
        averaged = self._source(layer.map, size, views) if layer.map is not None and views == "whole" else None
        length = layout.shapes[layer.node][1]
        return Part(self._name(layer.id, usual.id, size), (source,), steps, length, averaged)

    def _named_layer(self, name: str, layers: tuple[FullyConnected, ...]) -> FullyConnected:
        for layer in layers:
            if name in (layer.id, layer.label):
                return layer
        names = ", ".join(layer.id if layer.id == INPUT else f"{layer.id} ({layer.label})" for layer in layers)
        raise SettingError(f"{self.architecture.spec.name} has no fully-connected layer {name!r}; it has {names}.")

    # --- one map alone

    def pooled_map(self, reduction: Literal["sum", "max"], levels: tuple[int, ...] = (1,)) -> Part:
        pair, size = self._pair(), self.spec.size or self.network_size
        node, channels = (pair.lower, pair.lower_channels) if self.spec.lower else (pair.upper, pair.upper_channels)
        source = self._source(node, size, "whole")
        steps = (("pool", MapPooling(source, reduction, levels)), *self._power(SQUARE_ROOT), ("unit", Normalizer()))
        length = channels * sum(level**2 for level in levels)
        return Part(self._name(pair.id, self.architecture.default_pair.id, size), (source,), steps, length)

    # --- shared by all

    def _pair(self) -> LayerPair:
        where = self.spec.where
        return self.architecture.default_pair if where is None else self.architecture.pair(where)

    def _source(self, node: str, size: int, views: Views) -> Source:
        input_side(self.architecture.spec.preprocessing, size)
        self.architecture.layout(size // 2 if views == "tiles" else size)  # raises if this is too small
        return Source(node, size, views, self.framing)

    def _name(self, where: str, usual: str, size: int) -> str:
        """The part's name, with the layer or pair unless it is the usual one."""
        return f"{self.spec.name}@{size}" if where == usual else f"{self.spec.name}:{where}@{size}"

    def _even(self, size: int) -> int:
        if size % 2:
            raise SettingError(f"{self.spec.method} cuts the image into 2×2 blocks; choose an even size, not {size}.")
        return size

    def _power(self, default: float) -> tuple[tuple[str, Any], ...]:
        exponent = default if self.spec.power is None else self.spec.power
        return () if exponent == 1 else (("power", SignedPower(exponent)),)


_BUILDERS: dict[str, Callable[[_Builder], list[Part]]] = {
    "cl": lambda builder: [builder.cross_layer()],
    "cl-f": lambda builder: [builder.finer()],
    "cl-c": lambda builder: builder.combined(),
    "global": lambda builder: [builder.fully_connected("whole")],
    "jitter": lambda builder: [builder.fully_connected("jitter")],
    "cnn-svm": lambda builder: [builder.fully_connected("whole")],
    "cnnaug-svm": lambda builder: [builder.fully_connected("augmented", SQUARE)],
    "sum": lambda builder: [builder.pooled_map("sum")],
    "max": lambda builder: [builder.pooled_map("max")],
    "pyramid": lambda builder: [builder.pooled_map("max", PYRAMID_LEVELS)],
}


@dataclass(frozen=True)
class MethodSpec:
    """A method as its name describes it, for any network.

    `threshold` is that of the ternary quantiser; None without one.
    """

    name: str
    parts: tuple[PartSpec, ...]
    threshold: float | None

    @classmethod
    def parse(cls, name: str) -> Self:
        """Parse a name. Raises SettingError if it is not understood."""
        return cls(name, *parse_parts(name))

    def on(self, architecture: Architecture, framing: Framing = "squash") -> Method:
        """The method on a network.

        Raises SettingError for layers or sizes that the network does not have, and LayerPairError for an unknown pair.
        """
        parts = tuple(part for spec in self.parts for part in _build_parts(spec, architecture, framing))
        return Method(self.name, parts, None if self.threshold is None else TernaryQuantizer(self.threshold))


def parse_method(name: str, architecture: Architecture, framing: Framing = "squash") -> Method:
    """The image representation of this name, on a network.

    To use one name on several networks, parse it once with `crosspool.methods.MethodSpec`.

    Args:
        name: NAME[:PAIR][@SIZE][/OPTION...], such as "cl:features.10@448/pca64", or several such parts joined by +;
            the README lists the names.
        architecture: The network's structure: `backbone.architecture`.
        framing: "squash" resizes the whole image to a square, "crop" cuts out the middle.

    Returns:
        Method: The maps that it needs of an image (`sources`), and an encoder from these to a vector (`encoder()`) of
        `length` values.

    Raises:
        SettingError: The name is not understood, or the network lacks a layer or size that it names.
        LayerPairError: The network has no such layer pair.

    Example:
        >>> import crosspool
        >>> method = crosspool.parse_method("cl@448/pca64", crosspool.architecture("efficientnet_lite0"))
        >>> method.length  # 1,280 maps over 64 principal components
        81920

    References:
        Liu, Shen and van den Hengel, CVPR 2015, section 4, for cl, cl-f, cl-c and the presets such as cl-45.
    """
    return MethodSpec.parse(name).on(architecture, framing)


def parse_methods(text: str, architecture: Architecture, framing: Framing = "squash") -> list[Method]:
    """Methods on a network, named with commas between. Raises as `parse_method_specs` and `MethodSpec.on`."""
    return [spec.on(architecture, framing) for spec in parse_method_specs(text)]


def parse_method_specs(text: str) -> list[MethodSpec]:
    """Methods named with commas between. Raises SettingError without a name, for one named twice or not understood."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SettingError(f"Name at least one method: {', '.join(METHOD_OPTIONS)}.")
    counts = Counter(name.lower() for name in names)
    repeated = [name for name in names if counts[name.lower()] > 1]
    if repeated:
        raise SettingError(f"The method {min(repeated)} is named twice; name each once.")
    return [MethodSpec.parse(name) for name in names]
