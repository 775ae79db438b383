"""The tail of a network: all layers after a map through which everything later goes, as a module of their own.

What comes before such a map can be computed once for each image and kept, while the tail is trained.
"""

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from math import prod
from typing import Any, Self

import torch
from torch import Tensor, fx, nn

from crosspool.backbones import Architecture
from crosspool.errors import SettingError
from crosspool.framing import Source
from crosspool.fully_connected import fully_connected_layers
from crosspool.tracing import GraphRun, Layout, fold_batch_norm, subgraph


@dataclass(frozen=True, eq=False)
class Tail:
    """The layers of a network from the output of the node `start` to `nodes` and to `vector`.

    `vector` is the input of the network's last fully-connected layer, called `last`. `size` is the side of the
    network's input at which it is trained.
    """

    architecture: Architecture
    start: str
    nodes: tuple[str, ...]
    vector: str
    last: str
    size: int
    _graphs: dict[int, fx.Graph] = field(default_factory=dict, init=False, repr=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # it never changes

    def graph(self, size: int) -> fx.Graph:
        """From `start` to `nodes` and `vector` at an input of `size` pixels."""
        if size not in self._graphs:
            layout = self.architecture.layout(size)
            self._graphs[size] = subgraph(layout.graph, (*self.nodes, self.vector), self.start)
        return self._graphs[size]

    def of(self, network: nn.Module) -> fx.GraphModule:
        """A copy of these layers of a network that has this architecture."""
        return deepcopy(fx.GraphModule(network, self.graph(self.size)))

    def without_numbers(self) -> fx.GraphModule:
        """The layers with parameters that are still to be filled."""
        structure = self.architecture.layout(self.size).model
        if self.folds:
            structure = deepcopy(structure)
            fold_batch_norm(structure, self.architecture.layout().graph)
        return self.of(structure).to_empty(device="cpu").requires_grad_(False)

    @property
    def folds(self) -> bool:
        """Whether networks of this architecture are loaded with BatchNorm folded into their convolutions."""
        return not self.architecture.spec.is_own

    @property
    def length(self) -> int:
        """How many numbers `vector` has for one image."""
        return self.architecture.layout(self.size).shapes[self.vector][1]

    @cached_property
    def count(self) -> int:
        """How many numbers the layers have."""
        return sum(tensor.numel() for tensor in tensors_of(self.without_numbers()))

    @cached_property
    def pooled_weights(self) -> frozenset[str]:
        """The names of the weights that `nodes` are computed with."""
        layout = self.architecture.layout(self.size)
        return frozenset(weights_of(layout.model, subgraph(layout.graph, self.nodes, self.start)))

    def run(self, layers: nn.Module, maps: Tensor, size: int) -> tuple[Tensor, ...]:
        """What `nodes` and `vector` yield for maps of images at `size` pixels, (B, ...) each.

        Gradients flow where they are enabled.
        """
        maps = maps.contiguous(memory_format=self.architecture.memory_format) if maps.ndim == 4 else maps
        parts = maps.split(1) if self.architecture.one_by_one else (maps,)
        outputs = [GraphRun(layers, self.graph(size)).run(part) for part in parts]
        return tuple(torch.cat(each) if len(each) > 1 else each[0] for each in zip(*outputs, strict=True))


def weights_of(network: nn.Module, graph: fx.Graph) -> list[str]:
    """The names of the weights of convolutions and fully-connected layers that a graph reads, in its order."""
    read = [str(node.target) for node in graph.nodes if node.op in ("call_module", "get_attr")]
    names = dict.fromkeys(f"{target.removesuffix('.weight')}.weight" for target in read)
    parameters = dict(network.named_parameters())
    return [name for name in names if name in parameters and parameters[name].ndim > 1]


def tensors_of(layers: nn.Module) -> list[Tensor]:
    """The parameters and buffers that are numbers."""
    return [tensor for tensor in chain(layers.parameters(), layers.buffers()) if tensor.is_floating_point()]


def tail_of(architecture: Architecture, pooled: Sequence[Sequence[Source]], share: float) -> Tail:
    """The longest tail with at most this share of a network's multiplications, or else the shortest one.

    It yields the maps of all sources, and the input of the class scores. `pooled` are the sources of each part of a
    method; some of each part's depend on weights in the tail, or tuning would not change that part. With a share of 1
    it is the whole network.

    Raises SettingError where the network has no fully-connected layer, or the tail no layers at all.
    """
    sources = list(chain.from_iterable(pooled))
    size = max(source.size for source in sources)
    layout = architecture.layout(size)
    last = fully_connected_layers(layout)[-1].id
    scores = next((node for node in layout.graph.nodes if node.op == "call_module" and node.target == last), None)
    if scores is None:
        raise SettingError(f"{architecture.spec.name} has no fully-connected layer, which fine-tuning replaces.")
    nodes, vector = tuple(sorted({source.node for source in sources})), scores.all_input_nodes[0].name
    places = [(name, after) for name, after in joints(layout, (*nodes, vector)) if after > 0]
    groups = [{source.node for source in part} for part in pooled]
    while places and not all(_tunes_some(layout, places[-1][0], group) for group in groups):
        places.pop()
    if not places:
        raise SettingError(f"The maps and vectors that are pooled leave no layers of {architecture.spec.name} to tune.")
    after = max((after for _, after in places if after <= share), default=places[-1][1])
    start = next(name for name, rest in reversed(places) if rest == after)
    return Tail(architecture, start, nodes, vector, last, size)


def _tunes_some(layout: Layout, start: str, nodes: Collection[str]) -> bool:
    """Whether some of the nodes are computed with weights from what `start` yields."""
    return any(node != start and weights_of(layout.model, subgraph(layout.graph, (node,), start)) for node in nodes)


def joints(layout: Layout, names: Sequence[str]) -> list[tuple[str, float]]:
    """The image, and the maps through which everything goes that the named nodes are computed from, in order.

    With each, the share of the multiplications of convolutions and fully-connected layers that come after it.
    """
    nodes = list(subgraph(layout.graph, names).nodes)
    place = {node: number for number, node in enumerate(nodes)}
    last_reader = {node: max(map(place.__getitem__, node.users), default=-1) for node in nodes}
    from_image: set[fx.Node] = set()
    costs = [_multiplications(node, layout) for node in nodes]
    found, latest = [], -1  # `latest` reader of what was computed before
    for number, node in enumerate(nodes[:-1]):
        if node.op == "placeholder" or from_image.intersection(node.all_input_nodes):
            from_image.add(node)
            is_map = len(layout.shapes.get(node.name, ())) == 4
            if is_map and latest <= number:
                found.append((node.name, sum(costs[number + 1 :]) / max(sum(costs), 1)))
            latest = max(latest, last_reader[node])
    return found


def _multiplications(node: fx.Node, layout: Layout) -> int:
    if node.op != "call_module":
        return 0
    module = layout.model.get_submodule(str(node.target))
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return 0
    return prod(layout.shapes[node.name]) * prod(module.weight.shape[1:])
