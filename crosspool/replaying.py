"""Whether a recorded graph does what the network does."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from crosspool.module_copies import structural_copy
from crosspool.recording import Recording, digest
from crosspool.tracing import MODULE_CALLS, GraphRun

Calls = list[tuple[str, Tensor]]  # of convolutions: their names, and digests of what they yielded


def first_difference(model: nn.Module, recording: Recording, image: Tensor) -> str | None:
    """The first node that yields other numbers than the network itself did in the recording; None if none does."""
    replay = _Replay(model, recording)
    with torch.no_grad():
        replay.run(image)
    return replay.difference


def other_convolution(model: nn.Module, graph: fx.Graph, image: Tensor) -> str | None:
    """The first convolution that yields something else in the graph than in the network; None if there is none.

    The network runs several times, with another image in between: it may draw random numbers, or keep something.
    """
    run = _ConvolutionRun(model, graph)
    with torch.no_grad():
        run.run(image)
    return next((name for calls in _runs(model, graph, image) if (name := _difference(calls, run.calls))), None)


def _runs(model: nn.Module, graph: fx.Graph, image: Tensor) -> Iterator[Calls]:
    """What the convolutions of a graph yield in the network's own code, each time that it is run."""
    duplicate, _ = structural_copy(model)
    targets = {str(node.target) for node in graph.nodes if node.op == "call_module"}
    calls: Calls = []
    for name, module in duplicate.named_modules():
        if isinstance(module, nn.Conv2d) and name in targets:
            module.register_forward_hook(lambda _, __, output, name=name: calls.append((name, digest(output))))
    for batch in (image, image, -image, image):
        calls.clear()
        with torch.no_grad(), MODULE_CALLS:
            duplicate(batch)
        if batch is image:
            yield calls


def _difference(calls: Calls, others: Calls) -> str | None:
    for (name, one), (other_name, other) in zip(calls, others, strict=False):
        if name != other_name or not same(one, other):
            return name
    return None if len(calls) == len(others) else "the number of its convolutions"


class _ConvolutionRun(GraphRun):
    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        super().__init__(model, graph)
        self.calls: Calls = []

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = super().call_module(target, args, kwargs)
        if isinstance(self.fetch_attr(target), nn.Conv2d):
            self.calls.append((str(target), digest(result)))
        return result


class _Replay(GraphRun):
    def __init__(self, model: nn.Module, recording: Recording) -> None:
        super().__init__(model, recording.graph)
        self.difference: str | None = None
        self._digests = recording.digests

    def run_node(self, n: fx.Node) -> Any:
        result, expected = super().run_node(n), self._digests.get(n.name)
        if self.difference is None and expected is not None and not same(digest(result), expected):
            self.difference = n.name
        return result


def same(first: Tensor, second: Tensor) -> bool:
    """Whether two digests are those of the same numbers, but for rounding."""
    return bool(((first - second).abs() <= 1e-5 * second[1] + 1e-12).all())
