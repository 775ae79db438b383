"""Find the layer pairs of a network: every convolution defines one (Liu et al., CVPR 2015, section 3).

A convolution u reads a lower map X (layer t) and writes an upper map A (layer t+1, behind its BatchNorm and
non-linearity). The m x n patch that u reads at a position is that position's local feature, and each channel
of A is a spatial weighting map, so kernel, stride, padding and dilation of u say all that pooling needs.

Nothing here needs weights: a model on torch's `meta` device, which has shapes but no numbers, is enough.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch import fx, nn
from torch.nn import functional as F

from crosspool.errors import LayerPairError

Size = tuple[int, int]

ACTIVATION_MODULES = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SiLU, nn.GELU, nn.Hardswish, nn.Hardsigmoid,
    nn.Hardtanh, nn.Mish, nn.Sigmoid, nn.Softplus, nn.Tanh,
)  # fmt: skip
ACTIVATION_FUNCTIONS = (
    F.relu, F.relu6, F.leaky_relu, F.elu, F.silu, F.gelu, F.hardswish, F.hardsigmoid, F.hardtanh, F.mish,
    F.softplus, torch.relu, torch.sigmoid, torch.tanh,
)  # fmt: skip
ACTIVATION_METHODS = ("relu", "sigmoid", "tanh")
RECTIFIERS = (
    "ReLU",
    "ReLU6",
    "relu",
    "relu6",
    "Sigmoid",
    "sigmoid",
    "Hardsigmoid",
    "hardsigmoid",
    "Softplus",
    "softplus",
)
# Modules that leave every value where it stands; behind a folded convolution BatchNorm is an Identity.
TRANSPARENT_MODULES = (nn.BatchNorm2d, nn.Identity, nn.Dropout, nn.Dropout2d)


class Geometry(TypedDict):
    """Where a convolution's patches lie."""

    kernel_size: Size
    stride: Size
    padding: Size
    dilation: Size


@dataclass(frozen=True)
class LayerPair:
    """A convolution u, named by its place in the model, and the two maps that it joins.

    `lower` and `upper` are the names of the traced graph's nodes that yield X and A. `activation` is the
    name of the non-linearity behind u, or None where none follows. Sizes are (rows, columns).
    """

    id: str
    label: str
    lower: str
    upper: str
    lower_channels: int
    upper_channels: int
    kernel_size: Size
    stride: Size
    padding: Size
    dilation: Size
    activation: str | None

    @property
    def patch_length(self) -> int:
        """D_t * m * n, the length of one local feature and of one pooled block P_k."""
        return self.lower_channels * self.kernel_size[0] * self.kernel_size[1]

    @property
    def feature_length(self) -> int:
        """D_{t+1} * D_t * m * n, the length of P."""
        return self.upper_channels * self.patch_length

    @property
    def geometry(self) -> Geometry:
        """The keyword arguments that `cross_layer_pool` and `local_features` take."""
        return {
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
        }

    @property
    def can_be_negative(self) -> bool:
        """Whether the upper map has values below zero, so that "signed weights" differ from rectified."""
        return self.activation not in RECTIFIERS


@dataclass(frozen=True)
class NotOffered:
    """A convolution that defines no usable pair, and why."""

    id: str
    reason: str


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
        found: fx.Node = next(node for node in self.graph.nodes if node.name == name)
        return found

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


def layout(model: nn.Module, input_size: int) -> Layout:
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


def find_layer_pairs(layout: Layout) -> tuple[tuple[LayerPair, ...], tuple[NotOffered, ...]]:
    """All pairs of a traced network in the order of its layers, and the convolutions that are not offered."""
    modules = dict(layout.model.named_modules())
    convolutions = [node for node in layout.graph.nodes if _is_convolution(node, modules)]
    names = _convolution_names(convolutions)
    pairs, refused = [], []
    for node in convolutions:
        convolution = modules[str(node.target)]
        assert isinstance(convolution, nn.Conv2d)
        reason = _why_not(node, convolution, layout, modules)
        if reason is None:
            pairs.append(_pair(node, convolution, names, modules))
        else:
            refused.append(NotOffered(str(node.target), reason))
    return tuple(pairs), tuple(refused)


