"""The structure of a network that was given as a module: recorded at every input size, and checked against it."""

import re
import traceback
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from crosspool.backbones.structure import Architecture, BackboneSpec
from crosspool.errors import BackboneError, LayerPairError
from crosspool.layer_pairs import find_layer_pairs
from crosspool.recorded_calls import TORCH_FOLDER, UnrecordableError
from crosspool.recording import record
from crosspool.replaying import first_difference, other_convolution
from crosspool.text import plural
from crosspool.tracing import MODULE_CALLS, Layout, Opaque, subgraph

CROSSPOOL_FOLDER = str(Path(__file__).parents[1])
MOST_SIZES = 32  # of which the structure is kept
# What a network's own code may raise when it is run on an image that does not suit it.
OF_NETWORKS = (
    RuntimeError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError, ImportError,
)  # fmt: skip


class OwnArchitecture(Architecture):
    """The structure of a module: its graph is recorded anew at every size, as a size may decide what it does."""

    one_by_one = True
    memory_format = torch.contiguous_format

    def __init__(self, spec: BackboneSpec, model: nn.Module) -> None:
        super().__init__(spec)
        self._model = model
        self._recorded = lru_cache(MOST_SIZES)(self._record)  # dropped with the network

    def layout(self, size: int | None = None) -> Layout:
        size = size or self.spec.preprocessing.size
        self._layouts[size] = layout = self._recorded(size)
        return layout

    def subgraph(self, names: tuple[str, ...], size: int | None = None) -> fx.Graph:
        return subgraph(self.layout(size).graph, names)

    def _record(self, size: int) -> Layout:
        layout, own = self._layout_at(size), self.spec.preprocessing.size
        return layout if size == own else _named_alike(layout, self.layout(own))

    def _layout_at(self, size: int) -> Layout:
        """As it was recorded, whatever the names at the network's own size."""
        return recorded_layout(self._model, self.spec.name, size)


def recorded_layout(model: nn.Module, name: str, size: int) -> Layout:
    """What `model` does at this size, checked against the module itself.

    Raises BackboneError where it cannot be recorded, LayerPairError where it takes no image of this size.
    """
    image = noise(model, size)
    try:
        with MODULE_CALLS:
            recording = record(model, image)
    except UnrecordableError as error:
        problem = f"{name} cannot be followed from layer to layer: it {error.reason} ({error.place})"
        raise BackboneError(f"{problem}; move that into a module of its own, whose inside is then left out.") from error
    except OF_NETWORKS as error:
        if (channels := _channels_of_images(error, size)) is not None:
            problem = f"{name} takes images of {plural(channels, 'channel')}{_place_in_words(error)}"
            raise BackboneError(
                f"{problem}, and crosspool gives red, green and blue; wrap it in a module that first makes "
                f"{'one' if channels == 1 else channels} of these three."
            ) from error
        raise LayerPairError(
            f"{name} cannot compute a 3×{size}×{size} image: {first_line(error)}{_place_in_words(error)}; "
            "choose another size, or correct the module."
        ) from error
    difference = first_difference(model, recording, image)
    if difference is not None:
        problem = f"{name} gives different numbers when it is run again, first at {difference}"
        raise BackboneError(f"{problem}; remove what is random, or kept between two images, from its forward.")
    calls = [node for node in recording.graph.nodes if node.op == "call_module" and node.target in recording.opaque]
    opaque = {node.name: _opaque(str(node.target), recording.opaque[str(node.target)]) for node in calls}
    return Layout(model, recording.graph, size, recording.shapes, {}, opaque, recording.returned)


def _opaque(path: str, error: UnrecordableError) -> Opaque:
    return Opaque(path, error.reason, error.place)


