"""The convolutions of a traced network: modules, and those that are called as functions."""

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import fx, nn

from crosspool.grids import Size
from crosspool.tracing import Layout

FUNCTION = torch.conv2d
ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
UNLIKE: dict[type[nn.Module], str] = {
    nn.ConvTranspose2d: "is a transposed convolution: its positions read no patch of their own",
    nn.Conv1d: "is one-dimensional, so its output is no map",
    nn.ConvTranspose1d: "is one-dimensional, so its output is no map",
    nn.Conv3d: "is three-dimensional, so its output is no map",
    nn.ConvTranspose3d: "is three-dimensional, so its output is no map",
}


@dataclass(frozen=True)
class Convolution:
    """A two-dimensional convolution in a graph: the node that computes it, the one that it reads, and its geometry.

    `id` is the qualified name of its module, with ~2 after it for the second time that this is called; of a function,
    that of the module that calls it. `padding` is None where the two sides differ.
    """

    node: fx.Node
    lower: fx.Node
    id: str
    in_channels: int
    out_channels: int
    kernel_size: Size
    stride: Size
    padding: Size | None
    dilation: Size
    groups: int
    padding_mode: str


def convolutions_in(layout: Layout, modules: dict[str, nn.Module]) -> list[Convolution]:
    """The convolutions of a graph, in order."""
    calls: Counter[str] = Counter()
    convolutions = []
    for node in layout.graph.nodes:
        module = modules[str(node.target)] if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d) and node.name not in layout.opaque:
            convolution = _of_module(node, module)
        elif node.op == "call_function" and node.target is FUNCTION:
            convolution = _of_function(node, layout)
        else:
            continue
        calls[convolution.id] += 1
        count = calls[convolution.id]
        convolutions.append(convolution if count == 1 else replace(convolution, id=f"{convolution.id}~{count}"))
    return convolutions


def _of_module(node: fx.Node, module: nn.Conv2d) -> Convolution:
    kernel_size, stride, dilation = map(_size, (module.kernel_size, module.stride, module.dilation))
    return Convolution(
        node, node.all_input_nodes[0], str(node.target), module.in_channels, module.out_channels, kernel_size, stride,
        _padding(module.padding, kernel_size, dilation), dilation, module.groups, module.padding_mode,
    )  # fmt: skip


def _of_function(node: fx.Node, layout: Layout) -> Convolution:
    given = dict(zip(ARGUMENTS, node.args, strict=False)) | node.kwargs
    lower, weight = cast("fx.Node", given["input"]), cast("fx.Node", given["weight"])
    groups = cast("int", given.get("groups", 1))
    out_channels, in_channels, *kernel = layout.shapes[weight.name]
    stride, dilation = (_size(given.get(name, 1)) for name in ("stride", "dilation"))
    kernel_size = _size(kernel)
    callers = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    return Convolution(
        node, lower, callers[-1] if callers else str(node.name), in_channels * groups, out_channels, kernel_size,
        stride, _padding(given.get("padding", 0), kernel_size, dilation), dilation, groups, "zeros",
    )  # fmt: skip


def others_not_offered(layout: Layout, modules: dict[str, nn.Module], ids: AbstractSet[str]) -> dict[str, str]:
    """Why the further convolutions of a network define no pair, by name; `ids` are those of `convolutions_in`."""
    called = {str(node.target) for node in layout.graph.nodes if node.op == "call_module"}
    reasons = {}
    for name, module in modules.items():
        if not isinstance(module, (nn.Conv2d, *UNLIKE)) or name in ids:
            continue
        outer = next((part for part in layout.opaque.values() if f"{name}.".startswith(f"{part.path}.")), None)
        if outer is not None:
            reasons[name] = f"lies in {outer.path}, which {outer.reason} ({outer.place})"
        elif name not in called:
            reasons[name] = "is not called"
        else:
            reasons[name] = next(reason for kind, reason in UNLIKE.items() if isinstance(module, kind))
    return reasons


def _padding(padding: Any, kernel_size: Size, dilation: Size) -> Size | None:
    """The rows and columns of zeros on each side, or None if the two sides differ."""
    if padding == "valid":
        return (0, 0)
    if padding == "same":
        rows, columns = (d * (k - 1) for d, k in zip(dilation, kernel_size, strict=True))
        return None if rows % 2 or columns % 2 else (rows // 2, columns // 2)
    return _size(padding)


def _size(value: Any) -> Size:
    """Rows and columns, of which one number stands for both."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values[0], values[-1]
