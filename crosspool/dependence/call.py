"""A node of a graph, as rules see it: what it is called, what it is given, and the shapes around it."""

from dataclasses import dataclass
from typing import Any

from torch import fx, nn
from torch.nn import functional as F

from crosspool.regions import Region, Shape
from crosspool.tracing import Layout

# Functions that go by another name themselves.
DISPATCHED = {
    F.max_pool1d: "max_pool1d", F.max_pool2d: "max_pool2d", F.adaptive_max_pool2d: "adaptive_max_pool2d",
}  # fmt: skip
ALIASES = {"dim": "axis", "dims": "axis"}


@dataclass(frozen=True)
class Call:
    """A node of a graph: its function or method by name, or its module, and the shapes around it."""

    node: fx.Node
    layout: Layout
    module: nn.Module | None

    @property
    def name(self) -> str:
        if self.node.target is getattr:
            return str(self.node.args[1])
        if self.node.op == "call_method":
            return str(self.node.target).strip("_")
        if self.node.target in DISPATCHED:
            return DISPATCHED[self.node.target]
        home = str(getattr(self.node.target, "__module__", None) or "torch")
        name = str(getattr(self.node.target, "__name__", "")).strip("_")
        return name if home.partition(".")[0] in ("torch", "torchvision", "_operator", "math", "builtins") else ""

    @property
    def shape(self) -> Shape:
        return self.layout.shapes[self.node.name]

    @property
    def source(self) -> fx.Node:
        """The first tensor that it reads."""
        return self.node.all_input_nodes[0]

    @property
    def source_shape(self) -> Shape:
        return self.layout.shapes[self.source.name]

    def value(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by its position, the tensor's being 0, or its name."""
        kwargs = self.node.kwargs
        name = name if name in kwargs else ALIASES.get(name, name)
        given = self.node.args[position] if position < len(self.node.args) else kwargs.get(name, default)
        return fx.map_arg(given, lambda node: self.layout.numbers.get(node.name, node))

    def numbers(self, name: str) -> tuple[int, ...]:
        """All arguments after the tensor, one by one or in a list."""
        given = self.value(1, name)
        return tuple(given) if isinstance(given, tuple | list) else tuple(self.node.args[1:])  # type: ignore[arg-type]


# What is read of each input; () for nothing.
Reads = dict[fx.Node, Region]
