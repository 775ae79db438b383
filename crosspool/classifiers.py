"""Linear classifiers of images: trained ones, and a network's own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.preprocessing import normalize
from torch import nn

from crosspool import classifier_files
from crosspool.backbones import (
    OWN,
    PRETRAINED,
    UNTRAINED,
    Architecture,
    Backbone,
    architecture,
    given_network,
    load_backbone,
    spec_of,
)
from crosspool.backbones.given_module import VARIABLE
from crosspool.backbones.needed_layers import expect_layers
from crosspool.backbones.structure import architecture_of
from crosspool.baselines import MeanOverViews
from crosspool.classifier_files import Arrays, ClassifierSettings, OwnSettings, TrainingSettings
from crosspool.encoding import VALUES_PER_BYTE, Encoder, LearnedStep, Record, unpack_ternary
from crosspool.engines import EngineName
from crosspool.errors import BackboneError, CrosspoolError, ModelError
from crosspool.framing import Framing, Source
from crosspool.fully_connected import INPUT, fully_connected_layers
from crosspool.methods import Method, Part, parse_method
from crosspool.records import compute_record, shape_of
from crosspool.tracing import Layout

# Weights and intercepts never come near this; beyond it, products of a file's numbers may be NaN.
LARGEST = 1e12


def expect_trained_on(settings: ClassifierSettings, backbone: Backbone) -> None:
    """Raise ModelError if `backbone` is another network than a classifier was trained on."""
    if backbone.fingerprint != settings.fingerprint:
        own = f"{settings.backbone} with {settings.weights} weights"
        loaded = f"{backbone.spec.name} with {Path(backbone.weights).name} weights"
        raise ModelError(f"This classifier was trained on {own}, not on the {loaded} that is loaded.")
    for name, fingerprint in settings.others.items():
        try:
            other = backbone.of(name)
        except BackboneError as error:
            advice = "load both with the classifier's load_backbone()"
            raise ModelError(f"This classifier was trained on {name}, too; {advice}.") from error
        if other.fingerprint != fingerprint:
            raise ModelError(f"This classifier was trained on another {name} than the one that is loaded.")


@dataclass(frozen=True)
class LinearClassifier:
    """A linear classifier on the vectors of one method.

    The scores of the classes for an image with the vector x are `weights @ x + intercept`; `weights` is (L, d),
    float32, and `intercept` (L,). `settings` say which network it works on, and how it was trained.
    """

    method: Method
    encoder: Encoder
    classes: tuple[str, ...]
    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]
    settings: ClassifierSettings

    @property
    def multi_label(self) -> bool:
        return self.settings.multi_label

    def check_backbone(self, backbone: Backbone) -> None:
        """Raise ModelError if `backbone` is another network than the classifier was trained on."""
        expect_trained_on(self.settings, backbone)

    def was_trained_on(self, checksum: str | None) -> bool:
        """Whether an image file with this SHA-256 was among the training images; False where it is unknown (None)."""
        return False

    def scores(self, images: Sequence[Image.Image], backbone: Backbone, in_all: int = 1) -> NDArray[np.float64]:
        """The scores of the classes for images (upright RGB): (images, L); `in_all` as `images` of `compute_record`."""
        self.check_backbone(backbone)
        records = [compute_record(backbone, image, self.method.sources, in_all) for image in images]
        return np.asarray(self.vectors(records) @ self.weights.T + self.intercept)

    def vectors(self, records: Sequence[Record]) -> NDArray[np.float32]:
        """The images' vectors, which the weights are multiplied with: (images, d)."""
        return unit_vectors(self.encoder.transform(records))


@dataclass(frozen=True)
class TrainedClassifier(LinearClassifier):
    """A classifier from `train_classifier` or `load_classifier`."""

    settings: TrainingSettings

    def was_trained_on(self, checksum: str | None) -> bool:
        return checksum in self.settings.photographs

    def load_backbone(
        self, weights: str | os.PathLike[str] | None = None, device: str = "auto", engine: EngineName = "auto"
    ) -> Backbone:
        """The network that it was trained on; `weights` names the file if it was trained on weights of your own.

        Raises ModelError if that file has to be named, BackboneError if the network cannot be loaded.
        """
        if self.settings.weights == OWN:
            own = given_network()
            if own is not None:
                self.check_backbone(own)
                return own
            problem = f"This classifier was trained on a module of your own, {self.settings.backbone}"
            raise ModelError(f"{problem}, which no file names; hand over the network itself, or set {VARIABLE}.")
        if weights is None and self.settings.weights == UNTRAINED:
            weights = UNTRAINED
        elif weights is None and self.settings.weights != PRETRAINED:
            network = f"{self.settings.backbone} with weights from {self.settings.weights}"
            raise ModelError(f"This classifier was trained on {network}; name that file with --weights.")
        others = [load_backbone(name, None, device, engine=engine) for name in self.settings.others]
        return load_backbone(self.settings.backbone, weights, device, engine=engine).beside(others)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file with the settings as JSON in its header. Raises ModelError if that fails."""
        classifier_files.write(Path(path), self._arrays(), self.settings)

    def to_bytes(self) -> bytes:
        """The bytes of the file that `save` writes."""
        return classifier_files.file_bytes(self._arrays(), self.settings)

    @property
    def nbytes(self) -> int:
        """The bytes of its arrays and texts in memory; in a file the arrays' precision may differ."""
        return sum(array.nbytes for array in self._arrays().values()) + self.settings.nbytes

    def _arrays(self) -> Arrays:
        return {"weights": self.weights, "intercept": self.intercept, **learned_arrays(self.encoder)}


