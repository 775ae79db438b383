"""Find the layer pairs of a network: every convolution defines one (Liu et al., CVPR 2015, section 3).

A convolution u reads a lower map X (layer t) and writes an upper map A (layer t+1, behind its BatchNorm and
non-linearity). The m x n patch that u reads at a position is that position's local feature, and each channel
of A is a spatial weighting map, so kernel, stride, padding and dilation of u say all that pooling needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from PIL import Image
from torch import Tensor, fx, nn

from crosspool.grids import Size
from crosspool.tracing import Layout, behind_activation

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


class Geometry(TypedDict):
    """Where a convolution's patches lie."""

    kernel_size: Size
    stride: Size
    padding: Size
    dilation: Size


@dataclass(frozen=True)
class LayerPair:
    """A convolution u, and the two maps that it joins: X, which it reads, and A, its output behind the non-linearity.

    Attributes:
        id: The qualified name of u in the model.
        label: What the pair is called for people.
        lower: The traced graph's node that yields X.
        upper: The node that yields A.
        lower_channels: D_t.
        upper_channels: D_{t+1}, the number of weighting maps.
        kernel_size: (rows, columns) of a patch, m x n.
        stride: (rows, columns) between patches.
        padding: (rows, columns) of zeros around X.
        dilation: (rows, columns) between the cells of a patch.
        activation: The name of the non-linearity behind u, or None where none follows.

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
        """Whether the upper map has values below zero, so that "signed weights" differ from rectified."""
        return self.activation not in RECTIFIERS


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


@dataclass(frozen=True)
class NotOffered:
    """A convolution that defines no usable pair, and why."""

    id: str
    reason: str


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


def _convolution_names(convolutions: list[fx.Node]) -> dict[fx.Node, str]:
    """Names for people: a module that is merely numbered becomes conv1, conv2, ...; others keep their path."""
    return {
        node: f"conv{ordinal}" if str(node.target).rsplit(".", 1)[-1].isdigit() else str(node.target)
        for ordinal, node in enumerate(convolutions, start=1)
    }


def _convolutions_before(node: fx.Node, modules: dict[str, nn.Module]) -> set[fx.Node]:
    """The nearest convolutions on every way back from `node` towards the image."""
    convolutions: set[fx.Node] = set()
    for earlier in _ancestors(node, modules):
        if _is_convolution(earlier, modules):
            convolutions.add(earlier)
    return convolutions


def _ancestors(node: fx.Node, modules: dict[str, nn.Module]) -> Iterator[fx.Node]:
    """Nodes before `node`, not going on behind a convolution."""
    visited: set[fx.Node] = set()
    waiting = list(node.all_input_nodes)
    while waiting:
        earlier = waiting.pop()
        if earlier in visited:
            continue
        visited.add(earlier)
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
