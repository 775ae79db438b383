"""The fully-connected layers of a network: their activations, and the hidden ones applied densely, as convolutions.

A layer that reads a flattened map of D x m x n numbers is a convolution with an m x n kernel that just covers this map:
on a larger map it has an output at every position, as the layers behind it then have (Sermanet et al., ICLR 2014; Long,
Shelhamer and Darrell, CVPR 2015). Such a convolution defines a layer pair like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from crosspool.tracing import Layout, after_activation

INPUT = "input"
PAPER_NAMES = ("fc6", "fc7", "fc8")  # of the three layers of AlexNet and VGG
AVERAGES = (nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d, "mean")
RESHAPES = (nn.Flatten, nn.Identity, nn.Dropout, torch.flatten, F.dropout, "flatten")  # no value changes
LABEL = "fully connected"  # under which the metadata of a dense layer's convolution holds its name for people
Shapes = dict[str, tuple[int, ...]]  # of what nodes yield, by their names


@dataclass(frozen=True)
class FullyConnected:
    """A fully-connected layer: its module's name, a name for people, and the node that yields its activation.

    The activation is taken after the layer's non-linearity, if it has one. The first entry of a network is the input of
    its first layer (called "input"); in a network with a single layer that is the pooled last map. `map` is the node
    that yields a map of which the activation is the mean over the positions, or None.
    """

    id: str
    label: str
    node: str
    map: str | None = None


def fully_connected_layers(layout: Layout) -> tuple[FullyConnected, ...]:
    """The input of a network's fully-connected layers and the layers themselves, in order.

    For a network without any (SqueezeNet's classifier is a convolution) it is the class scores.
    """
    modules = dict(layout.model.named_modules())
    layers = _labelled_layers(layout, modules)
    if not layers:
        scores = layout.node(layout.output)
        return (FullyConnected("output", "class scores", layout.output, _averaged_map(scores, modules, layout)),)
    first = next(iter(layers)).args[0]
    assert isinstance(first, fx.Node)
    return (
        FullyConnected(INPUT, "pooled input", first.name, _averaged_map(first, modules, layout)),
        *(
            FullyConnected(str(node.target), label, after_activation(node, modules)[0].name)
            for node, label in layers.items()
        ),
    )


def _labelled_layers(layout: Layout, modules: Mapping[str, nn.Module]) -> dict[fx.Node, str]:
    """The fully-connected layers in order, with their names for people."""
    layers = [node for node in layout.graph.nodes if _reads_a_vector(node, modules, layout)]
    names = PAPER_NAMES if len(layers) == len(PAPER_NAMES) else [str(node.target) for node in layers]
    return dict(zip(layers, names, strict=True))


def _reads_a_vector(node: fx.Node, modules: Mapping[str, nn.Module], layout: Layout) -> bool:
    """Whether this is a Linear that reads one vector per image; some of ConvNeXt's read maps."""
    if node.op != "call_module" or not isinstance(modules[str(node.target)], nn.Linear):
        return False
    return len(layout.shapes[node.all_input_nodes[0].name]) == 2


def _averaged_map(node: fx.Node, modules: Mapping[str, nn.Module], layout: Layout) -> str | None:
    """The map of which the node's vector is the mean over all positions; None if there is no such map."""
    while not _is(node, modules, AVERAGES):
        if not _is(node, modules, RESHAPES):
            return None
        node = node.all_input_nodes[0]
    averaged = node.all_input_nodes[0].name
    shape, map_shape = layout.shapes[node.name], layout.shapes[averaged]
    if len(map_shape) != 4 or shape[:2] != map_shape[:2] or shape[2:] not in ((), (1, 1)):
        return None
    return str(averaged) if node.target != "mean" or _averages_positions(node) else None


def _averages_positions(node: fx.Node) -> bool:
    """Whether a mean is over rows and columns, which come last."""
    axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    return isinstance(axes, tuple | list) and {axis % 4 for axis in axes} == {2, 3}


def _is(node: fx.Node, modules: Mapping[str, nn.Module], kinds: tuple[Any, ...]) -> bool:
    """Whether a node is a module of one of these types, or calls one of these functions or methods."""
    if node.op == "call_module":
        return type(modules[str(node.target)]) in kinds
    return node.target in kinds


# --- applied densely


@dataclass(frozen=True)
class DenseLayer:
    """A hidden fully-connected layer as a convolution.

    `linear` and `activation` are its nodes, `source` is the map that it reads, or the activation of the layer before,
    and `kernel` the shape of that at the network's own input size, (D, m, n).
    """

    label: str
    linear: fx.Node
    activation: fx.Node
    source: fx.Node
    kernel: tuple[int, int, int]
    has_bias: bool


def hidden_layers(layout: Layout) -> tuple[DenseLayer, ...]:
    """The hidden fully-connected layers behind a flattened map, in order; `layout` is at the network's own input size.

    There is none behind a map that is averaged. The last layer is none of them: its class scores have no non-linearity,
    so that their zero, at which weights are rectified, would mean nothing.
    """
    modules = dict(layout.model.named_modules())
    found: dict[fx.Node, DenseLayer] = {}
    for linear, label in _labelled_layers(layout, modules).items():
        activation, name = after_activation(linear, modules)
        source = _flattened(linear, modules, layout)
        shape = layout.shapes[source.name]
        reads_map = len(shape) == 4 and shape[2:] != (1, 1) and not _is(source, modules, AVERAGES)
        if name is not None and activation.all_input_nodes == [linear] and (reads_map or source in found):
            depth, rows, columns = (*shape[1:], 1, 1)[:3]
            has_bias = modules[str(linear.target)].bias is not None
            found[activation] = DenseLayer(label, linear, activation, source, (depth, rows, columns), has_bias)
    return tuple(found.values())


def _flattened(node: fx.Node, modules: Mapping[str, nn.Module], layout: Layout) -> fx.Node:
    """What a layer reads, before it was flattened; adaptive pooling that keeps its size changes nothing."""
    source = node.all_input_nodes[0]
    while _is(source, modules, RESHAPES) or (
        _is(source, modules, AVERAGES) and layout.shapes[source.name] == layout.shapes[source.all_input_nodes[0].name]
    ):
        source = source.all_input_nodes[0]
    return source


def with_dense_layers(graph: fx.Graph, layers: Sequence[DenseLayer]) -> fx.Graph:
    """A network's graph with these layers a second time, densely, where nothing of it reads them.

    They are convolutions whose weights are views of the layers' own. They read the map itself, without the adaptive
    pooling that would shrink it, and without dropout.
    """
    dense, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    returned = dense.graph_copy(graph, copies)
    for layer in layers:
        path = str(layer.linear.target)
        weight = dense.get_attr(f"{path}.weight")
        bias = dense.get_attr(f"{path}.bias") if layer.has_bias else None
        kernel = dense.create_node("call_method", "unflatten", (weight, 1, layer.kernel), name=_kernel_name(layer))
        arguments = (copies[layer.source], kernel, bias)
        convolution = dense.create_node("call_function", torch.conv2d, arguments, name=_dense_name(layer.linear))
        convolution.meta = {"nn_module_stack": {path: (path, nn.Linear)}, LABEL: layer.label}
        activation = dense.node_copy(layer.activation, {layer.linear: convolution}.__getitem__)
        activation.name = _dense_name(layer.activation)
        copies[layer.activation] = activation
    dense.output(returned)
    return dense


def dense_shapes(layers: Sequence[DenseLayer], shapes: Shapes) -> Shapes:
    """The shapes of what `with_dense_layers` adds where other nodes have these `shapes`; none for too small a map."""
    added: Shapes = {}
    for layer in layers:
        depth, rows, columns = layer.kernel
        outputs = shapes[layer.linear.name][1]
        height, width = added.get(_dense_name(layer.source), shapes[layer.source.name])[2:]
        if height < rows or width < columns:
            return {}
        added[_kernel_name(layer)] = (outputs, depth, rows, columns)
        map_shape = (1, outputs, height - rows + 1, width - columns + 1)
        added |= dict.fromkeys((_dense_name(layer.linear), _dense_name(layer.activation)), map_shape)
    return added


def _dense_name(node: fx.Node) -> str:
    return f"dense_{node.name}"


def _kernel_name(layer: DenseLayer) -> str:
    return f"{_dense_name(layer.linear)}_kernel"
