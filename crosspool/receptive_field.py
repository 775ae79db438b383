"""The part of the input image on which one position of a map can depend.

The field of a position is found by walking the traced graph back to the image: a window operation (convolution,
pooling) widens the interval of rows and columns and cuts off its padding, a position-wise operation passes it on, a
join takes the union of its branches, and anything that reads a whole map (squeeze-and-excite, global pooling) yields
the whole image. This is the theoretical field: an upper bound, of which the centre usually counts most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from torch import fx, nn

from crosspool.layer_pairs import LayerPair
from crosspool.tracing import ACTIVATION_MODULES, Layout

POSITIONWISE_MODULES = (
    nn.BatchNorm2d, nn.Identity, nn.Dropout, nn.Dropout2d, nn.Linear, nn.LayerNorm, *ACTIVATION_MODULES,
)  # fmt: skip
# Functions and methods by name. Reshapes are channel shuffles here, which keep rows and columns.
POSITIONWISE_NAMES = frozenset((
    "add", "sub", "mul", "truediv", "cat", "stack", "relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "hardswish",
    "hardsigmoid", "hardtanh", "mish", "softplus", "sigmoid", "tanh", "dropout", "stochastic_depth", "batch_norm",
    "layer_norm", "linear", "permute", "transpose", "view", "reshape", "contiguous", "chunk", "split", "getitem",
    "unsqueeze",
))  # fmt: skip
POOLING_NAMES = frozenset(("max_pool2d", "avg_pool2d", "boolean_dispatch"))


Span = tuple[int, int]  # the first pixel, and the one after the last
Fields = tuple[Sequence[Span], Sequence[Span]]  # of rows, and of columns


@dataclass(frozen=True)
class Box:
    """Rows top..bottom-1 and columns left..right-1 of an image, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def scaled(self, factor: float) -> "Box":
        """The same box in an image enlarged by `factor`."""
        return Box(*(round(value * factor) for value in (self.left, self.top, self.right, self.bottom)))

    def joined(self, other: "Box") -> "Box":
        """The smallest box around both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Box(left, top, max(self.right, other.right), max(self.bottom, other.bottom))

    def clipped(self, size: int) -> "Box":
        """The part inside an image of `size` x `size` pixels."""
        return Box(*(min(max(value, 0), size) for value in (self.left, self.top, self.right, self.bottom)))


class _Region(NamedTuple):
    """The first and last row and column of a part of a map, both included."""

    rows: tuple[float, float]
    columns: tuple[float, float]

    def union(self, other: "_Region") -> "_Region":
        return _Region(*((min(a, c), max(b, d)) for (a, b), (c, d) in zip(self, other, strict=True)))


_EVERYWHERE = _Region((-inf, inf), (-inf, inf))


def receptive_field(layout: Layout, node_name: str, row: int, column: int) -> Box:
    """The pixels of the framed image on which position (row, column) of a node's map can depend, clipped to the image.

    Raises IndexError if the position lies outside the map.
    """
    rows, columns = layout.map_size(node_name)
    if not (0 <= row < rows and 0 <= column < columns):
        raise IndexError(f"Position ({row}, {column}) lies outside a map of {rows}×{columns}.")
    modules = dict(layout.model.named_modules())
    regions: dict[fx.Node, _Region] = {layout.node(node_name): _Region((row, row), (column, column))}
    image = _Region((row, row), (column, column))
    for node in reversed(layout.graph.nodes):
        region = regions.pop(node, None)
        if region is None:
            continue
        if node.op == "placeholder":
            image = region
            break
        read = _read_by(node, region, layout, modules)
        for source in node.all_input_nodes:
            if source.name in layout.shapes:
                regions[source] = read.union(regions[source]) if source in regions else read
    size = layout.input_size
    left, right = (_clip(value, size) for value in (image.columns[0], image.columns[1] + 1))
    top, bottom = (_clip(value, size) for value in (image.rows[0], image.rows[1] + 1))
    return Box(left, top, right, bottom)


def receptive_fields(layout: Layout, node_name: str) -> Fields:
    """The rows of the image that each row of a node's map can depend on, and likewise the columns, in pixels."""
    rows, columns = layout.map_size(node_name)
    left = [receptive_field(layout, node_name, row, 0) for row in range(rows)]
    top = [receptive_field(layout, node_name, 0, column) for column in range(columns)]
    return tuple((box.top, box.bottom) for box in left), tuple((box.left, box.right) for box in top)


