"""Trace a network into a graph, work out every map's shape at an input size, and run parts of the graph.

Tracing needs no weights: a model on torch's `meta` device, which has shapes but no numbers, is enough.

Maps come from graphs cut out of the traced network, not from forward hooks: such a graph is pure, so any number of
threads may run it at once, whereas hooks on a shared model hand one thread another's maps.
"""

import math
import operator
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from crosspool.class_scores import before_probabilities
from crosspool.errors import BackboneError, LayerPairError
from crosspool.grids import Size

ACTIVATION_MODULES = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Hardswish, nn.Hardsigmoid,
    nn.Hardtanh, nn.Mish, nn.Sigmoid, nn.Softplus, nn.Tanh,
)  # fmt: skip
ACTIVATION_FUNCTIONS = (
    F.relu, F.relu6, F.leaky_relu, F.elu, F.silu, F.gelu, F.hardswish, F.hardsigmoid, F.hardtanh, F.mish,
    F.softplus, torch.relu, torch.sigmoid, torch.tanh,
)  # fmt: skip
ACTIVATION_METHODS = ("relu", "sigmoid", "tanh")
GATED = {"sigmoid": "silu", "Sigmoid": "silu"}  # what a map times the activation of that map is called
# Modules that leave every value in its place; after a folded convolution, BatchNorm is an Identity.
TRANSPARENT_MODULES = (nn.BatchNorm2d, nn.Identity, nn.Dropout, nn.Dropout2d)
TRANSPARENT_FUNCTIONS = (F.batch_norm, torch.batch_norm)  # of their first argument
OUT_OF_PLACE: dict[Any, Callable[..., Any]] = {
    operator.iadd: operator.add, operator.isub: operator.sub, operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}  # fmt: skip

MODULE_CALLS = threading.RLock()  # while torch.fx traces, modules cannot call each other in any thread
# What a thread does between two nodes of a network: a server lets others compute meanwhile.
BETWEEN_NODES: ContextVar[Callable[[], None]] = ContextVar("between nodes", default=lambda: None)


@dataclass(frozen=True)
class Opaque:
    """A module that became one node of a graph: its `path`, what no graph can hold of it, and where in its code."""

    path: str
    reason: str
    place: str


@dataclass(frozen=True)
class Layout:
    """A traced network at one input size: its graph, and what every node yields.

    `shapes` holds the shape of each node's tensor for a batch of one, by the node's name: (1, D, H, W) for a map. Where
    a node yields several tensors (a channel split), it is the shape of the first. `numbers` holds the values of nodes
    that compute a plain number (padding that depends on the size). `opaque` are the nodes of which nothing is known
    but what they yield. `returned` is what a network returns instead of a tensor.
    """

    model: nn.Module
    graph: fx.Graph
    input_size: int
    shapes: dict[str, tuple[int, ...]]
    numbers: dict[str, int]
    opaque: Mapping[str, Opaque] = field(default_factory=dict)
    returned: str = ""

    def node(self, name: str) -> fx.Node:
        """The node of this name. Raises LayerPairError where the network computes no such thing at this size."""
        return nodes_by_name(self.graph, (name,))[0]

    @property
    def output(self) -> str:
        """The name of the node of the class scores, before a softmax. Raises BackboneError if none are returned."""
        returned = next(node for node in self.graph.nodes if node.op == "output").all_input_nodes
        shape = self.shapes[returned[0].name] if returned else ()
        if len(shape) == 2 and shape[0] == 1:
            return before_probabilities(returned[0], self.model, shape[1]).name
        given = f"a tensor of the shape {tuple(shape)}" if returned else f"a {self.returned}"
        problem = f"The network returns {given} for one image, and no row of class scores, (1, classes)"
        raise BackboneError(f"{problem}; its maps can be seen, its classes cannot.")

    def map_size(self, name: str) -> Size:
        """Rows and columns of the map that the named node yields. Raises LayerPairError as `node`."""
        rows, columns = self.shapes[self.node(name).name][-2:]
        return rows, columns


class GraphRun(fx.Interpreter):
    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        super().__init__(model, graph=graph)
        self.extra_traceback = False  # it would change the sentences of errors
        self._between = BETWEEN_NODES.get()

    def run_node(self, n: fx.Node) -> Any:
        self._between()
        return super().run_node(n)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if next(module.children(), None) is None:
            return module.forward(*args, **kwargs)  # not through nn.Module.__call__, so that it need not wait
        with MODULE_CALLS:
            return module.forward(*args, **kwargs)


