"""The case that experiments on Eq. 1 are made on: one image's layer pair in double precision."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from crosspool.backbones import Backbone
from crosspool.convolutions import convolutions_in
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import Border, cross_layer_pool
from crosspool.tracing import run_graph
from crosspool.ui.equation.building import pooled_positions, summed_plainly
from crosspool.ui.runtime.maps import ImageMaps

MULTIPLICATIONS = 10**9  # of one convolution, 0.1 s on two cores; where all maps need more, fewer are tried


@dataclass(frozen=True)
class EquationCase:
    """One image's layer pair in double precision.

    `lower` is X, (1, D_t, H_t, W_t), `upper` A, (1, K, H, W), and `counted`, (H, W), 1.0 where a position is pooled
    and 0.0 elsewhere. `weight`, (K, D_t, m, n), and `bias`, (K,), are those of u, with BatchNorm folded in. `channels`,
    (K,), says which maps these are. `activate` turns the output of u into weights, as the network and the page do.
    """

    maps: ImageMaps
    border: Border
    channels: np.ndarray
    lower: Tensor
    upper: Tensor
    counted: Tensor
    weight: Tensor
    bias: Tensor
    activate: Callable[[Tensor], Tensor]

    @property
    def pair(self) -> LayerPair:
        return self.maps.pair

    def pool(self, upper: Tensor) -> Tensor:
        """P of the maps `upper`, pooled by the library with the pair's geometry and the border: (K, D_t*m*n)."""
        return cross_layer_pool(self.lower, upper, **self.pair.geometry, border=self.border)[0]

    def add_up(self, upper: Tensor) -> np.ndarray:
        """The same P by plain sums: the library pools by a gradient, so its P proves nothing about gradients."""
        return summed_plainly(self.maps, (upper[0] * self.counted).numpy())

    def respond(self, weight: Tensor) -> Tensor:
        """u(X) with these filters, before the non-linearity: (1, K, H, W)."""
        pair = self.pair
        return F.conv2d(self.lower, weight, self.bias, pair.stride, pair.padding, pair.dilation)


def equation_case(maps: ImageMaps, backbone: Backbone, size: int, border: Border, *, signed: bool) -> EquationCase:
    """The case of maps that `backbone` yields at this input size.

    If one convolution would take more than MULTIPLICATIONS, only the maps with the most energy are included.
    """
    pair = maps.pair
    convolution, filters, biases = _filters(backbone, pair, size)
    count = max(1, MULTIPLICATIONS // (maps.upper[0].size * pair.patch_length))
    channels = np.sort(np.argsort(-maps.statistics.energy_share, kind="stable")[:count])
    weight = filters.detach().cpu()[channels].double()
    bias = torch.zeros(len(channels)) if biases is None else biases.detach().cpu()[channels]
    activate = _activation(
        backbone, pair, convolution, size, lowest=0.0 if pair.can_be_negative and not signed else -torch.inf
    )
    lower, upper = (torch.from_numpy(array)[None].double() for array in (maps.lower, maps.upper[channels]))
    counted = torch.from_numpy(pooled_positions(maps, border)).double()
    return EquationCase(maps, border, channels, lower, upper, counted, weight, bias.double(), activate)


def _filters(backbone: Backbone, pair: LayerPair, size: int) -> tuple[fx.Node, Tensor, Tensor | None]:
    """The node of a pair's convolution, its weights, and its biases if it has any."""
    layout = backbone.architecture.layout(size)
    modules = dict(layout.model.named_modules())
    node = next(each.node for each in convolutions_in(layout, modules) if each.id == pair.id)
    if node.op == "call_module":
        module = backbone.model.get_submodule(str(node.target))
        assert isinstance(module, nn.Conv2d)
        return node, module.weight, module.bias
    names = tuple(read.name for read in node.all_input_nodes[1:])
    graph = backbone.architecture.subgraph(names, size)
    weight, *bias = run_graph(backbone.model, graph, torch.zeros(1, 3, size, size, device=backbone.device))
    return node, weight, next(iter(bias), None)


def _activation(
    backbone: Backbone, pair: LayerPair, convolution: fx.Node, size: int, lowest: float
) -> Callable[[Tensor], Tensor]:
    """Everything between u and the upper map in the traced network, in double precision, cut off below `lowest`."""
    node = backbone.architecture.layout(size).node(pair.upper)
    steps: list[fx.Node] = []
    while node is not convolution:
        steps.insert(0, node)
        (node,) = node.all_input_nodes
    targets = [str(step.target) for step in steps if step.op == "call_module"]
    modules = {target: deepcopy(backbone.model.get_submodule(target)).cpu().double() for target in targets}

    def activate(values: Tensor) -> Tensor:
        for step in steps:
            if step.op == "call_module":
                # A plain call would fail: while any thread traces, torch.fx replaces it everywhere.
                values = modules[str(step.target)].forward(values)
            elif step.op == "call_method":
                values = getattr(values, str(step.target))(*step.args[1:], **step.kwargs)
            else:
                assert callable(step.target)
                values = step.target(values, *step.args[1:], **step.kwargs)
        return values.clamp_min(lowest)

    return activate
