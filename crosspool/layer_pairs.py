"""Find the layer pairs of a network: every convolution defines one (Liu et al., CVPR 2015, section 3).

A convolution u reads a lower map X (layer t) and writes an upper map A (layer t+1, after BatchNorm and non-linearity).
The m x n patch that u reads at a position is the local feature of that position, and each channel of A is a spatial
weighting map, so the kernel, stride, padding and dilation of u are all that pooling needs.
"""

from dataclasses import dataclass
from typing import TypedDict

from torch import fx, nn

from crosspool.convolutions import Convolution, convolutions_in, others_not_offered
from crosspool.fully_connected import LABEL
from crosspool.grids import Size
from crosspool.tracing import Layout, after_activation

RECTIFIERS = ("relu", "relu6", "sigmoid", "hardsigmoid", "softplus")


class Geometry(TypedDict):
    """Where the patches of a convolution lie."""

    kernel_size: Size
    stride: Size
    padding: Size
    dilation: Size


ONE_BY_ONE: Geometry = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
"""Each unit of a map by itself."""


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
        is_dense: Whether u is a fully-connected layer of the network, applied densely, as a convolution.

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
    is_dense: bool = False

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
    convolutions = {each.node: each for each in convolutions_in(layout, modules)}
    names = _names_for_people(list(convolutions.values()))
    names |= {layout.node(name): part.path for name, part in layout.opaque.items()}
    pairs, refused = [], []
    for convolution in convolutions.values():
        reason = _reason_against(convolution, layout, names)
        if reason is None:
            pairs.append(_pair(convolution, names, modules))
        else:
            refused.append(NotOffered(convolution.id, reason))
    others = others_not_offered(layout, modules, {each.id for each in convolutions.values()})
    refused += [NotOffered(id_, reason) for id_, reason in others.items()]
    return tuple(pairs), tuple(refused)


def _reason_against(convolution: Convolution, layout: Layout, names: dict[fx.Node, str]) -> str | None:
    """Why a convolution defines no pair; None where it defines one."""
    if not _convolutions_before(convolution.lower, names):
        return "reads the image itself, not a feature map"
    if convolution.groups != 1:
        kind = "depthwise" if convolution.groups == convolution.in_channels else "grouped"
        return f"{kind} convolution: a channel reads only some of the lower channels, so there is no common patch"
    shapes = [layout.shapes[node.name] for node in (convolution.lower, convolution.node)]
    if not all(len(shape) == 4 and shape[0] == 1 for shape in shapes):
        return "reads several maps at once, or parts of one, so its positions are not those of one image"
    if shapes[1][2] * shapes[1][3] == 1 and LABEL not in convolution.node.meta:  # which has more in a larger image
        return "its output has a single position, so there is nothing to weight"
    if convolution.padding_mode != "zeros":
        return f"pads with '{convolution.padding_mode}', not with zeros"
    return "pads its two sides unequally" if convolution.padding is None else None


def _pair(convolution: Convolution, names: dict[fx.Node, str], modules: dict[str, nn.Module]) -> LayerPair:
    upper, activation = after_activation(convolution.node, modules)
    assert convolution.padding is not None
    return LayerPair(
        id=convolution.id,
        label=f"{_source_name(convolution.lower, names)} → {names[convolution.node]}",
        lower=convolution.lower.name,
        upper=upper.name,
        lower_channels=convolution.in_channels,
        upper_channels=convolution.out_channels,
        kernel_size=convolution.kernel_size,
        stride=convolution.stride,
        padding=convolution.padding,
        dilation=convolution.dilation,
        activation=activation,
        is_dense=LABEL in convolution.node.meta,
    )


def _names_for_people(convolutions: list[Convolution]) -> dict[fx.Node, str]:
    """Modules that only have a number become conv1, conv2, ...; dense layers have names, and others keep their path."""
    names = {
        each.node: f"conv{ordinal}" if each.id.rsplit(".", 1)[-1].isdigit() else each.id
        for ordinal, each in enumerate(convolutions, start=1)
    }
    return names | {each.node: each.node.meta[LABEL] for each in convolutions if LABEL in each.node.meta}


def _convolutions_before(lower: fx.Node, names: dict[fx.Node, str]) -> set[fx.Node]:
    """The nearest convolutions on all paths from a map back to the image: those nodes that have a name."""
    convolutions: set[fx.Node] = set()
    visited: set[fx.Node] = set()
    waiting = [lower]
    while waiting:
        earlier = waiting.pop()
        if earlier in names:
            convolutions.add(earlier)
        elif earlier not in visited:
            visited.add(earlier)
            waiting.extend(earlier.all_input_nodes)
    return convolutions


def _source_name(lower: fx.Node, names: dict[fx.Node, str]) -> str:
    """The name of the lower map: its convolution's, or that of the block that joined several."""
    before = _convolutions_before(lower, names)
    if len(before) == 1:
        return names[before.pop()]
    if lower.op == "call_module":
        return str(lower.target).rsplit(".", 1)[0]
    stack = list(lower.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack and stack[-1][0] else lower.name
