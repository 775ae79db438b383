"""Find the layer pairs of a network: every convolution defines one (Liu et al., CVPR 2015, section 3).

A convolution u reads a lower map X (layer t) and writes an upper map A (layer t+1, after BatchNorm and non-linearity).
The m x n patch that u reads at a position is the local feature of that position, and each channel of A is a spatial
weighting map, so the kernel, stride, padding and dilation of u are all that pooling needs.
"""

from dataclasses import dataclass
from typing import TypedDict

from torch import fx, nn

from crosspool.grids import Size
from crosspool.tracing import Layout, after_activation

RECTIFIERS = ("relu", "relu6", "sigmoid", "hardsigmoid", "softplus")


class Geometry(TypedDict):
    """Where the patches of a convolution lie."""

    kernel_size: Size
    stride: Size
    padding: Size
    dilation: Size


@dataclass(frozen=True)
class LayerPair:
    """A convolution u, and the two maps that it joins: X, which it reads, and A, its output after the non-linearity.

    Attributes:
        id: The qualified name of u in the model.
        label: The name of the pair for people.
        lower: The node of the traced graph that yields X.
        upper: The node that yields A.
        lower_channels: D_t.
        upper_channels: D_{t+1}, the number of weighting maps.
        kernel_size: (rows, columns) of a patch, m x n.
        stride: (rows, columns) between patches.
        padding: (rows, columns) of zeros around X.
        dilation: (rows, columns) between the cells of a patch.
        activation: The name of the non-linearity after u, or None if there is none.

    Example:
        >>> import crosspool
        >>> pair = crosspool.architecture("alexnet").default_pair
        >>> pair.label, pair.geometry["kernel_size"], pair.patch_length, pair.feature_length
        ('conv4 → conv5', (3, 3), 2304, 589824)

    References:
        Liu, Shen and van den Hengel, CVPR 2015, section 3, where conv4 and conv5 of AlexNet are such a pair.
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
        """Whether the upper map can have values below zero, so that signed weights differ from rectified ones."""
        return self.activation is None or self.activation.lower() not in RECTIFIERS

    @property
    def ceiling(self) -> float | None:
        """The largest weight that the activation lets through, 6 for ReLU6; None if there is no such limit."""
        return 6.0 if self.activation == "ReLU6" else None


@dataclass(frozen=True)
class NotOffered:
    """A convolution that defines no usable pair, and the reason."""

    id: str
    reason: str


def find_layer_pairs(layout: Layout) -> tuple[tuple[LayerPair, ...], tuple[NotOffered, ...]]:
    """All pairs of a traced network in the order of its layers, and the convolutions that are not offered."""
    modules = dict(layout.model.named_modules())
    convolutions = [node for node in layout.graph.nodes if _is_convolution(node, modules)]
    names = _convolution_names(convolutions)
    pairs, refused = [], []
    for node in convolutions:
        pair = _pair_or_reason(node, layout, names, modules)
        if isinstance(pair, LayerPair):
            pairs.append(pair)
        else:
            refused.append(NotOffered(str(node.target), pair))
    return tuple(pairs), tuple(refused)


def _is_convolution(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    return node.op == "call_module" and isinstance(modules[str(node.target)], nn.Conv2d)


def _pair_or_reason(
    node: fx.Node, layout: Layout, names: dict[fx.Node, str], modules: dict[str, nn.Module]
) -> LayerPair | str:
    """The pair of a convolution, or the reason why it defines none."""
    convolution = modules[str(node.target)]
    assert isinstance(convolution, nn.Conv2d)
    padding = _padding(convolution)
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
    if padding is None:
        return "pads its two sides unequally"
    upper, activation = after_activation(node, modules)
    return LayerPair(
        id=str(node.target),
        label=f"{_source_name(node, names, modules)} → {names[node]}",
        lower=node.all_input_nodes[0].name,
        upper=upper.name,
        lower_channels=convolution.in_channels,
        upper_channels=convolution.out_channels,
        kernel_size=_size(convolution.kernel_size),
        stride=_size(convolution.stride),
        padding=padding,
        dilation=_size(convolution.dilation),
        activation=activation,
    )


def _padding(convolution: nn.Conv2d) -> Size | None:
    """The rows and columns of zeros on each side, or None if the two sides differ."""
    if convolution.padding == "valid":
        return (0, 0)
    if convolution.padding == "same":
        rows, columns = (d * (k - 1) for d, k in zip(convolution.dilation, convolution.kernel_size, strict=True))
        return None if rows % 2 or columns % 2 else (rows // 2, columns // 2)
    assert isinstance(convolution.padding, tuple)
    return _size(convolution.padding)


def _size(value: tuple[int, ...]) -> Size:
    rows, columns = value
    return rows, columns


def _convolution_names(convolutions: list[fx.Node]) -> dict[fx.Node, str]:
    """Names for people: modules that only have a number become conv1, conv2, ...; others keep their path."""
    return {
        node: f"conv{ordinal}" if str(node.target).rsplit(".", 1)[-1].isdigit() else str(node.target)
        for ordinal, node in enumerate(convolutions, start=1)
    }


def _convolutions_before(node: fx.Node, modules: dict[str, nn.Module]) -> set[fx.Node]:
    """The nearest convolutions on all paths from `node` back to the image."""
    convolutions: set[fx.Node] = set()
    visited: set[fx.Node] = set()
    waiting = list(node.all_input_nodes)
    while waiting:
        earlier = waiting.pop()
        if _is_convolution(earlier, modules):
            convolutions.add(earlier)
        elif earlier not in visited:
            visited.add(earlier)
            waiting.extend(earlier.all_input_nodes)
    return convolutions


def _source_name(node: fx.Node, names: dict[fx.Node, str], modules: dict[str, nn.Module]) -> str:
    """The name of the lower map: its convolution's, or that of the block that joined several."""
    before = _convolutions_before(node, modules)
    if len(before) == 1:
        return names[before.pop()]
    lower = node.all_input_nodes[0]
    if lower.op == "call_module":
        return str(lower.target).rsplit(".", 1)[0]
    stack = list(lower.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack and stack[-1][0] else lower.name