def _is_convolution(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    return node.op == "call_module" and isinstance(modules[str(node.target)], nn.Conv2d)


def _why_not(node: fx.Node, convolution: nn.Conv2d, layout: Layout, modules: dict[str, nn.Module]) -> str | None:
    if not _convolutions_before(node, modules):
        return "reads the image itself, not a feature map"
    if convolution.groups != 1:
        kind = "depthwise" if convolution.groups == convolution.in_channels else "grouped"
        return f"{kind} convolution: a channel reads only some of the lower channels, so there is no common patch"
    rows, columns = layout.map_size(node.name)
    if rows * columns == 1:
        return "its output has a single position, so there is nothing to weight"
    if convolution.padding_mode != "zeros":
        return f"pads with '{convolution.padding_mode}', not with zeros"
    if _padding(convolution) is None:
        return "pads its two sides unequally"
    return None


def _padding(convolution: nn.Conv2d) -> Size | None:
    """Rows and columns of zeros on each side, or None where the two sides differ."""
    if convolution.padding == "valid":
        return (0, 0)
    if convolution.padding == "same":
        rows, columns = (d * (k - 1) for d, k in zip(convolution.dilation, convolution.kernel_size, strict=True))
        return None if rows % 2 or columns % 2 else (rows // 2, columns // 2)
    assert isinstance(convolution.padding, tuple)
    return _size(convolution.padding)


def _pair(node: fx.Node, convolution: nn.Conv2d, names: dict[fx.Node, str], modules: dict[str, nn.Module]) -> LayerPair:
    lower = node.args[0]
    assert isinstance(lower, fx.Node)
    upper, activation = behind_activation(node, modules)
    padding = _padding(convolution)
    assert padding is not None
    return LayerPair(
        id=str(node.target),
        label=f"{_source_name(node, names, modules)} → {names[node]}",
        lower=lower.name,
        upper=upper.name,
        lower_channels=convolution.in_channels,
        upper_channels=convolution.out_channels,
        kernel_size=_size(convolution.kernel_size),
        stride=_size(convolution.stride),
        padding=padding,
        dilation=_size(convolution.dilation),
        activation=activation,
    )


def _size(value: tuple[int, ...]) -> Size:
    rows, columns = value
    return rows, columns


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


def _convolution_names(convolutions: list[fx.Node]) -> dict[fx.Node, str]:
    """Names for people: a module that is merely numbered becomes conv1, conv2, ...; others keep their path."""
    return {
        node: f"conv{ordinal}" if str(node.target).rsplit(".", 1)[-1].isdigit() else str(node.target)
        for ordinal, node in enumerate(convolutions, start=1)
    }


def _convolutions_before(node: fx.Node, modules: dict[str, nn.Module]) -> set[fx.Node]:
    """The nearest convolutions on every way back from `node` towards the image."""
    found: set[fx.Node] = set()
    for earlier in _ancestors(node, modules):
        if _is_convolution(earlier, modules):
            found.add(earlier)
    return found


def _ancestors(node: fx.Node, modules: dict[str, nn.Module]) -> Iterator[fx.Node]:
    """Nodes before `node`, not going on behind a convolution."""
    seen: set[fx.Node] = set()
    waiting = list(node.all_input_nodes)
    while waiting:
        earlier = waiting.pop()
        if earlier in seen:
            continue
        seen.add(earlier)
        yield earlier
        if not _is_convolution(earlier, modules):
            waiting.extend(earlier.all_input_nodes)


def _source_name(node: fx.Node, names: dict[fx.Node, str], modules: dict[str, nn.Module]) -> str:
    """What the lower map is called: its convolution, or the block that joined several."""
    before = _convolutions_before(node, modules)
    if len(before) == 1:
        return names[next(iter(before))]
    lower = node.args[0]
    assert isinstance(lower, fx.Node)
    if lower.op == "call_module":
        return str(lower.target).rsplit(".", 1)[0]
    stack = list(lower.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack and stack[-1][0] else lower.name
