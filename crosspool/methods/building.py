"""From a method's name to its parts on a network: layers are looked up, sizes checked, and encoders put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any, Literal, Self

from sklearn.preprocessing import Normalizer

from crosspool.backbones import Architecture
from crosspool.backbones import architecture as named_architecture
from crosspool.baselines import (
    PYRAMID_LEVELS,
    GeneralizedMean,
    MapPooling,
    MeanOverViews,
    SelectedPooling,
    TurnNormalizer,
)
from crosspool.codebooks import Codebook, FisherVector, SparseFisherVector, Vlad
from crosspool.encoding import BlockNormalizer, CrossLayerPooling, SignedPower, TernaryQuantizer
from crosspool.errors import SettingError
from crosspool.fine_tuning import FineTuning
from crosspool.framing import MIN_SIZE, Framing, Source, Views, input_side
from crosspool.fully_connected import INPUT, FullyConnected, fully_connected_layers
from crosspool.guidance import GuidedPooling
from crosspool.image_maps import CELL, COLOURS, GRADIENTS, IMAGE_MAPS, expect_gradients
from crosspool.layer_pairs import ONE_BY_ONE, LayerPair
from crosspool.methods.grammar import PRESET_BACKBONE, TUNING, PartSpec, method_names, parse_parts
from crosspool.methods.representation import Method, Part, sources_of
from crosspool.part_descriptors import DeformableParts
from crosspool.parts.geometry import Constraint
from crosspool.parts.rcnn import DetectedParts, TrueParts
from crosspool.second_order import BilinearPooling, ISqrtCovariance, TensorSketch
from crosspool.tail_training import EPOCHS
from crosspool.tails import tail_of

SQUARE_ROOT = 0.5  # the exponent of the signed square root
SQUARE = 2.0  # that of CNNaug-SVM
SKETCH_LENGTH = 8192
LONGEST_PROJECTED = 12_000  # numbers, whose covariance takes 1.2 GB
GAUSSIANS, CENTRES, COMPONENTS = 32, 64, 64
TUNED_SHARE = 0.15  # of the multiplications: the last block and what follows it, of EfficientNet-Lite0 and ResNet-18
ATOMS, REGION_COMPONENTS = 100, 256
GUIDES = 64
DETECTOR_COMPONENTS = 64
LOWER_FIRST = ("bilinear", "isqrt")  # of the lower map, as products of all channels of the upper one are too many


def _build_parts(spec: PartSpec, architecture: Architecture, framing: Framing) -> list[Part]:
    """The parts on a network that one part of a name stands for: one, or two for cl-c.

    Raises SettingError for layers or sizes that the network does not have, LayerPairError for an unknown pair, and
    BackboneError for an unknown network.
    """
    network = ""
    if spec.network not in (None, architecture.spec.name):
        main, architecture = architecture, named_architecture(spec.network)
        network = architecture.spec.name
        if framing == "crop" and main.spec.preprocessing.crop_fraction != architecture.spec.preprocessing.crop_fraction:
            problem = f"{main.spec.name} and {network} see crops of different sizes"
            raise SettingError(f"{problem}, so that their positions differ; frame whole images (squash).")
    if spec.preset is not None and architecture.spec.name != PRESET_BACKBONE:
        raise SettingError(f"{spec.preset} is a layer pair of {PRESET_BACKBONE}; say cl:PAIR, or choose that network.")
    if spec.size is not None:
        input_side(architecture.spec.preprocessing, spec.size)
    return _BUILDERS[spec.name](_Builder(spec, architecture, framing, network))


def _fine_tuning(spec: PartSpec, parts: Sequence[Part], architecture: Architecture) -> FineTuning:
    """What yields the sources of parts from a tuned network. Raises SettingError if that has no layers to tune."""
    sources = sources_of(parts, averaged=True)
    if any(source.network for source in sources):
        raise SettingError(f"{TUNING} tunes one network, and {spec.method} has two.")
    if any(source.node in IMAGE_MAPS for source in sources):
        raise SettingError(f"{TUNING} tunes a network, and {spec.method} reads pixels, too, to find parts.")
    pooled = [sources_of([part], averaged=True) for part in parts]
    tail = tail_of(architecture, pooled, TUNED_SHARE if spec.share is None else spec.share)
    return FineTuning(tail, sources, EPOCHS if spec.epochs is None else spec.epochs)


@dataclass(frozen=True)
class _Builder:
    """Builds what one part of a name stands for on one network."""

    spec: PartSpec
    architecture: Architecture
    framing: Framing
    network: str
    """The name of the network, or empty for the one that the method is used on."""

    @property
    def network_size(self) -> int:
        return self.architecture.spec.preprocessing.size

    # --- cross-layer pooling

    def cross_layer(self, views: Views = "whole", size: int | None = None) -> Part:
        pair = self._pair()
        size = size or self._size_for(pair)
        lower, upper = (self._source(node, size, views) for node in (pair.lower, pair.upper))
        n_components = self.spec.pca
        if n_components is not None:
            self._expect_components(n_components, pair.patch_length, f"The local features of {pair.id}")
        pool = CrossLayerPooling(lower, upper, pair.geometry, n_components)
        blocks = (("blocks", BlockNormalizer(pair.upper_channels)),) if self.spec.blocks else ()
        steps = (("pool", pool), *self._power(SQUARE_ROOT), *blocks, ("unit", Normalizer()))
        length = pair.upper_channels * (n_components or pair.patch_length)
        return Part(self._name(pair.id, self.architecture.default_pair.id, size), (lower, upper), steps, length)

    def guided(self) -> Part:
        """Guides are learned on the upper map; or on the lower one, whose units are then the local features."""
        pair, guides = self._pair(), self.spec.guides or GUIDES
        size = self._size_for(pair)
        lower, upper = (self._source(node, size, "whole") for node in (pair.lower, pair.upper))
        length, geometry = pair.patch_length, pair.geometry
        if self.spec.lower:
            upper, length, geometry = lower, pair.lower_channels, ONE_BY_ONE
        components = self._components(COMPONENTS, length, f"The local features of {pair.id}")
        step = GuidedPooling(lower, upper, geometry, components, guides)
        sources = (lower,) if self.spec.lower else (lower, upper)
        return self._part(pair, size, sources, step, guides * components, SQUARE_ROOT)

    def finer(self) -> Part:
        size = self.spec.size or 2 * self.network_size
        return self.cross_layer("whole", size) if self.spec.whole else self.cross_layer("tiles", self._even(size))

    def combined(self) -> list[Part]:
        size = self._even(self.spec.size or 2 * self.network_size)
        return [self.cross_layer("whole", size // 2), self.finer()]

    # --- fully-connected activations

    def fully_connected(self, views: Views, exponent: float | None = None) -> Part:
        layer, usual, size = self._fully_connected_layer()
        source = self._source(layer.node, size, views)
        steps = (("mean", MeanOverViews(source, exponent)), *self._power(1.0), ("unit", Normalizer()))
        averaged = self._source(layer.map, size, views) if layer.map is not None and views == "whole" else None
        length = self.architecture.layout(size).shapes[layer.node][1]
        return Part(self._name(layer.id, usual.id, size), (source,), steps, length, averaged)

    def _fully_connected_layer(self) -> tuple[FullyConnected, FullyConnected, int]:
        """The layer that was named, the usual one, and the size of the network's input."""
        size = self.spec.size or self.network_size
        layers = fully_connected_layers(self.architecture.layout(size))
        usual = layers[1] if len(layers) > 2 else layers[0]  # the first of several layers; the input of a single one
        return (usual if self.spec.where is None else self._named_layer(self.spec.where, layers)), usual, size

    def _named_layer(self, name: str, layers: tuple[FullyConnected, ...]) -> FullyConnected:
        for layer in layers:
            if name in (layer.id, layer.label):
                return layer
        names = ", ".join(layer.id if layer.id == INPUT else f"{layer.id} ({layer.label})" for layer in layers)
        raise SettingError(f"{self.architecture.spec.name} has no fully-connected layer {name!r}; it has {names}.")

    # --- one map alone

    def pooled_map(self, reduction: Literal["sum", "max"], levels: tuple[int, ...] = (1,)) -> Part:
        cells = sum(level**2 for level in levels)
        return self._of_one_map(
            lambda source, channels: (MapPooling(source, reduction, levels), channels * cells), SQUARE_ROOT
        )

    def generalized_mean(self) -> Part:
        exponent = 3.0 if self.spec.p is None else self.spec.p
        return self._of_one_map(lambda source, channels: (GeneralizedMean(source, exponent), channels))

    def selected(self) -> Part:
        halves = ("halves", TurnNormalizer(2))
        return self._of_one_map(lambda source, channels: (SelectedPooling(source), 2 * channels), between=[halves])

    # --- second order

    def bilinear(self) -> Part:
        return self._of_one_map(lambda source, channels: (BilinearPooling(source), channels**2), SQUARE_ROOT)

    def covariance(self) -> Part:
        return self._of_one_map(lambda source, channels: (ISqrtCovariance(source), channels * (channels + 1) // 2))

    def compact(self) -> Part:
        length = self.spec.d or SKETCH_LENGTH
        return self._of_one_map(
            lambda source, channels: (TensorSketch(source, source, None, length), length), SQUARE_ROOT
        )

    def compact_cross_layer(self) -> Part:
        pair, length = self._pair(), self.spec.d or SKETCH_LENGTH
        size = self._size_for(pair)
        lower, upper = (self._source(node, size, "whole") for node in (pair.lower, pair.upper))
        sketch = TensorSketch(upper, lower, pair.geometry, length)
        return self._part(pair, size, (lower, upper), sketch, length, SQUARE_ROOT)

    # --- codebooks

    def fisher(self) -> Part:
        gaussians, components = self.spec.gaussians or GAUSSIANS, self._pair_components()
        return self._of_codebook(FisherVector, gaussians, components, 2 * gaussians * components)

    def vlad(self) -> Part:
        centres, components = self.spec.centres or CENTRES, self._pair_components()
        blocks = [("centres", BlockNormalizer(centres))]
        return self._of_codebook(Vlad, centres, components, centres * components, blocks)

    def sparse_fisher(self) -> Part:
        """Of regions' fully-connected activations, as in the paper's R-CNN SCFV, or of a pair's local features."""
        atoms = self.spec.atoms or ATOMS
        if self.spec.local:
            components = self._pair_components()
            return self._of_codebook(SparseFisherVector, atoms, components, atoms * components)
        layer, usual, size = self._fully_connected_layer()
        length = self.architecture.layout(size).shapes[layer.node][1]
        components = self._components(REGION_COMPONENTS, length, f"The activations of {layer.id}")
        source = self._source(layer.node, size, "regions")
        step = SparseFisherVector(source, ONE_BY_ONE, atoms, components)
        steps = (("pool", step), *self._power(SQUARE_ROOT), ("unit", Normalizer()))
        return Part(self._name(layer.id, usual.id, size), (source,), steps, atoms * components)

    def _of_codebook(
        self, kind: type[Codebook], words: int, components: int, length: int, between: Sequence[Any] = ()
    ) -> Part:
        pair, size = self._pair(), self.spec.size or self.network_size
        source = self._source(pair.lower, size, "whole")
        step = kind(source, pair.geometry, words, components)
        return self._part(pair, size, (source,), step, length, SQUARE_ROOT, between)

    # --- parts of the object

    def deformable_parts(self) -> Part:
        """Of gradients and colours, in a pyramid over each part."""
        size = self._size_without_layer()
        pyramid = self._gradients(size)
        pooled = tuple(replace(pyramid[0], node=node) for node in (GRADIENTS, COLOURS))
        cells = sum(level**2 for level in PYRAMID_LEVELS)
        length = cells * sum(IMAGE_MAPS[source.node].channels for source in pooled)
        return self._of_parts(f"{self.spec.name}@{size}", pyramid, pooled, PYRAMID_LEVELS, length)

    def deformable_activations(self) -> Part:
        """Of the upper map, averaged over each part."""
        pair, size = self._pair(), self.spec.size or self.network_size
        pooled = (self._source(pair.upper, size, "whole"),)
        name = self._name(pair.id, self.architecture.default_pair.id, size)
        return self._of_parts(name, self._gradients(size), pooled, (1,), pair.upper_channels)

    def _of_parts(
        self, name: str, pyramid: tuple[Source, ...], pooled: tuple[Source, ...], levels: tuple[int, ...], length: int
    ) -> Part:
        step = DeformableParts(pyramid, pooled, levels, SQUARE_ROOT if self.spec.power is None else self.spec.power)
        sources = tuple(dict.fromkeys((*pyramid, *pooled)))
        return Part(name, sources, (("pool", step), ("unit", Normalizer())), 0, length_per_part=length)

    def _gradients(self, size: int) -> tuple[Source, ...]:
        """Maps of gradients of the image at `size` pixels, and of smaller ones by a factor of the root of two each.

        Raises SettingError where nothing can compute them, before anything else is computed.
        """
        expect_gradients()
        count = int(2 * log2(size / MIN_SIZE)) + 1
        sides = [CELL * round(size / 2 ** (step / 2) / CELL) for step in range(max(count, 1))]
        return tuple(Source(GRADIENTS, side, "whole", self.framing, self.network) for side in sides)

    def _size_without_layer(self) -> int:
        if self.spec.where is not None:
            raise SettingError(f"{self.spec.name} reads pixels, and no layer (in {self.spec.method}).")
        return self.spec.size or self.network_size

    def object_parts(self) -> Part:
        """The upper map inside the boxes of the whole image and of the object's parts, which the data set names."""
        pair, size = self._pair(), self.spec.size or self.network_size
        channels, source = pair.upper_channels, self._source(pair.upper, size, "whole")
        step: TrueParts | DetectedParts = TrueParts(source)
        if not self.spec.true:
            constraint: Constraint = "box" if self.spec.box else "mixture"
            step = DetectedParts(source, min(DETECTOR_COMPONENTS, channels), size, constraint)
        return replace(self._part(pair, size, (source,), step, channels, 1.0), length_per_part=channels)

    # --- shared by all

    def _pair_components(self) -> int:
        pair = self._pair()
        return self._components(COMPONENTS, pair.patch_length, f"The local features of {pair.id}")

    def _components(self, default: int, length: int, whose: str) -> int:
        """How many principal components vectors of this length are projected on. Raises SettingError."""
        count = min(default, length) if self.spec.pca is None else self.spec.pca
        self._expect_components(count, length, whose)
        return count

    def _expect_components(self, count: int, length: int, whose: str) -> None:
        """Raise SettingError where vectors of this length have no such number of principal components, or too many."""
        if length > LONGEST_PROJECTED:
            problem = f"{whose} have {length:,} numbers, and principal components are found of at most"
            raise SettingError(f"{problem} {LONGEST_PROJECTED:,}; take another pair (in {self.spec.method}).")
        if not 1 <= count <= length:
            advice = f"choose /pca from 1 to that, not {count} (in {self.spec.method})"
            raise SettingError(f"{whose} have {length} numbers; {advice}.")

    def _of_one_map(
        self, step_and_length: Callable[[Source, int], tuple[Any, int]], power: float = 1.0, between: Sequence[Any] = ()
    ) -> Part:
        """The part whose pooling is of one map: the upper one, or the lower one for products of its channels."""
        pair, size = self._pair(), self.spec.size or self.network_size
        lower = self.spec.lower or (self.spec.name in LOWER_FIRST and not self.spec.upper)
        node, channels = (pair.lower, pair.lower_channels) if lower else (pair.upper, pair.upper_channels)
        source = self._source(node, size, "whole")
        step, length = step_and_length(source, channels)
        return self._part(pair, size, (source,), step, length, power, between)

    def _part(
        self, pair: LayerPair, size: int, sources: tuple[Source, ...], step: Any, length: int, power: float,
        between: Sequence[Any] = (),
    ) -> Part:  # fmt: skip
        steps = (("pool", step), *self._power(power), *between, ("unit", Normalizer()))
        return Part(self._name(pair.id, self.architecture.default_pair.id, size), sources, steps, length)

    def _pair(self) -> LayerPair:
        where = self.spec.where
        return self.architecture.default_pair if where is None else self.architecture.pair(where)

    def _size_for(self, pair: LayerPair) -> int:
        """The size that is named, or the usual one, at which the pair has several positions."""
        return self.spec.size or (2 * self.network_size if pair.is_dense else self.network_size)

    def _source(self, node: str, size: int, views: Views) -> Source:
        input_side(self.architecture.spec.preprocessing, size)
        self.architecture.layout(size // 2 if views == "tiles" else size).node(node)  # raises if this is too small
        return Source(node, size, views, self.framing, self.network)

    def _name(self, where: str, usual: str, size: int) -> str:
        """The part's name, with the layer or pair unless it is the usual one."""
        named = f"{self.spec.name}@{size}" if where == usual else f"{self.spec.name}:{where}@{size}"
        return f"{named}[{self.network}]" if self.network else named

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
    "guided": lambda builder: [builder.guided()],
    "global": lambda builder: [builder.fully_connected("whole")],
    "jitter": lambda builder: [builder.fully_connected("jitter")],
    "cnn-svm": lambda builder: [builder.fully_connected("whole")],
    "cnnaug-svm": lambda builder: [builder.fully_connected("augmented", SQUARE)],
    "sum": lambda builder: [builder.pooled_map("sum")],
    "max": lambda builder: [builder.pooled_map("max")],
    "pyramid": lambda builder: [builder.pooled_map("max", PYRAMID_LEVELS)],
    "gem": lambda builder: [builder.generalized_mean()],
    "scda": lambda builder: [builder.selected()],
    "bilinear": lambda builder: [builder.bilinear()],
    "isqrt": lambda builder: [builder.covariance()],
    "compact": lambda builder: [builder.compact()],
    "compact-cl": lambda builder: [builder.compact_cross_layer()],
    "fv": lambda builder: [builder.fisher()],
    "scfv": lambda builder: [builder.sparse_fisher()],
    "vlad": lambda builder: [builder.vlad()],
    "dpd": lambda builder: [builder.deformable_parts()],
    "dpd-cnn": lambda builder: [builder.deformable_activations()],
    "parts-rcnn": lambda builder: [builder.object_parts()],
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

        Raises SettingError for layers or sizes that the network does not have, LayerPairError for an unknown pair, and
        BackboneError for an unknown network beside it.
        """
        tuning, pooled = (self.parts[0], self.parts[1:]) if self.parts[0].name == TUNING else (None, self.parts)
        parts = tuple(part for spec in pooled for part in _build_parts(spec, architecture, framing))
        quantizer = None if self.threshold is None else TernaryQuantizer(self.threshold)
        return Method(
            self.name, parts, quantizer, None if tuning is None else _fine_tuning(tuning, parts, architecture)
        )


def parse_method(name: str, architecture: Architecture, framing: Framing = "squash") -> Method:
    """The image representation of this name, on a network.

    To use one name on several networks, parse it once with `crosspool.methods.MethodSpec`.

    Args:
        name: NAME[:PAIR][@SIZE][/OPTION...], such as "cl:features.10@448/pca64", or several such parts joined by +;
            docs/methods.md lists the names. A part of another network names it after its size, as in
            cl@448[efficientnet_lite2].
        architecture: The network's structure: `backbone.architecture`.
        framing: "squash" resizes the whole image to a square, "crop" cuts out the middle.

    Returns:
        Method: The maps that it needs of an image (`sources`), and an encoder from these to a vector (`encoder()`) of
        `length` values.

    Raises:
        SettingError: The name is not understood, or the network lacks a layer or size that it names.
        LayerPairError: The network has no such layer pair.
        BackboneError: There is no such network.

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
    return [MethodSpec.parse(name) for name in method_names(text)]