TRAINED_ON = "This image was among the training images: what the classifier says of it is not a test of it."
OWN_CLASSES = "the network's own classes"


def own_classifier(backbone: Backbone, size: int | None = None, framing: Framing = "crop") -> LinearClassifier:
    """The network's own last layer as a classifier, which needs no training.

    Its vector is the mean of the last map over all positions.

    Args:
        backbone: The network.
        size: The side of its input in pixels; None stands for the network's own.
        framing: "crop" cuts out the middle of an image, "squash" resizes the whole image to a square.

    Returns:
        LinearClassifier: With the network's own classes.

    Raises:
        ModelError: The last layer does not read the mean of a map.
        BackboneError: The file of weights has no last layer.

    Example:
        >>> import crosspool
        >>> backbone = crosspool.load_backbone()
        >>> classifier = crosspool.own_classifier(backbone, size=128)
        >>> classifier.scores([crosspool.load_image("assets/samples/cat.jpg")], backbone).shape
        (1, 1000)
    """
    layout = backbone.architecture.layout(size)
    layer = last_layer(backbone, layout)
    size = layout.input_size
    source, averaged = (Source(node, size, "whole", framing) for node in (layer.mean, layer.map))
    part = Part(INPUT, (source,), (("mean", MeanOverViews(source)),), layer.weights.shape[1], averaged)
    method = Method(OWN_CLASSES, (part,), None)
    settings = OwnSettings(**shared_settings(backbone, method), multi_label=False, size=size)
    return LinearClassifier(method, method.encoder(), backbone.classes, layer.weights, layer.intercept, settings)


@dataclass(frozen=True)
class LastLayer:
    """A network's last layer, where it reads the mean of a map: the scores are `weights @ mean + intercept`.

    `map` and `mean` are the nodes that yield the map and its mean; `weights` is (L, K), `intercept` (L,).
    """

    map: str
    mean: str
    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]


def last_layer(backbone: Backbone, layout: Layout) -> LastLayer:
    """The layer that gives a network's classes their scores.

    Raises ModelError if it reads no mean of a map, BackboneError if a file of weights lacks it.
    """
    layers = fully_connected_layers(layout)
    first, last = layers[0], layers[-1]
    expect_layers(backbone, (layout.output,), layout.input_size)
    if len(layers) > 2 or first.map is None or last.node != layout.output:
        problem = f"The classes of {backbone.spec.title} cannot be split by position"
        raise ModelError(
            f"{problem}, as its last layer does not read the mean of a map; "
            "train a classifier, or choose another network."
        )
    if first is last:  # the map's channels are the classes
        count = len(backbone.classes)
        return LastLayer(first.map, first.node, np.eye(count, dtype=np.float32), np.zeros(count))
    layer = backbone.model.get_submodule(last.id)
    assert isinstance(layer, nn.Linear)
    weights, bias = layer.weight.cpu().numpy(), dict(layer.named_parameters()).get("bias")
    intercept = np.zeros(len(weights)) if bias is None else bias.cpu().numpy().astype(np.float64)
    return LastLayer(first.map, first.node, weights, intercept)


def unit_vectors(encoded: NDArray[Any]) -> NDArray[Any]:
    """Encoded vectors, ready for the weights: packed ones are unpacked and scaled to unit length."""
    if encoded.dtype != np.uint8:
        return encoded
    return np.asarray(normalize(unpack_ternary(encoded).astype(np.float32)))


def shared_settings(backbone: Backbone, method: Method) -> dict[str, Any]:
    """The settings that every classifier has, of its network and its method."""
    return {
        "method": method.name,
        "backbone": backbone.spec.name,
        "outputs": len(backbone.classes),
        "weights": Path(backbone.weights).name,
        "fingerprint": backbone.fingerprint,
        "framing": method.framing,
        "others": {name: backbone.of(name).fingerprint for name in method.networks},
    }


