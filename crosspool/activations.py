"""The lower and upper maps of a batch, computed without hooks and only up to layer t+1.

Each pair gets its own graph, cut out of the traced network. It is pure, so any number of threads may run it at once
(forward hooks on a shared model hand one thread another's maps).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, fx, nn

from crosspool.layer_pairs import LayerPair


@dataclass(frozen=True)
class PairActivations:
    """The maps of B images for one layer pair.

    Attributes:
        pair: The layer pair.
        lower: X, (B, D_t, H_t, W_t).
        upper: A, (B, D_{t+1}, H, W): weights, rectified unless signed ones were asked for.
        framed: The images that the network saw, size x size pixels each.

    Example:
        >>> import crosspool
        >>> maps = crosspool.load_backbone().activations(crosspool.load_image("assets/samples/cat.jpg"), size=128)
        >>> maps.pair.id, maps.upper.shape, maps.framed[0].size
        ('conv_head', torch.Size([1, 1280, 4, 4]), (128, 128))
    """

    pair: LayerPair
    lower: Tensor
    upper: Tensor
    framed: tuple[Image.Image, ...]


class _Run(fx.Interpreter):
    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Not through nn.Module.__call__: while any thread traces, torch.fx replaces that for the whole process.
        return self.fetch_attr(target).forward(*args, **kwargs)


def run_graph(model: nn.Module, graph: fx.Graph, batch: Tensor) -> Any:
    """What `graph`, traced from a model of the same architecture, yields for `batch` with `model`'s weights."""
    with torch.no_grad():
        return _Run(model, graph=graph).run(batch)


def subgraph(graph: fx.Graph, names: Sequence[str]) -> fx.Graph:
    """The part of a network's graph that yields the named nodes, as a tuple, and nothing behind them."""
    nodes = {node.name: node for node in graph.nodes}
    needed = {nodes[name] for name in names}
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    part = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node in needed:
            copies[node] = part.node_copy(node, copies.__getitem__)
    part.output(tuple(copies[nodes[name]] for name in names))
    return part
