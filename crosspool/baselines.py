"""What cross-layer pooling is compared with: fully-connected activations, and one map pooled by itself."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from sklearn.preprocessing import normalize
from torch import fx, nn
from torch.nn import functional as F

from crosspool.encoding import Records, SignedPower, Stateless, Vectors
from crosspool.tracing import Layout, behind_activation

INPUT = "input"
PAPER_NAMES = ("fc6", "fc7", "fc8")  # of AlexNet's and VGG's three layers
PYRAMID_LEVELS = (1, 2, 4)  # cells a side: 21 cells in all
AVERAGES = (nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d, "mean")
RESHAPES = (nn.Flatten, nn.Identity, nn.Dropout, torch.flatten, F.dropout, "flatten")  # no value changes


@dataclass(frozen=True)
class FullyConnected:
    """A fully-connected layer: its module's name, a name for people, and the node that yields its activation.

    The activation is taken behind the layer's non-linearity, where it has one. The first entry of a network is its
    first layer's input (called "input"): where there is only one layer, that is the pooled last map. `map` is the node
    that yields that map, if the activation is nothing but its mean over the positions.
    """

    id: str
    label: str
    node: str
    map: str | None = None


def fully_connected_layers(layout: Layout) -> tuple[FullyConnected, ...]:
    """The input of a network's fully-connected layers, and each of them, in order.

    A network without any (SqueezeNet's classifier is a convolution) has its class scores instead.
    """
    modules = dict(layout.model.named_modules())
    layers = [node for node in layout.graph.nodes if _reads_a_vector(node, modules, layout)]
    if not layers:
        scores = layout.node(layout.output)
        return (FullyConnected("output", "class scores", layout.output, _averaged_map(scores, modules, layout)),)
    names = PAPER_NAMES if len(layers) == len(PAPER_NAMES) else [str(node.target) for node in layers]
    first = layers[0].args[0]
    assert isinstance(first, fx.Node)
    return (
        FullyConnected(INPUT, "pooled input", first.name, _averaged_map(first, modules, layout)),
        *(
            FullyConnected(str(node.target), label, behind_activation(node, modules)[0].name)
            for node, label in zip(layers, names, strict=True)
        ),
    )


def _reads_a_vector(node: fx.Node, modules: dict[str, nn.Module], layout: Layout) -> bool:
    """Whether this is a Linear on one vector an image; ConvNeXt has some that read maps."""
    if node.op != "call_module" or not isinstance(modules[str(node.target)], nn.Linear):
        return False
    return len(layout.shapes[node.all_input_nodes[0].name]) == 2


def _averaged_map(node: fx.Node, modules: dict[str, nn.Module], layout: Layout) -> str | None:
    """The map whose mean over all positions the node's vector is; None where it is something else."""
    while not _is(node, modules, AVERAGES):
        if not _is(node, modules, RESHAPES):
            return None
        node = node.all_input_nodes[0]
    averaged = node.all_input_nodes[0].name
    is_global = layout.shapes[node.name][2:] in ((), (1, 1)) and len(layout.shapes[averaged]) == 4
    return str(averaged) if is_global else None


def _is(node: fx.Node, modules: dict[str, nn.Module], kinds: tuple[Any, ...]) -> bool:
    """Whether a node is a module of one of these types, or calls one of these functions or methods."""
    if node.op == "call_module":
        return type(modules[str(node.target)]) in kinds
    return node.target in kinds


class MeanOverViews(Stateless):
    """Records to the mean of a vector over an image's views: (n, d).

    With `exponent`, each view's vector gets the signed power and unit length first. The mean of the views' scores
    under a linear classifier is the score of their mean, so at test time this is the averaging of CNNaug-SVM (Razavian
    et al., CVPRW 2014); in training it stands for the views, which that paper uses as images of their own.
    """

    def __init__(self, source: Hashable, exponent: float | None = None) -> None:
        self.source = source
        self.exponent = exponent

    def transform(self, X: Records) -> Vectors:
        return np.stack([self._prepared(record[self.source]).mean(axis=0) for record in X])

    def _prepared(self, views: Vectors) -> Vectors:
        if self.exponent is None:
            return views
        unit: Vectors = normalize(SignedPower(self.exponent).transform(views))
        return unit


class MapPooling(Stateless):
    """Records to one map pooled over the cells of grids of `levels` cells a side: (n, D * sum of levels^2).

    The levels (1,) pool over the whole map: direct sum, or direct max. More levels are a spatial pyramid (Lazebnik et
    al., CVPR 2006), whose cells overlap by a row where the map cannot be divided evenly.
    """

    def __init__(self, source: Hashable, reduction: Literal["sum", "max"], levels: Sequence[int] = (1,)) -> None:
        self.source = source
        self.reduction = reduction
        self.levels = levels

    def transform(self, X: Records) -> Vectors:
        return np.stack([self.pool(torch.from_numpy(record[self.source])).numpy() for record in X])

    def pool(self, views: torch.Tensor) -> torch.Tensor:
        """The vector of one image from its map, (V, D, H, W)."""
        if self.reduction == "max":
            cells = [F.adaptive_max_pool2d(views, level).amax(0) for level in self.levels]
        else:
            area = views.shape[2] * views.shape[3]
            cells = [F.adaptive_avg_pool2d(views, level).sum(0) * (area / level**2) for level in self.levels]
        return torch.cat([cell.flatten(1) for cell in cells], dim=1).flatten()
