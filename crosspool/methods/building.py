"""Build the parts of a method for a network: look up its layers, check sizes, and put the encoder's steps together."""

from collections.abc import Callable
from typing import Any, Literal

from sklearn.preprocessing import Normalizer

from crosspool.backbones import Architecture
from crosspool.baselines import INPUT, PYRAMID_LEVELS, FullyConnected, MapPooling, MeanOverViews, fully_connected_layers
from crosspool.crops import Source, Views
from crosspool.encoding import BlockNormalizer, CrossLayerPooling, SignedPower
from crosspool.errors import SettingError
from crosspool.framing import Framing, input_side
from crosspool.layer_pairs import LayerPair
from crosspool.methods.grammar import PRESET_BACKBONE, PartSpec
from crosspool.methods.representation import Part

SQUARE_ROOT = 0.5  # the exponent of the signed square root


def build_parts(spec: PartSpec, architecture: Architecture, framing: Framing) -> list[Part]:
    """The parts that a part's name stands for on a network: one, or two for cl-c.

    Raises SettingError for what the network cannot give, or LayerPairError for an unknown pair.
    """
    if spec.preset is not None and architecture.spec.name != PRESET_BACKBONE:
        raise SettingError(f"{spec.preset} is a layer pair of {PRESET_BACKBONE}; say cl:PAIR, or choose that network.")
    if spec.size is not None:
        input_side(architecture.spec.preprocessing, spec.size)
    return _BUILDERS[spec.name](_Builder(spec, architecture, framing))


class _Builder:
    """Builds what one part's name says for one network."""

    def __init__(self, spec: PartSpec, architecture: Architecture, framing: Framing) -> None:
        self.spec = spec
        self.architecture = architecture
        self.framing = framing
        self.network_size = architecture.spec.preprocessing.size

    # --- cross-layer pooling

    def cross_layer(self, views: Views = "whole", size: int | None = None) -> Part:
        pair, size = self._pair(), size or self.spec.size or self.network_size
        lower, upper = (self._source(node, size, views) for node in (pair.lower, pair.upper))
        n_components = self.spec.pca
        if n_components is not None and not 1 <= n_components <= pair.patch_length:
            raise SettingError(
                f"The local features of {pair.id} have {pair.patch_length} numbers; choose /pca from 1 to that, not "
                f"{n_components} (in {self.spec.method})."
            )
        pool = CrossLayerPooling(lower, upper, pair.geometry, n_components)
        blocks = (("blocks", BlockNormalizer(pair.upper_channels)),) if self.spec.blocks else ()
        steps = (("pool", pool), *self._power(SQUARE_ROOT), *blocks, ("unit", Normalizer()))
        length = pair.upper_channels * (n_components or pair.patch_length)
        return Part(self._name(pair.id, self.architecture.default_pair.id, size), (lower, upper), steps, length)

    def finer(self) -> Part:
        size = self.spec.size or 2 * self.network_size
        if self.spec.whole:
            return self.cross_layer("whole", size)
        return self.cross_layer("tiles", self._even(size))

    def combined(self) -> list[Part]:
        size = self._even(self.spec.size or 2 * self.network_size)
        return [self.cross_layer("whole", size // 2), self.finer()]

    # --- fully-connected activations

    def fully_connected(self, views: Views, exponent: float | None = None) -> Part:
        size = self.spec.size or self.network_size
        layers = fully_connected_layers(self.architecture.layout(self.spec.size))
        usual = layers[1] if len(layers) > 2 else layers[0]  # the first of several layers; the input of a single one
        layer = usual if self.spec.where is None else self._named_layer(self.spec.where, layers)
        source = self._source(layer.node, size, views)
        steps = (("mean", MeanOverViews(source, exponent)), *self._power(1.0), ("unit", Normalizer()))
        averaged = self._source(layer.map, size, views) if layer.map is not None and views == "whole" else None
        length = self.architecture.layout().shapes[layer.node][1]
        return Part(self._name(layer.id, usual.id, size), (source,), steps, length, averaged)

    def _named_layer(self, name: str, layers: tuple[FullyConnected, ...]) -> FullyConnected:
        for layer in layers:
            if name in (layer.id, layer.label):
                return layer
        names = ", ".join(layer.id if layer.id == INPUT else f"{layer.id} ({layer.label})" for layer in layers)
        raise SettingError(f"{self.architecture.spec.name} has no fully-connected layer {name!r}; it has {names}.")

    # --- one map by itself

    def single_map(self, reduction: Literal["sum", "max"], levels: tuple[int, ...] = (1,)) -> Part:
        pair, size = self._pair(), self.spec.size or self.network_size
        node, channels = (pair.lower, pair.lower_channels) if self.spec.lower else (pair.upper, pair.upper_channels)
        source = self._source(node, size, "whole")
        steps = (("pool", MapPooling(source, reduction, levels)), *self._power(SQUARE_ROOT), ("unit", Normalizer()))
        length = channels * sum(level**2 for level in levels)
        return Part(self._name(pair.id, self.architecture.default_pair.id, size), (source,), steps, length)

    # --- what they share

    def _pair(self) -> LayerPair:
        where = self.spec.where
        return self.architecture.default_pair if where is None else self.architecture.pair(where)

    def _source(self, node: str, size: int, views: Views) -> Source:
        input_side(self.architecture.spec.preprocessing, size)
        self.architecture.layout(size // 2 if views == "tiles" else size)  # raises where the network has no room
        return Source(node, size, views, self.framing)

    def _name(self, where: str, usual: str, size: int) -> str:
        """What the part is called: the layer or pair is named where it is not the usual one."""
        return f"{self.spec.name}@{size}" if where == usual else f"{self.spec.name}:{where}@{size}"

    def _even(self, size: int) -> int:
        if size % 2:
            raise SettingError(f"{self.spec.method} cuts the image into 2 x 2 blocks; choose an even size, not {size}.")
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
    "cnnaug-svm": lambda builder: [builder.fully_connected("augmented", SQUARE_ROOT)],
    "sum": lambda builder: [builder.single_map("sum")],
    "max": lambda builder: [builder.single_map("max")],
    "pyramid": lambda builder: [builder.single_map("max", PYRAMID_LEVELS)],
}
