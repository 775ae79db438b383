"""What a backbone is, without its weights: data about it, and its structure, traced on torch's `meta` device."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from crosspool.backbones.parameters import expect_numbers
from crosspool.backbones.weights import WeightsFile
from crosspool.errors import BackboneError, LayerPairError
from crosspool.framing import Preprocessing
from crosspool.fully_connected import DenseLayer, dense_shapes, hidden_layers, with_dense_layers
from crosspool.grids import Size
from crosspool.layer_pairs import LayerPair, NotOffered, find_layer_pairs
from crosspool.receptive_field import Fields, receptive_fields
from crosspool.tracing import Layout, forbid_in_place, layout_at, peak_numbers, subgraph, trace

OWN = "own module"  # the source of the weights of a network that was given as a module
UNTRAINED_SEED = 0
_SEEDING = threading.Lock()  # torch's random numbers belong to the whole process
# For all networks together, as there are hundreds of sizes: a layout takes up to 0.3 MB, a subgraph and what an
# architecture traces once up to 2 MB.
MAX_LAYOUTS, MAX_SUBGRAPHS, MAX_ARCHITECTURES = 256, 64, 96
MAX_FIELDS = 16  # of one network


@dataclass(frozen=True)
class BackboneSpec:
    """A network that crosspool can load.

    `build(num_classes)` makes it with random weights. `rename` maps the parameter names in a pretrained file to those
    of the network; a name that maps to None is left out (auxiliary heads). `classes()` are the names of the pretrained
    classes. `read(path)` are the tensors of a pretrained file by the network's parameter names, where renaming is not
    enough. `advice` is a sentence for whoever loads it. Networks that torch.fx cannot trace are recorded.
    `is_own` is whether it was given as a module, which alone has its weights.
    """

    name: str
    title: str
    preprocessing: Preprocessing
    parameters: int
    weights: WeightsFile
    weights_licence: str
    build: Callable[[int], nn.Module]
    rename: Callable[[str], str | None]
    classes: Callable[[], tuple[str, ...]]
    read: Callable[[Path], Mapping[str, Tensor]] | None = None
    advice: str = ""
    is_recorded: bool = False
    is_own: bool = False

    def renamed(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a file by the network's parameter names, in single precision."""
        renamed = ((self.rename(name), value) for name, value in state.items())
        tensors = {name: value for name, value in renamed if name is not None}
        return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}

    def titled(self, weights: str) -> str:
        """The title, with a note if the weights are untrained or your own: EfficientNet-Lite0 with weights from ..."""
        notes = {"pretrained": "", OWN: "", "untrained": " with UNTRAINED (random) weights"}
        return self.title + notes.get(weights, f" with weights from {Path(weights).name}")


class ParametersOnMeta(TorchFunctionMode):
    """Makes parameters and buffers that have shapes but take no memory; arithmetic on constants stays on the CPU.

    With `torch.device("meta")`, RegNet could not compute its widths, for which it needs numbers. Nothing is drawn for
    parameters without numbers: of normal ones, torch would import its compiler for that, which takes a second.
    """

    FACTORIES = (torch.empty, torch.zeros, torch.ones)
    DRAWS = (Tensor.normal_, Tensor.uniform_)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.DRAWS and args[0].is_meta:
            return args[0]
        if func in self.FACTORIES and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


def without_memory(spec: BackboneSpec, num_classes: int) -> nn.Module:
    """The network in eval mode with parameters that have shapes but no numbers."""
    with ParametersOnMeta():
        return spec.build(num_classes).eval()


def with_random_numbers(spec: BackboneSpec, num_classes: int) -> nn.Module:
    """The network in eval mode with its random weights, always the same."""
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return spec.build(num_classes).eval()


def with_state(spec: BackboneSpec, state: Mapping[str, Tensor], num_classes: int, file: str) -> nn.Module:
    """The network in eval mode with these tensors as its parameters. Raises BackboneError if they do not fit."""
    # Without memory, no weights are initialised that are overwritten; but a state may lack buffers that are needed.
    model = with_random_numbers(spec, num_classes) if spec.is_recorded else without_memory(spec, num_classes)
    whole = {name for name, value in model.state_dict().items() if not value.is_floating_point()}  # such as places
    expect_numbers({name: value for name, value in state.items() if name not in whole}, file)
    with_version = OrderedDict(state)
    # MNASNet asks for the version of its layout. Its parts get none, so that files still fit that date from before
    # BatchNorm counted its batches.
    with_version._metadata = {"": model.state_dict()._metadata[""]}  # type: ignore[attr-defined]
    try:
        model.load_state_dict(with_version, strict=True, assign=True)
    except RuntimeError as error:
        problem = f"{file} does not fit {spec.name}: names or shapes differ"
        raise BackboneError(f"{problem}; train or export it for this architecture.") from error
    model.eval().requires_grad_(False)
    forbid_in_place(model)
    return model


