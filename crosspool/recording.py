"""Record what a network of anybody's own does with an image as a graph, and check that the graph does the same.

The network's code runs on real tensors, and each of PyTorch's functions that it calls is written down. So sizes are
plain numbers, and branches that depend on them go the way that they go at this size; the graph holds for this size, and
for one image at a time. What a graph cannot hold is a choice by the numbers of a map. A module that makes one becomes a
single node, if anything around it can be recorded.

Unlike `torch.fx`, whose tracing replaces a part of `torch.nn` meanwhile, this concerns the thread alone.
"""

import inspect
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from crosspool.module_copies import structural_copy
from crosspool.recorded_calls import (
    ABOUT_TENSORS,
    PLAIN,
    SHAPED_BY_NUMBERS,
    Constant,
    UnrecordableError,
    is_single,
    out_of_place,
    parameters_of,
    parts_of,
    share_memory,
    tensors_in,
    with_item,
)  # fmt: skip


def record(model: nn.Module, image: Tensor) -> "Recording":
    """What `model`, in eval mode, does with one image, (1, 3, S, S).

    Raises UnrecordableError, and whatever the network's code raises.
    """
    duplicate, constants = structural_copy(model)
    recording = Recording(duplicate, image, constants)
    with torch.no_grad(), recording:
        result = duplicate(image)
    recording.finish(result)
    return recording


