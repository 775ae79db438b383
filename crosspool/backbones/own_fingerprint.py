"""All that decides what a module of one's own computes, but for its parameters, in words for its fingerprint."""

import hashlib
import inspect
from typing import Any

from torch import Tensor, nn

from crosspool.recorded_calls import PLAIN, Constant, is_single
from crosspool.tracing import Layout


def steps_in_words(layout: Layout) -> str:
    """The steps of the graph, the tensors that are no parameters, and the settings and code of what is one step."""
    constants = [node.target.value for node in layout.graph.nodes if isinstance(node.target, Constant)]
    buffers = [f"{name} {_in_words(value)}" for name, value in layout.model.named_buffers()]
    opaque = {id(part) for each in layout.opaque.values() for part in layout.model.get_submodule(each.path).modules()}
    parts = []
    for name, part in layout.model.named_modules():
        if id(part) in opaque or is_single(part):
            parts.append(f"{name} {_settings(part)}")
        if id(part) in opaque:
            parts.append(_source(type(part)))
    return "\n".join([str(layout.graph), *map(_in_words, constants), *buffers, *parts])


def _settings(module: nn.Module) -> str:
    """What the attributes of a module say, more than its text does: one of PyTorch's own has no tensors among them."""
    values = {name: value for name, value in vars(module).items() if name not in ("training", *vars(nn.Module()))}
    if is_single(module):
        values = {name: value for name, value in values.items() if not isinstance(value, Tensor)}
    return _in_words(values)


def _in_words(value: Any) -> str:
    if isinstance(value, Tensor):
        numbers = value.detach().cpu().contiguous().numpy().tobytes()
        return f"{value.dtype} {tuple(value.shape)} {hashlib.sha256(numbers).hexdigest()}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {_in_words(part)}' for name, part in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_in_words, value))}]"
    return repr(value) if isinstance(value, PLAIN) else type(value).__qualname__


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # typed into an interpreter
        return kind.__qualname__