def patch_box(pair: LayerPair, row: int, column: int) -> Box:
    """The m x n patch of the lower map under position (row, column), in cells of the lower map.

    Where the convolution pads with zeros, the box may extend beyond the border of the map.
    """
    top = row * pair.stride[0] - pair.padding[0]
    left = column * pair.stride[1] - pair.padding[1]
    height = pair.dilation[0] * (pair.kernel_size[0] - 1) + 1
    width = pair.dilation[1] * (pair.kernel_size[1] - 1) + 1
    return Box(left, top, left + width, top + height)


def _clip(value: float, size: int) -> int:
    return int(min(max(value, 0), size))


def _read_by(node: fx.Node, region: _Region, layout: Layout, modules: dict[str, nn.Module]) -> _Region:
    """The region of a node's inputs on which a region of its output depends."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        if getattr(module, "padding_mode", "zeros") != "zeros":
            return _EVERYWHERE  # at a border it reads the opposite one, or the map mirrored
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            dilation = getattr(module, "dilation", 1)
            padding = module.padding if not isinstance(module.padding, str) else _same_padding(module)
            return _inside(_window(region, module.kernel_size, module.stride, padding, dilation), node, layout)
        return region if isinstance(module, POSITIONWISE_MODULES) else _EVERYWHERE
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    if name == "pad":
        left, _, top, _ = (_number(value, layout) for value in node.args[1])  # type: ignore[union-attr]
        return _inside(_window(region, 1, 1, (top, left), 1), node, layout)
    if name in POOLING_NAMES:
        window = dict(zip(("kernel_size", "stride", "padding"), node.args[1:], strict=False)) | node.kwargs
        kernel = window["kernel_size"]
        stride = window.get("stride") or kernel
        window_region = _window(region, kernel, stride, window.get("padding", 0), window.get("dilation", 1))
        return _inside(window_region, node, layout)
    return region if name in POSITIONWISE_NAMES else _EVERYWHERE


def _same_padding(module: nn.Module) -> tuple[int, int]:
    if not isinstance(module, nn.Conv2d) or module.padding == "valid":
        return (0, 0)
    rows, columns = (d * (k - 1) // 2 for d, k in zip(module.dilation, module.kernel_size, strict=True))
    return rows, columns


def _number(value: Any, layout: Layout) -> int:
    return layout.numbers[value.name] if isinstance(value, fx.Node) else int(value)


def _window(region: _Region, kernel: Any, stride: Any, padding: Any, dilation: Any) -> _Region:
    spans = []
    for axis, (first, last) in enumerate(region):
        k, s, p, d = (_along(value, axis) for value in (kernel, stride, padding, dilation))
        spans.append((first * s - p, last * s - p + d * (k - 1)))
    return _Region(*spans)


def _inside(region: _Region, node: fx.Node, layout: Layout) -> _Region:
    """The part of a region inside the map that `node` reads, or the nearest edge if no part of it is inside.

    Padding depends on nothing, so an output that reads only padding has no field of its own.
    """
    size = layout.map_size(node.all_input_nodes[0].name)
    clipped = zip(region, size, strict=True)
    return _Region(*((_clip(first, length - 1), _clip(last, length - 1)) for (first, last), length in clipped))


def _along(value: Any, axis: int) -> int:
    return int(value[axis] if isinstance(value, tuple | list) else value)