class _ShapeRecorder(GraphRun):
    """Writes down the shapes of what a network yields.

    Those of the commonest calls are known here: asked on the `meta` device, torch would import its compiler and SymPy
    for them, which takes two seconds.
    """

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        super().__init__(model, graph)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.numbers: dict[str, int] = {}

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if args and isinstance(module, TRANSPARENT_MODULES + ACTIVATION_MODULES):
            return args[0]
        if type(module) is nn.Linear and args and args[0].shape[-1] == module.in_features:
            return args[0].new_empty(*args[0].shape[:-1], module.out_features)
        if type(module) is nn.Conv2d and args and args[0].ndim == 4 and not isinstance(module.padding, str):
            sizes = zip(
                args[0].shape[2:], module.kernel_size, module.stride, module.padding, module.dilation, strict=True
            )
            rows_columns = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes]
            if min(rows_columns) > 0 and args[0].shape[1] == module.in_channels:
                return args[0].new_empty(len(args[0]), module.out_channels, *rows_columns)
        return super().call_module(target, args, kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target is operator.add and all(isinstance(arg, Tensor) and arg.shape == args[0].shape for arg in args):
            return args[0]
        return super().call_function(target, args, kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target == "mean":
            zeros = torch.zeros(1).expand(args[0].shape)  # a single number in memory
            return zeros.mean(*args[1:], **kwargs).to(args[0].device)
        return super().call_method(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        first = result[0] if isinstance(result, tuple | list) and result else result
        if isinstance(first, Tensor):
            self.shapes[n.name] = tuple(first.shape)
        elif isinstance(result, int):
            self.numbers[n.name] = result
        return result


def trace(model: nn.Module) -> fx.Graph:
    """Trace `model` (in eval mode) into a graph in which nothing works in place.

    An in-place ReLU or addition would overwrite a map that a pair reads, so in-place forms become plain ones.
    """
    if model.training:
        raise ValueError("Put the model in eval mode before tracing: dropout and BatchNorm differ in training.")
    forbid_in_place(model)
    with MODULE_CALLS:
        graph = fx.Tracer().trace(model)
    for node in graph.nodes:
        _forbid_in_place(node)
    return graph


def forbid_in_place(model: nn.Module) -> None:
    """Stop the modules of `model` from overwriting their inputs: a pair may read those maps."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]  # nn.Module types attributes as modules


def _forbid_in_place(node: fx.Node) -> None:
    if node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
    elif node.op == "call_function" and node.target in OUT_OF_PLACE:
        node.target = OUT_OF_PLACE[node.target]
    elif node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).endswith("__"):
        node.target = str(node.target)[:-1]


def trace_layout(model: nn.Module, input_size: int) -> Layout:
    """Trace `model` (in eval mode) and work out every map's shape; raises as `layout_at`."""
    return layout_at(model, trace(model), input_size)


def layout_at(model: nn.Module, graph: fx.Graph, input_size: int) -> Layout:
    """Every map's shape for a square input of `input_size` pixels, in a graph that was traced from `model`.

    On the `meta` device this takes no memory. Raises LayerPairError where the input is so small that a map would
    vanish.
    """
    recorder = _ShapeRecorder(model, graph)
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            recorder.run(torch.empty(1, 3, input_size, input_size, device=device))
    except RuntimeError as error:
        problem = f"An input of {input_size}×{input_size} pixels is too small for this network"
        raise LayerPairError(f"{problem}; choose a larger one.") from error
    return Layout(model, graph, input_size, recorder.shapes, recorder.numbers)


def run_graph(model: nn.Module, graph: fx.Graph, batch: Tensor) -> Any:
    """What `graph`, traced from a model of the same architecture, yields for `batch` with `model`'s weights."""
    with torch.no_grad():
        return run_with_gradients(model, graph, batch)


def run_with_gradients(model: nn.Module, graph: fx.Graph, batch: Tensor) -> Any:
    """As `run_graph`, but what it yields can be differentiated by the batch."""
    return GraphRun(model, graph).run(batch)


def nodes_by_name(graph: fx.Graph, names: Sequence[str]) -> list[fx.Node]:
    """The nodes of these names. Raises LayerPairError for one that the graph does not have."""
    nodes = {node.name: node for node in graph.nodes}
    lacked = next((name for name in names if name not in nodes), None)
    if lacked is not None:
        problem = f"At this input size the network takes another way, or its maps are too small, to compute {lacked}"
        raise LayerPairError(f"{problem}; choose another size.")
    return [nodes[name] for name in names]


def subgraph(graph: fx.Graph, names: Sequence[str], start: str | None = None) -> fx.Graph:
    """The part of a network's graph that yields the named nodes, as a tuple, and nothing after them.

    It takes an image, or what the node `start` yields, if that is named: everything wanted must be computed from it.
    Raises LayerPairError as `nodes_by_name`.
    """
    wanted = nodes_by_name(graph, names)
    needed = set(wanted)
    for node in reversed(graph.nodes):
        if node in needed and node.name != start:
            needed.update(node.all_input_nodes)
    part = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        if node.name == start:
            copies[node] = part.placeholder(node.name)
        elif node in needed:
            copies[node] = part.node_copy(node, copies.__getitem__)
    part.output(tuple(copies[node] for node in wanted))
    return part


def peak_numbers(graph: fx.Graph, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """The most numbers that `graph` holds at a time, and how many it concatenates in all.

    Each node's are held from where it is computed to its last reader. `shapes` holds the shape of each node's tensor,
    by the node's name.
    """
    numbers = {node: math.prod(shapes.get(node.name, (0,))) for node in graph.nodes if node.op != "output"}
    last_readers = {read: node for node in graph.nodes for read in node.all_input_nodes}
    held = peak = 0
    for node, count in numbers.items():
        held += count
        peak = max(peak, held)
        held -= sum(numbers[read] for read in node.all_input_nodes if last_readers[read] is node)
    return peak, sum(count for node, count in numbers.items() if node.target is torch.cat)


def fold_batch_norm(model: nn.Module, graph: fx.Graph) -> None:
    """Fold each BatchNorm that is the only reader of a convolution into it, in place; `model` is in eval mode.

    The maps stay as they are, and a pass over them is saved. Each such BatchNorm becomes an Identity, so that names in
    `graph` stay valid.
    """
    for names in foldable(model, graph):
        convolution, norm = (model.get_submodule(name) for name in names)
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        model.set_submodule(names[0], fuse_conv_bn_eval(convolution, norm))
        model.set_submodule(names[1], nn.Identity())


def foldable(model: nn.Module, graph: fx.Graph) -> list[tuple[str, str]]:
    """The names of the convolutions that a BatchNorm alone reads, each with that BatchNorm's."""
    modules = dict(model.named_modules())
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    pairs = []
    for node in graph.nodes:
        names = [str(call.target) for call in (node, *node.users) if call.op == "call_module"]
        if len(node.users) != 1 or len(names) != 2 or any(calls[name] > 1 for name in names):
            continue
        convolution, norm = (modules[name] for name in names)
        if type(convolution) is nn.Conv2d and type(norm) is nn.BatchNorm2d:  # which do nothing besides
            pairs.append((names[0], names[1]))
    return pairs


def after_activation(layer: fx.Node, modules: dict[str, nn.Module]) -> tuple[fx.Node, str | None]:
    """The node that yields a layer's output after BatchNorm and non-linearity, and the name of the latter."""
    node = layer
    while True:
        for user in node.users:
            activation = _activation_name(user, modules)
            if activation is not None:
                product = next((each for each in user.users if each in node.users and _is_product(each)), None)
                return (user, activation) if product is None else (product, GATED.get(activation))
        followers = [user for user in node.users if _is_transparent(user, node, modules)]
        if len(node.users) != 1 or not followers:
            return node, None
        node = followers[0]


def _is_product(node: fx.Node) -> bool:
    return node.target in (operator.mul, torch.mul, "mul", "__mul__", "__rmul__")


def before_activation(upper: fx.Node, modules: dict[str, nn.Module]) -> fx.Node:
    """The node that a layer's non-linearity reads, where `upper` yields its result; `upper` itself without one."""
    inputs = upper.all_input_nodes
    if _activation_name(upper, modules):
        return inputs[0]
    gated = [node.all_input_nodes[0] for node in inputs if _is_product(upper) and _activation_name(node, modules)]
    return next((node for node in gated if node in inputs), upper)


def _is_transparent(node: fx.Node, layer: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_function" and node.target in TRANSPARENT_FUNCTIONS:
        return node.all_input_nodes[0] is layer
    return node.op == "call_module" and isinstance(modules[str(node.target)], TRANSPARENT_MODULES)


def _activation_name(node: fx.Node, modules: dict[str, nn.Module]) -> str | None:
    if node.op == "call_module" and isinstance(modules[str(node.target)], ACTIVATION_MODULES):
        return type(modules[str(node.target)]).__name__
    if node.op == "call_function" and node.target in ACTIVATION_FUNCTIONS:
        return getattr(node.target, "__name__", str(node.target))
    if node.op == "call_method" and node.target in ACTIVATION_METHODS:
        return str(node.target)
    return None