class Recording(TorchFunctionMode):
    """The graph, the shape of each node's tensor (of several, the first one's), and a digest of its numbers.

    `opaque` has the reason and the place in the code for each module that became a single node. `returned` is what the
    network returned, as a type's name, where that is no tensor.
    """

    def __init__(self, model: nn.Module, image: Tensor, constants: list[Tensor]) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.digests: dict[str, Tensor] = {}
        self.opaque: dict[str, UnrecordableError] = {}
        self.returned = ""
        self._nodes: Any = WeakIdKeyDictionary()
        self._constants = {id(value): value for value in constants}
        named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
        self._names = {id(value): name for name, value in reversed(named)}
        self._is_paused = False
        self._path: list[tuple[str, type]] = []
        for path, module in model.named_modules():
            if path:
                module.forward = self._recorded(path, module)
        self._name(self.graph.placeholder("image"), image, from_image=True)

    def finish(self, result: Any) -> None:
        """Let the graph return what the network returned."""
        if isinstance(result, Tensor) and result in self._nodes:
            self.graph.output(self._nodes[result])
        else:
            self.graph.output(None)
            self.returned = type(result).__name__

    # --- functions

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._is_paused:
            return func(*args, **kwargs)
        tensors = list(tensors_in((args, kwargs)))
        versions = [tensor._version for tensor in tensors]
        by_image = any(self._is_from_image(tensor) for tensor in tensors)
        name = str(func.__self__.__name__ if func.__name__ == "__get__" else func.__name__)
        if by_image and (name in SHAPED_BY_NUMBERS or (name == "__getitem__" and self._is_by_mask(args[1]))):
            raise UnrecordableError(f"takes a part of a map whose size depends on its numbers ({name.strip('_')})")
        with self.paused():
            result = func(*args, **kwargs)
        changed = [tensor for tensor, version in zip(tensors, versions, strict=True) if tensor._version != version]
        if changed:
            self._record_change(func, name, args, kwargs, changed)
        elif any(True for _ in tensors_in(result)):
            self._record_call(func, name, args, kwargs, result)
        elif by_image and name not in ABOUT_TENSORS:
            branch = "takes a branch that depends on the values of a map"
            use = branch if isinstance(result, bool) else "turns the values of a map into plain numbers"
            raise UnrecordableError(f"{use} ({name.strip('_')})")
        return result

    def _record_call(self, func: Any, name: str, args: Any, kwargs: Any, result: Any) -> None:
        if isinstance(result, Tensor) and (result in self._nodes or id(result) in self._constants):
            return  # the same tensor, as `contiguous` gives
        if func.__name__ == "__get__":
            node = self._node("call_function", getattr, (args[0], name), {})
        elif getattr(Tensor, name, None) is func:
            node = self._node("call_method", name, args, kwargs)
        else:
            node = self._node("call_function", func, args, kwargs)
        self._bind(node, result)

    def _record_change(self, func: Any, name: str, args: Any, kwargs: Any, changed: list[Tensor]) -> None:
        """Record a function that works in place as the one that does not: a pair may read what it overwrites."""
        target = args[0] if args else next(iter(kwargs.values()))
        if any(tensor is not target for tensor in changed) or target not in self._nodes:
            raise UnrecordableError(f"changes a tensor of its own or of others in place ({name.strip('_')})")
        if any(other is not target and share_memory(other, target) for other in self._nodes):
            raise UnrecordableError(f"changes a part of a map, or a map by another name, in place ({name.strip('_')})")
        if name == "__setitem__":
            node = self._node("call_function", with_item, args, kwargs)
        elif name.endswith("_") and (plain := out_of_place(func, name)) is not None:
            op, call = plain
            node = self._node(op, call, args, kwargs)
        elif "inplace" in parameters_of(func):
            bound = inspect.signature(func).bind(*args, **kwargs)
            bound.arguments["inplace"] = False
            node = self._node("call_function", func, bound.args, bound.kwargs)
        else:
            raise UnrecordableError(f"changes a map in place by {name}")
        node.meta["changes"] = self._nodes[target].meta["number"]
        self._name(node, target, from_image=node.meta["from_image"])

    def _is_by_mask(self, index: Any) -> bool:
        return any(part.dtype in (torch.bool, torch.uint8) for part in tensors_in(index))

    # --- modules

    def _recorded(self, path: str, module: nn.Module) -> Callable[..., Any]:
        """The module's forward, recorded as one node where it is PyTorch's own, and by what it calls elsewhere."""
        forward, kind, is_node = module.forward, type(module), is_single(module)

        def recorded(*args: Any, **kwargs: Any) -> Any:
            if self._is_paused:
                return forward(*args, **kwargs)
            if is_node:
                return self._record_module(path, forward, args, kwargs)
            before = len(self.graph.nodes)
            self._path.append((path, kind))
            try:
                return forward(*args, **kwargs)
            except UnrecordableError as error:
                self._take_back(before, error)
                result = self._record_module(path, self._renaming(forward), args, kwargs)
                self.opaque[path] = error
                return result
            finally:
                self._path.pop()

        return recorded

    def _record_module(self, path: str, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        versions = [(tensor, tensor._version) for tensor in tensors_in((args, kwargs))]
        with self.paused():
            result = forward(*args, **kwargs)
        if any(tensor._version != version for tensor, version in versions):
            raise UnrecordableError(f"overwrites what its part {path} reads")
        if isinstance(result, Tensor) and result in self._nodes:
            return result  # the same tensor, as Dropout gives
        self._bind(self._node("call_module", path, args, kwargs), result)
        return result

    def _renaming(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A module's forward that hands on no tensor that it was given: with another image, it might not do so."""

        def renaming(*args: Any, **kwargs: Any) -> Any:
            result = forward(*args, **kwargs)
            if isinstance(result, Tensor) and result in self._nodes:
                return result.view_as(result)
            if any(tensor in self._nodes for tensor in tensors_in(result)):
                raise UnrecordableError("hands on a tensor that it was given, with others")
            return result

        return renaming

    def _take_back(self, before: int, error: UnrecordableError) -> None:
        """Forget the nodes after the first `before` ones. Raises `error` again where older maps were changed."""
        nodes = list(self.graph.nodes)[before:]
        if any(node.meta.get("changes", before) < before for node in nodes):
            raise error
        gone = set(nodes)
        for tensor in [tensor for tensor, node in self._nodes.items() if node in gone]:
            del self._nodes[tensor]
        for node in reversed(nodes):
            self.graph.erase_node(node)
            self.shapes.pop(node.name, None)
            self.digests.pop(node.name, None)
            self.opaque.pop(str(node.target), None)

    # --- nodes

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def _node(self, op: str, target: Any, args: Any, kwargs: Any) -> fx.Node:
        args, kwargs = self._argument(tuple(args)), self._argument(kwargs)
        node = self.graph.create_node(op, target, args, kwargs)
        node.meta["number"] = len(self.graph.nodes) - 1
        node.meta["from_image"] = any(read.meta["from_image"] for read in node.all_input_nodes)
        node.meta["nn_module_stack"] = dict(enumerate(self._path))
        return node

    def _bind(self, node: fx.Node, result: Any) -> None:
        """Let a node stand for the tensor, or the tensors, that were computed."""
        from_image = node.meta["from_image"]
        if isinstance(result, Tensor):
            self._name(node, result, from_image=from_image)
            return
        if not isinstance(result, tuple | list | dict) or not all(
            isinstance(part, Tensor | tuple | list | dict | type(None)) for part in parts_of(result).values()
        ):
            raise UnrecordableError(f"hands on a {type(result).__name__}, which is no tensor")
        first = next(iter(tensors_in(result)), None)
        if first is not None:
            self.shapes[node.name] = tuple(first.shape)
        for key, part in parts_of(result).items():
            if part is not None:
                get = self.graph.call_function(operator.getitem, (node, key))
                get.meta = {**node.meta, "number": len(self.graph.nodes) - 1}
                self._bind(get, part)

    def _name(self, node: fx.Node, tensor: Tensor, *, from_image: bool) -> None:
        node.meta.setdefault("number", len(self.graph.nodes) - 1)
        node.meta["from_image"] = from_image
        self._nodes[tensor] = node
        self.shapes[node.name] = tuple(tensor.shape)
        with self.paused():
            self.digests[node.name] = digest(tensor)

    def _argument(self, value: Any) -> Any:
        """An argument with nodes for tensors."""
        if isinstance(value, Tensor):
            return self._node_of(value)
        if isinstance(value, tuple | list):
            parts = map(self._argument, value)
            return list(parts) if isinstance(value, list) else tuple(parts)
        if isinstance(value, dict):
            return {key: self._argument(part) for key, part in value.items()}
        if isinstance(value, slice):
            return slice(*map(self._argument, (value.start, value.stop, value.step)))
        if isinstance(value, PLAIN):
            return value
        raise UnrecordableError(f"hands on a {type(value).__name__}, in which tensors may be hidden")

    def _node_of(self, tensor: Tensor) -> fx.Node:
        if tensor not in self._nodes:
            if id(tensor) in self._names:
                node = self.graph.get_attr(self._names[id(tensor)])
            elif id(tensor) in self._constants:
                node = self.graph.call_function(Constant(tensor))
            else:
                raise UnrecordableError("uses a tensor that neither belongs to it nor comes from PyTorch's functions")
            self._name(node, tensor, from_image=False)
        known: fx.Node = self._nodes[tensor]
        return known

    def _is_from_image(self, tensor: Tensor) -> bool:
        return tensor in self._nodes and self._nodes[tensor].meta["from_image"]


def digest(tensor: Tensor) -> Tensor:
    """Three numbers that tell a tensor from others: sums of its values, of their sizes, and of every other's waves."""
    values = tensor.detach().to("cpu", torch.float64).flatten() if not tensor.is_complex() else tensor.abs().flatten()
    values = values.nan_to_num(3.0, 2.0, -2.0)  # a pooling may pad with minus infinity
    return torch.stack([values.sum(), values.abs().sum(), (values * torch.arange(len(values)).cos()).sum()])
