"""A trained classifier of pictures: training it, saving it without pickle, and what it says of a picture."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, load_file, save, save_file
from sklearn.preprocessing import normalize
from torch import nn

from crosspool import __version__
from crosspool.backbones import Architecture, Backbone, spec_of
from crosspool.backbones.architecture import architecture_of
from crosspool.baselines import INPUT, MeanOverViews, fully_connected_layers
from crosspool.crops import Source
from crosspool.datasets import Dataset
from crosspool.encoding import PER_BYTE, CrossLayerPooling, Encoder, Record, unpack
from crosspool.errors import CrosspoolError, ModelError
from crosspool.features import Features, compute_record
from crosspool.images import Framing
from crosspool.kernels import VectorFile, unit_kernel
from crosspool.methods import Method, Part, parse_method
from crosspool.svm import DualLinearSVM
from crosspool.whole_files import whole_file

FORMAT = "crosspool classifier 1"
HEADER = "crosspool"
MAX_OUTPUTS = 100_000  # classes of a network; a file that says more would cost much memory to refuse
LONGEST_NAME = 255  # signs of a class's name, as long as a folder's may be
# What training never comes near: beyond, products of a file's numbers may be none. Components are of unit length.
LARGEST = {"weights": 1e12, "intercept": 1e12, "mean_": 1e4, "components_": 2.0}
AT_ONCE = 8  # images that are encoded together


@dataclass(frozen=True)
class LinearClassifier:
    """A linear classifier on the vectors of one method.

    The classes' scores of a picture with the vector x are `weights @ x + intercept`; `weights` is (L, d), float32, and
    `intercept` (L,). `settings` says on which network, and how it was trained.
    """

    method: Method
    encoder: Encoder
    classes: tuple[str, ...]
    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]
    settings: dict[str, Any]

    @property
    def multi_label(self) -> bool:
        return bool(self.settings["multi_label"])

    def check(self, backbone: Backbone) -> None:
        """Raise ModelError unless `backbone` is the very network that the classifier was trained on."""
        if backbone.fingerprint != self.settings["fingerprint"]:
            raise ModelError(
                f"This classifier was trained on {self.settings['backbone']} with {self.settings['weights']} weights, "
                f"not on the {backbone.spec.name} with {Path(backbone.weights).name} weights that is loaded."
            )

    def was_trained_on(self, checksum: str | None) -> bool:
        """Whether an image file with this SHA-256 was among its training images; False for None, an unknown one."""
        return checksum in self.settings.get("photographs", ())

    def scores(self, images: Sequence[Image.Image], backbone: Backbone) -> NDArray[np.float64]:
        """The classes' scores of pictures (upright RGB), (images, L)."""
        self.check(backbone)
        records = [compute_record(backbone, image, self.method.sources) for image in images]
        scores: NDArray[np.float64] = self.vectors(records) @ self.weights.T + self.intercept
        return scores

    def vectors(self, records: Sequence[Record]) -> NDArray[np.float32]:
        """What the weights are multiplied with, (images, d); of unit length where the method makes it so."""
        return unit_vectors(self.encoder.transform(records))


