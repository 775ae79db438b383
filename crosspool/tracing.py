"""Trace a network into a graph, and work out the shape of every map at an input size.

Nothing here needs weights: a model on torch's `meta` device, which has shapes but no numbers, is enough.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from crosspool.errors import LayerPairError
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
# Modules that leave every value where it stands; behind a folded convolution BatchNorm is an Identity.
TRANSPARENT_MODULES = (nn.BatchNorm2d, nn.Identity, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True)
class Layout:
    """A traced network at one input size: its graph, and what every node yields.

    `shapes` maps a node's name to the shape of its tensor for a batch of one, (1, D, H, W) for a map, and to that of
    the first tensor where a node yields several (a channel split); `numbers` to its value where the node computes
    a plain number (padding that depends on the size).
    """

    model: nn.Module
    graph: fx.Graph
    input_size: int
    shapes: dict[str, tuple[int, ...]]
    numbers: dict[str, int]

    def node(self, name: str) -> fx.Node:
        named: fx.Node = next(node for node in self.graph.nodes if node.name == name)
        return named

    @property
    def output(self) -> str:
        """The name of the node that the network returns: its class scores."""
        (returned,) = next(node for node in self.graph.nodes if node.op == "output").all_input_nodes
        return str(returned.name)

    def map_size(self, name: str) -> Size:
        """Rows and columns of the map that the named node yields."""
        rows, columns = self.shapes[name][-2:]
        return rows, columns


class _ShapeRecorder(fx.Interpreter):
    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=True)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.numbers: dict[str, int] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        first = result[0] if isinstance(result, tuple | list) and result else result
        if isinstance(first, torch.Tensor):
            self.shapes[n.name] = tuple(first.shape)
        elif isinstance(result, int):
            self.numbers[n.name] = result
        return result


def trace(model: nn.Module) -> fx.Graph:
    """Trace `model` (in eval mode) into a graph in which nothing works in place.

    An in-place ReLU or addition would overwrite a map that a pair reads, so in-place forms become plain ones.
    Tracing is not safe in two threads at once; callers hold a lock.
    """
    if model.training:
        raise ValueError("Put the model in eval mode before tracing: dropout and BatchNorm differ in training.")
    forbid_in_place(model)
    graph = fx.Tracer().trace(model)
    for node in graph.nodes:
        _forbid_in_place(node)
    return graph


def forbid_in_place(model: nn.Module) -> None:
    """Let no module of `model` write over its input: a pair may read that very map."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]  # nn.Module types attributes as modules


def _forbid_in_place(node: fx.Node) -> None:
    if node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
    elif node.op == "call_function" and getattr(node.target, "__module__", "") == "_operator":
        name = getattr(node.target, "__name__", "")
        if name in ("iadd", "isub", "imul", "itruediv"):
            node.target = getattr(__import__("operator"), name[1:])
    elif node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).endswith("__"):
        node.target = str(node.target)[:-1]


def trace_layout(model: nn.Module, input_size: int) -> Layout:
    """Trace `model` and work out every map's shape for a square input of `input_size` pixels.

    Quick and without memory when the model lies on the `meta` device. Raises LayerPairError when the network
    has no room for such an input (a map would vanish).
    """
    graph = trace(model)
    recorder = _ShapeRecorder(fx.GraphModule(model, graph))
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            recorder.run(torch.empty(1, 3, input_size, input_size, device=device))
    except RuntimeError as error:
        raise LayerPairError(
            f"An input of {input_size} x {input_size} pixels is too small for this network; choose a larger one."
        ) from error
    return Layout(model, graph, input_size, recorder.shapes, recorder.numbers)


def behind_activation(layer: fx.Node, modules: dict[str, nn.Module]) -> tuple[fx.Node, str | None]:
    """The node with a layer's output behind BatchNorm and non-linearity, and the latter's name."""
    node = layer
    while True:
        for user in node.users:
            activation = _activation_name(user, modules)
            if activation is not None:
                return user, activation
        followers = [user for user in node.users if _is_transparent(user, modules)]
        if len(node.users) != 1 or not followers:
            return node, None
        node = followers[0]


def _is_transparent(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    return node.op == "call_module" and isinstance(modules[str(node.target)], TRANSPARENT_MODULES)


def _activation_name(node: fx.Node, modules: dict[str, nn.Module]) -> str | None:
    if node.op == "call_module" and isinstance(modules[str(node.target)], ACTIVATION_MODULES):
        return type(modules[str(node.target)]).__name__
    if node.op == "call_function" and node.target in ACTIVATION_FUNCTIONS:
        return getattr(node.target, "__name__", str(node.target))
    if node.op == "call_method" and node.target in ACTIVATION_METHODS:
        return str(node.target)
    return None