def load_classifier(path: str | os.PathLike[str], backbone: Backbone | None = None) -> TrainedClassifier:
    """Read a classifier that `crosspool train` or `TrainedClassifier.save` wrote.

    Nothing in the file is run: it holds numbers and settings only.

    Args:
        path: The file.
        backbone: The network that it was trained on, where that is a module of your own: no file names one to import.

    Returns:
        TrainedClassifier: `load_backbone()` loads its network, and `scores(images, backbone)` gives the scores of its
        classes.

    Raises:
        ModelError: The file cannot be read, is not such a classifier, is damaged, or was trained on another network
            than the one given; the sentence says which.

    Example:
        >>> import crosspool
        >>> crosspool.load_classifier("assets/samples/cat.jpg")
        Traceback (most recent call last):
        crosspool.errors.ModelError: assets/samples/cat.jpg is not a classifier that this version of crosspool can ...
    """
    return assembled_classifier(str(path), *classifier_files.read(Path(path), str(path)), backbone)


def assembled_classifier(
    name: str, settings: TrainingSettings, arrays: Arrays, backbone: Backbone | None = None
) -> TrainedClassifier:
    """The classifier of a file called `name`, which anybody may have written, on `backbone` if that is given.

    It shares no memory with `arrays`. Raises ModelError if it is not consistent, or was trained on another network.
    """
    if backbone is None and settings.weights == OWN:
        backbone = given_network()
    if backbone is None and settings.weights == OWN:
        problem = f"{name} was trained on a module of your own, {settings.backbone}"
        raise ModelError(f"{problem}; give that network: load_classifier(path, backbone), or {VARIABLE}.")
    if backbone is not None:
        expect_trained_on(settings, backbone)
    try:
        network = backbone.architecture if backbone else architecture_of(spec_of(settings.backbone), settings.outputs)
        method = parse_method(settings.method, network, settings.framing).with_parts(settings.parts)
        method.expect_new_images()
        if settings.others.keys() != set(method.networks):
            named, stated = (", ".join(sorted(each)) or "none" for each in (method.networks, settings.others))
            raise ModelError(f"its method needs the networks beside it {named}, and it states {stated}")
        encoder = method.encoder(settings.seed)
        restore_learned(encoder, arrays, network)
        length = method.length if method.quantizer is None else -(-method.length // VALUES_PER_BYTE) * VALUES_PER_BYTE
        weights = _checked(arrays, "weights", (len(settings.classes), length), LARGEST).astype(np.float32)
        intercept = _checked(arrays, "intercept", (len(settings.classes),), LARGEST).copy()
    except CrosspoolError as error:
        raise classifier_files.inconsistent(name, str(error).rstrip(".")) from error
    return TrainedClassifier(method, encoder, settings.classes, weights, intercept, settings)


def _shape_of(network: Architecture, source: Any) -> tuple[int, ...]:
    return shape_of(source, architecture(source.network) if source.network else network)


def _checked(arrays: Arrays, name: str, shape: tuple[int | None, ...], largest: float) -> NDArray[Any]:
    """The array of this name, if it has this shape, and numbers small enough to be multiplied."""
    array = arrays.get(name)
    if array is None:
        raise ModelError(f"the array {name!r} is missing")
    if array.shape != shape:
        raise ModelError(f"the array {name!r} has the shape {array.shape}, not {shape}")
    if not np.issubdtype(array.dtype, np.floating) or not (np.abs(array) <= np.float64(largest)).all():
        raise ModelError(f"the array {name!r} contains NaN, infinite or far too large numbers, or other than floats")
    return array


def learned_arrays(encoder: Encoder) -> Arrays:
    """What the steps of a fitted encoder have learned, by their places in it and the names of the arrays."""
    return {f"{name}/{kind}": array for name, step in _learned_steps(encoder) for kind, array in step.learned().items()}


def restore_learned(encoder: Encoder, arrays: Arrays, network: Architecture) -> None:
    """Let a new encoder know what `learned_arrays` gave. Raises ModelError where an array cannot be what it should."""
    for place, step in _learned_steps(encoder):
        wanted = step.learned_arrays(partial(_shape_of, network)).items()
        checked = {kind: _checked(arrays, f"{place}/{kind}", of.shape, of.largest) for kind, of in wanted}
        step.restore({kind: checked[kind].astype(of.precision) for kind, of in wanted})


def _learned_steps(encoder: Encoder) -> list[tuple[str, LearnedStep]]:
    """The steps of an encoder that learn from training images, by their names."""
    steps = encoder.get_params().items()
    return [(name, step) for name, step in steps if isinstance(step, LearnedStep) and step.learns]
