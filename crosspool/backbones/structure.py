"""What a backbone is, without its weights: data about it, and its structure, traced on torch's `meta` device."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from cachetools import LRUCache
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from crosspool.backbones.weights import WeightsFile
from crosspool.errors import LayerPairError
from crosspool.framing import Preprocessing
from crosspool.grids import Size
from crosspool.layer_pairs import LayerPair, NotOffered, find_layer_pairs
from crosspool.tracing import Layout, subgraph, trace_layout

# torch.fx patches torch.nn.Module for the whole process while it traces.
_TRACING = threading.Lock()
MAX_LAYOUTS, MAX_SUBGRAPHS = 16, 64  # of each network; a layout has up to 2 MB, and there are hundreds of sizes


@dataclass(frozen=True)
class BackboneSpec:
    """A network that crosspool can load.

    `build(num_classes)` makes it with random weights. `rename` maps a pretrained file's parameter names to the
    network's; a name that maps to None is left out (auxiliary heads). `classes()` names the pretrained classes.
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

    def renamed(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A file's tensors by the network's parameter names, in single precision."""
        return {
            new: value.float() if value.is_floating_point() else value
            for old, value in state.items()
            if (new := self.rename(old)) is not None
        }

    def titled(self, weights: str) -> str:
        """EfficientNet-Lite0; with UNTRAINED (random) weights, or the name of your own file, where that is so."""
        mark = {"pretrained": "", "untrained": " with UNTRAINED (random) weights"}
        return self.title + mark.get(weights, f" with weights from {Path(weights).name}")


class _ParametersOnMeta(TorchFunctionMode):
    """Parameters and buffers get shapes but no memory; arithmetic on small constants stays on the CPU.

    `torch.device("meta")` would take RegNet's width computation along, which needs its numbers.
    """

    FACTORIES = (torch.empty, torch.zeros, torch.ones)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.FACTORIES and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


def without_memory(spec: BackboneSpec, num_classes: int) -> nn.Module:
    """The network in eval mode with parameters that have shapes but no numbers."""
    with _ParametersOnMeta():
        return spec.build(num_classes).eval()


class Architecture:
    """What a backbone is like at any input size: graph, layer pairs, map sizes. Needs no weights.

    `num_classes` matters where the classifier itself is a convolution (SqueezeNet), and so an upper map.
    """

    def __init__(self, spec: BackboneSpec, num_classes: int = 1000) -> None:
        self.spec = spec
        self._num_classes = num_classes
        self._layouts: LRUCache[int, Layout] = LRUCache(MAX_LAYOUTS)
        self._subgraphs: LRUCache[tuple[int, tuple[str, ...]], fx.Graph] = LRUCache(MAX_SUBGRAPHS)

    @cached_property
    def _model(self) -> nn.Module:
        return without_memory(self.spec, self._num_classes)

    def layout(self, size: int | None = None) -> Layout:
        """The traced network at an input of `size` pixels (None: the network's own)."""
        size = size or self.spec.preprocessing.size
        with _TRACING:
            if size not in self._layouts:
                self._layouts[size] = trace_layout(self._model, size)
            return self._layouts[size]

    def subgraph(self, names: tuple[str, ...], size: int | None = None) -> fx.Graph:
        """The part of the traced network that yields the named nodes, as a tuple."""
        at_size = self.layout(size)
        key = (at_size.input_size, names)
        with _TRACING:
            if key not in self._subgraphs:
                self._subgraphs[key] = subgraph(at_size.graph, names)
            return self._subgraphs[key]

    @cached_property
    def _pairs(self) -> tuple[tuple[LayerPair, ...], tuple[NotOffered, ...]]:
        return find_layer_pairs(self.layout())

    @property
    def layer_pairs(self) -> tuple[LayerPair, ...]:
        """The pairs in the order of the layers; the last one is the default."""
        return self._pairs[0]

    @property
    def not_offered(self) -> tuple[NotOffered, ...]:
        """The convolutions that define no usable pair, with the reason."""
        return self._pairs[1]

    @property
    def default_pair(self) -> LayerPair:
        return self.layer_pairs[-1]

    def pair(self, pair_id: str) -> LayerPair:
        """The pair with this id. Raises LayerPairError naming the ids that exist."""
        for pair in self.layer_pairs:
            if pair.id == pair_id:
                return pair
        for refused in self.not_offered:
            if refused.id == pair_id:
                raise LayerPairError(f"{pair_id} of {self.spec.name} defines no layer pair: it {refused.reason}.")
        ids = [pair.id for pair in self.layer_pairs]
        examples = ", ".join(ids if len(ids) <= 8 else ["...", *ids[-6:]])
        raise LayerPairError(
            f"{self.spec.name} has no layer pair {pair_id!r}; it has {examples} (crosspool pairs lists them)."
        )

    def map_sizes(self, pair: LayerPair, size: int | None = None) -> tuple[Size, Size]:
        """(rows, columns) of the lower and of the upper map at an input of `size` pixels."""
        at_size = self.layout(size)
        return at_size.map_size(pair.lower), at_size.map_size(pair.upper)


@lru_cache(maxsize=128)
def architecture_of(spec: BackboneSpec, num_classes: int) -> Architecture:
    """The architecture of this spec with this number of classes; always the same object."""
    return Architecture(spec, num_classes)