class TrainedClassifier(LinearClassifier):
    """One that `train` made, or `load_classifier` read."""

    def save(self, path: Path) -> None:
        """Write a safetensors file with the settings as JSON in its header. Raises ModelError where it cannot."""
        arrays, metadata = self._saved()
        try:
            with whole_file(path) as temporary:
                save_file(arrays, temporary, metadata=metadata)
        except (SafetensorError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ModelError(f"{path} cannot be written ({reason}); make room, or choose another place.") from error

    def file(self) -> bytes:
        """The bytes of the file that `save` writes."""
        arrays, metadata = self._saved()
        data: bytes = save(arrays, metadata=metadata)
        return data

    @property
    def nbytes(self) -> int:
        """What its arrays take in memory, whatever the precision that they had in a file."""
        return sum(array.nbytes for array in self._arrays().values())

    def _arrays(self) -> dict[str, NDArray[Any]]:
        learned = {
            f"{name}/{kind}": value for name, step in _pools(self.encoder) for kind, value in _learned(step).items()
        }
        return {"weights": self.weights, "intercept": self.intercept, **learned}

    def _saved(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        # safetensors writes memory as it lies, whatever the order of an array's axes.
        contiguous = {name: np.ascontiguousarray(array) for name, array in self._arrays().items()}
        return contiguous, {HEADER: json.dumps({"format": FORMAT, **self.settings})}


TRAINED_ON = "This image was among the training images: what the classifier says of it is no test of it."
OWN_CLASSES = "the network's own classes"


def own_classifier(backbone: Backbone, size: int | None = None, framing: Framing = "crop") -> LinearClassifier:
    """The network's own last layer as a classifier, which needs no training.

    Its vector is the mean of the last map over all positions, at an input of `size` pixels (None: the network's own).
    Raises ModelError where the last layer reads anything else.
    """
    layout = backbone.architecture.layout(size)
    layers = fully_connected_layers(layout)
    first, last = layers[0], layers[-1]
    if len(layers) > 2 or first.map is None or last.node != layout.output:
        raise ModelError(
            f"The classes of {backbone.spec.title} cannot be split by position, as its last layer does not read the "
            "mean of a map; train a classifier, or choose another network."
        )
    source, averaged = (Source(node, layout.input_size, "whole", framing) for node in (first.node, first.map))
    part = Part(INPUT, (source,), (("mean", MeanOverViews(source)),), layout.shapes[first.node][1], averaged)
    method = Method(OWN_CLASSES, (part,), None)
    if first is last:
        weights, intercept = np.eye(len(backbone.classes), dtype=np.float32), np.zeros(len(backbone.classes))
    else:
        layer = backbone.model.get_submodule(last.id)
        assert isinstance(layer, nn.Linear)
        weights, intercept = layer.weight.cpu().numpy(), layer.bias.cpu().numpy().astype(np.float64)
    settings = {
        "method": method.name,
        **_network_settings(backbone),
        "size": layout.input_size,
        "framing": framing,
        "multi_label": False,
    }
    return LinearClassifier(method, method.encoder(), backbone.classes, weights, intercept, settings)


def unit_vectors(encoded: NDArray[Any]) -> NDArray[Any]:
    """Encoded vectors as the classifier multiplies them: packed ones unpacked, and to unit length."""
    if encoded.dtype != np.uint8:
        return encoded
    return np.asarray(normalize(unpack(encoded, encoded.shape[1] * PER_BYTE).astype(np.float32)))


def encode_into(file: VectorFile, encoder: Encoder, records: Sequence[Record], progress: Callable[[int], None]) -> None:
    """Append the vectors of all records, a few at a time."""
    for start in range(0, len(records), AT_ONCE):
        some = records[start : start + AT_ONCE]
        file.append(encoder.transform(some))
        progress(start + len(some))


def train(
    dataset: Dataset,
    features: Features,
    method: Method,
    *,
    C: float = 10.0,
    seed: int = 0,
    scratch: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> TrainedClassifier:
    """Train on all samples of a data set; vectors lie in a file in `scratch` meanwhile.

    Raises DatasetError where a class has no examples, or there is only one; OSError where `scratch` has no room.
    """
    backbone = features.backbone
    records = features.of(np.arange(len(dataset)), method.sources)
    encoder = method.encoder(seed).fit(records)
    with VectorFile(scratch) as file:
        encode_into(file, encoder, records, progress)
        kernel = file.kernel()
        norms = np.sqrt(np.diagonal(kernel)) if file.packed else np.ones(len(kernel))
        machine = DualLinearSVM(C, dataset.classes).fit(unit_kernel(kernel) if file.packed else kernel, dataset.targets)
        weights = file.combine(machine.coef_ / np.where(norms > 0, norms, 1))
    classes = [dataset.classes[k] for k in machine.classes_]
    settings: dict[str, Any] = {
        "method": method.name,
        **_network_settings(backbone),
        "framing": method.framing,
        "classes": classes,
        "multi_label": dataset.multi_label,
        "dataset": dataset.name,
        "images": len(dataset),
        "photographs": sorted({features.photograph(index) for index in range(len(dataset))}),
        "C": C,
        "seed": seed,
        "versions": {"crosspool": __version__, "torch": version("torch"), "scikit-learn": version("scikit-learn")},
    }
    return TrainedClassifier(method, encoder, tuple(classes), weights, machine.intercept_, settings)


def _network_settings(backbone: Backbone) -> dict[str, Any]:
    return {
        "backbone": backbone.spec.name,
        "outputs": len(backbone.classes),
        "weights": Path(backbone.weights).name,
        "fingerprint": backbone.fingerprint,
    }


def load_classifier(path: Path) -> TrainedClassifier:
    """Read a classifier that `save` wrote. Raises ModelError for anything else, saying what is wrong."""
    return _loaded(str(path), partial(_file_contents, path))


def classifier_in_memory(data: bytes, name: str) -> TrainedClassifier:
    """As `load_classifier`, of the bytes of a file that is called `name` in messages."""
    return _loaded(name, partial(_contents, data))


Contents = tuple[str | None, Callable[[], dict[str, NDArray[Any]]]]


def _file_contents(path: Path) -> Contents:
    """What a safetensors file says of itself, as JSON, and what reads its arrays."""
    with safe_open(path, "numpy") as file:
        said = (file.metadata() or {}).get(HEADER)
    return said, partial(load_file, path)


def _contents(data: bytes) -> Contents:
    arrays = load(data)  # which checks the header
    (length,) = struct.unpack("<Q", data[:8])
    metadata: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return metadata.get(HEADER), lambda: arrays


def _loaded(name: str, read: Callable[[], Contents]) -> TrainedClassifier:
    try:
        said, arrays_of = read()
        header = json.loads(said or "null")
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ModelError(
                f"{name} is no classifier that this version of crosspool can read; train one with: crosspool train"
            )
        arrays = arrays_of()
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{name} is no classifier of crosspool's, or is damaged; train one with: crosspool train"
        ) from error
    except OSError as error:
        raise ModelError(
            f"{name} cannot be read ({error.strerror or error}); check the name and the folder."
        ) from error
    try:
        return _assembled(header, arrays)
    except (CrosspoolError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(
            f"{name} does not hold together ({_reason(error)}); train it again with: crosspool train"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, CrosspoolError):
        text = str(error).rstrip(".")
        return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"  # it may repeat what the file says
    return f"it lacks {error}" if isinstance(error, KeyError) else "a setting is of the wrong kind"


def _assembled(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> TrainedClassifier:
    """Raises ModelError with the reason alone, or what reading a stranger's settings leads to."""
    settings = {name: value for name, value in header.items() if name != "format"}
    if type(settings["outputs"]) is not int or not 1 <= settings["outputs"] <= MAX_OUTPUTS:
        raise ModelError("its network cannot be built")
    if not all(_is_name(settings[name]) for name in ("fingerprint", "weights", "dataset", "method", "framing")):
        raise ModelError("a setting is no name")
    photographs = settings.setdefault("photographs", [])
    if type(settings["multi_label"]) is not bool or not isinstance(photographs, list):
        raise ModelError("it does not say what it was trained on")
    classes = settings["classes"]
    if not isinstance(classes, list) or not all(map(_is_name, classes)) or not 1 <= len(set(classes)) == len(classes):
        raise ModelError("its classes are no list of names")
    network = architecture_of(spec_of(settings["backbone"]), settings["outputs"])
    method = parse_method(settings["method"], network, settings["framing"])
    encoder = method.encoder(settings["seed"])
    for name, step in _pools(encoder):
        for kind, shape in _learned_shapes(step, network).items():
            setattr(step, kind, _numbers(arrays[f"{name}/{kind}"], shape, LARGEST[kind]).astype(np.float32))
    length = method.length if method.quantizer is None else -(-method.length // PER_BYTE) * PER_BYTE
    weights = _numbers(arrays["weights"], (len(classes), length), LARGEST["weights"]).astype(np.float32)
    intercept = _numbers(arrays["intercept"], (len(classes),), LARGEST["intercept"])
    return TrainedClassifier(method, encoder, tuple(classes), weights, intercept, settings)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NAME


def _numbers(array: NDArray[Any], shape: tuple[int, ...], largest: float) -> NDArray[Any]:
    """The array, which has this shape, and numbers whose products are numbers."""
    if array.shape != shape:
        raise ModelError(f"an array has the shape {array.shape}, not {shape}")
    if not np.issubdtype(array.dtype, np.floating) or not (np.abs(array) <= np.float64(largest)).all():
        raise ModelError("some of its numbers are none, or far too large")
    return array


def _learned_shapes(step: CrossLayerPooling, network: Architecture) -> dict[str, tuple[int, ...]]:
    """What `_learned` gives, by its shape."""
    if step.n_components is None:
        return {}
    assert isinstance(step.lower, Source)
    channels, (rows, columns) = network.layout().shapes[step.lower.node][1], step.geometry["kernel_size"]
    return {"mean_": (channels * rows * columns,), "components_": (step.n_components, channels * rows * columns)}


def _pools(encoder: Encoder) -> list[tuple[str, CrossLayerPooling]]:
    return [(name, step) for name, step in encoder.get_params().items() if isinstance(step, CrossLayerPooling)]


def _learned(step: CrossLayerPooling) -> dict[str, NDArray[np.float32]]:
    if step.n_components is None:
        return {}
    return {"mean_": step.mean_, "components_": step.components_}