class Architecture:
    """The structure of a backbone at any input size: graph, layer pairs, map sizes. Needs no weights.

    `num_classes` matters where the classifier itself is a convolution, and so yields an upper map (SqueezeNet).
    """

    one_by_one = False
    """Whether the graph holds for one image at a time."""
    memory_format = torch.channels_last
    """The order of an image's numbers in memory that suits the network."""

    def __init__(self, spec: BackboneSpec, num_classes: int = 1000) -> None:
        self.spec = spec
        self._num_classes = num_classes
        self._fields = lru_cache(MAX_FIELDS)(lambda upper, size: receptive_fields(self.layout(size), upper))
        self._layouts: WeakValueDictionary[int, Layout] = WeakValueDictionary()  # those that are still known

    @cached_property
    def _traced(self) -> tuple[nn.Module, fx.Graph]:
        """The network, and its graph, which is the same at every size."""
        model = without_memory(self.spec, self._num_classes)
        return model, trace(model)

    @cached_property
    def _dense(self) -> tuple[tuple[DenseLayer, ...], fx.Graph]:
        """The hidden fully-connected layers that can be applied densely, and the graph with them, or without any."""
        model, graph = self._traced
        layers = hidden_layers(layout_at(model, graph, self.spec.preprocessing.size))
        return layers, with_dense_layers(graph, layers) if layers else graph

    def layout(self, size: int | None = None) -> Layout:
        """The traced network at an input of `size` pixels (None: the network's own)."""
        size = size or self.spec.preprocessing.size
        self._layouts[size] = layout = _layout(self, size)
        return layout

    def is_traced(self, size: int | None = None) -> bool:
        """Whether the layout at this size is known, so that nothing has to be traced for it."""
        return (size or self.spec.preprocessing.size) in self._layouts

    def subgraph(self, names: tuple[str, ...], size: int | None = None) -> fx.Graph:
        """The part of the traced network that yields the named nodes, as a tuple."""
        return _subgraph(self.layout(size).graph, names)

    def peak_numbers(self, names: tuple[str, ...], size: int | None = None) -> tuple[int, int]:
        """What computing the named nodes for one image takes; see `crosspool.tracing.peak_numbers`."""
        return peak_numbers(self.subgraph(names, size), self.layout(size).shapes)

    @cached_property
    def _pairs(self) -> tuple[tuple[LayerPair, ...], tuple[NotOffered, ...]]:
        return find_layer_pairs(self.layout())

    @property
    def layer_pairs(self) -> tuple[LayerPair, ...]:
        """The pairs in the order of the layers."""
        return self._pairs[0]

    @property
    def not_offered(self) -> tuple[NotOffered, ...]:
        """The convolutions that define no usable pair, with the reasons."""
        return self._pairs[1]

    @property
    def default_pair(self) -> LayerPair:
        """The last pair of a convolution."""
        return next(pair for pair in reversed(self.layer_pairs) if not pair.is_dense)

    def layer_pairs_at(self, size: int | None = None) -> tuple[LayerPair, ...]:
        """The pairs whose maps are computed at an input of `size` pixels: a dense layer needs at least the own size."""
        shapes = self.layout(size).shapes
        return tuple(pair for pair in self.layer_pairs if {pair.lower, pair.upper} <= shapes.keys())

    def pair(self, pair_id: str) -> LayerPair:
        """The pair with this id. Raises LayerPairError with the ids that exist."""
        pairs = {pair.id: pair for pair in self.layer_pairs}
        if pair_id in pairs:
            return pairs[pair_id]
        for refused in self.not_offered:
            if refused.id == pair_id:
                raise LayerPairError(f"{pair_id} of {self.spec.name} defines no layer pair: it {refused.reason}.")
        examples = ", ".join(pairs if len(pairs) <= 8 else ["...", *list(pairs)[-6:]])
        problem = f"{self.spec.name} has no layer pair {pair_id!r}"
        raise LayerPairError(f"{problem}; it has {examples} (crosspool pairs lists them).")

    def map_sizes(self, pair: LayerPair, size: int | None = None) -> tuple[Size, Size]:
        """(rows, columns) of the lower and of the upper map at an input of `size` pixels."""
        layout = self.layout(size)
        return layout.map_size(pair.lower), layout.map_size(pair.upper)

    def receptive_fields(self, pair: LayerPair, size: int | None = None) -> Fields:
        """The rows, and the columns, of the image that those of the pair's upper map can depend on, in pixels."""
        return self._fields(pair.upper, size or self.spec.preprocessing.size)


@lru_cache(MAX_ARCHITECTURES)
def architecture_of(spec: BackboneSpec, num_classes: int) -> Architecture:
    """The architecture of this spec with this number of classes; the same object as long as it is in use."""
    if spec.is_recorded:
        from crosspool.backbones.built_structure import BuiltArchitecture  # which is one of these

        return BuiltArchitecture(spec, num_classes)
    return Architecture(spec, num_classes)


@lru_cache(MAX_LAYOUTS)
def _layout(architecture: Architecture, size: int) -> Layout:
    layout, (layers, graph) = layout_at(*architecture._traced, size), architecture._dense
    added = dense_shapes(layers, layout.shapes)
    return replace(layout, graph=graph, shapes=layout.shapes | added) if added else layout


@lru_cache(MAX_SUBGRAPHS)
def _subgraph(graph: fx.Graph, names: tuple[str, ...]) -> fx.Graph:
    return subgraph(graph, names)