def expect_the_same_elsewhere(model: nn.Module, layout: Layout, name: str) -> None:
    """Raise BackboneError where, on another image, the graph yields something else than the module's own code."""
    image = 3 * noise(model, layout.input_size).flip(3) + 1
    try:
        difference = other_convolution(model, layout.graph, image)
    except OF_NETWORKS as error:
        raise BackboneError(f"{name} fails on some images: {first_line(error)}{_place_in_words(error)}.") from error
    if difference is not None:
        problem = f"{name} does other things with another image, or another time, first at {difference}"
        raise BackboneError(
            f"{problem}; remove from its forward what depends on the image's numbers, is random, or is kept."
        )


def noise(model: nn.Module, size: int) -> Tensor:
    device = next(iter(model.parameters())).device
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(size)).to(device)


# --- one structure for all sizes


def _named_alike(layout: Layout, own: Layout) -> Layout:
    """The layout with the names of the network's own size, for all that is computed alike at both.

    Where the network takes another way, a name would otherwise stand for something else: there, only the maps of the
    same layer pairs keep theirs, and modules that are called once.
    """
    if _steps(layout.graph) == _steps(own.graph):
        return layout
    names = _same_names(layout, own)
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in layout.graph.nodes:
        name = names.get(node.name, f"at_{layout.input_size}_{node.name}")
        args, kwargs = (fx.map_arg(part, copies.__getitem__) for part in (node.args, node.kwargs))
        copies[node] = graph.create_node(node.op, node.target, args, kwargs, name)
        copies[node].meta = node.meta
    renamed = {node.name: twin.name for node, twin in copies.items()}
    shapes = {renamed[name]: shape for name, shape in layout.shapes.items()}
    opaque = {renamed[name]: part for name, part in layout.opaque.items()}
    return replace(layout, graph=graph, shapes=shapes, opaque=opaque)


def _same_names(layout: Layout, own: Layout) -> dict[str, str]:
    """The names of the network's own size for nodes of another: of single calls of modules, and of pairs' maps."""
    calls, own_calls = (_single_calls(each.graph) for each in (layout, own))
    names = {node: own_calls[target] for target, node in calls.items() if target in own_calls}
    (pairs, others), (own_pairs, own_others) = find_layer_pairs(layout), find_layer_pairs(own)
    ids, own_ids = (
        Counter(_module_of(each.id) for each in found) for found in (pairs + others, own_pairs + own_others)
    )
    here = {pair.id: pair for pair in pairs}
    for pair in own_pairs:
        twin, module = here.get(pair.id), _module_of(pair.id)
        if twin is None or ids[module] != own_ids[module]:
            continue
        if replace(twin, label=pair.label, lower=pair.lower, upper=pair.upper) == pair:
            names |= {twin.lower: pair.lower, twin.upper: pair.upper}
    counts = Counter(names.values())
    return {node: name for node, name in names.items() if counts[name] == 1}


def _module_of(pair_id: str) -> str:
    """The module of a convolution that may be called several times."""
    return pair_id.partition("~")[0]


def _single_calls(graph: fx.Graph) -> dict[str, str]:
    """The nodes that call a module, by the module, for those that are called once."""
    targets = [str(node.target) for node in graph.nodes if node.op == "call_module"]
    counts = Counter(targets)
    nodes = [node for node in graph.nodes if node.op in ("placeholder", "call_module")]
    return {str(node.target): node.name for node in nodes if counts[str(node.target)] <= 1}


def _steps(graph: fx.Graph) -> list[tuple[str, ...]]:
    return [
        (node.op, str(node.target), node.name, *(read.name for read in node.all_input_nodes)) for node in graph.nodes
    ]


# --- errors


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _place_in_words(error: BaseException) -> str:
    """The last line of the network's own code on the way to an error, in brackets; "" where it has none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((TORCH_FOLDER, CROSSPOOL_FOLDER, "<"))]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


def _channels_of_images(error: BaseException, size: int) -> int | None:
    """How many channels an image should have had, where torch says that three are too few or too many."""
    wrong = re.search(rf"expected input\[1, 3, {size}, {size}\] to have (\d+) channels", str(error))
    return int(wrong[1]) if wrong else None
