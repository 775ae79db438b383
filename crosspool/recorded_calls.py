"""What a network calls while it is recorded: which of PyTorch's functions a graph can hold, and in which form."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# What tells of a tensor only what its size, type or place tells.
ABOUT_TENSORS = frozenset((
    "shape", "size", "dim", "ndim", "ndimension", "numel", "nelement", "stride", "is_contiguous", "storage_offset",
    "__len__", "dtype", "device", "layout", "type", "is_floating_point", "is_complex", "is_signed", "is_cuda", "is_cpu",
    "is_mps", "is_meta", "is_sparse", "is_quantized", "get_device", "element_size", "itemsize", "nbytes", "names",
    "requires_grad", "is_leaf", "grad_fn", "grad", "is_inference", "result_type", "can_cast", "promote_types",
    "is_same_size", "is_nested", "__hash__", "__repr__", "__format__", "__dir__", "_version",
))  # fmt: skip
# Their results' shapes depend on numbers.
SHAPED_BY_NUMBERS = frozenset(
    ("nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "bincount", "__set__")
)
PLAIN = (
    int, float, complex, bool, str, bytes, type(None), type(...), torch.dtype, torch.device, torch.layout,
    torch.memory_format, type, range,
)  # fmt: skip
TORCH_FOLDER = str(Path(torch.__file__).parent)
RECORDER = (Path(__file__), Path(__file__).with_name("recording.py"))


class UnrecordableError(BaseException):
    """What a network did that no graph can hold: `reason`, and `place`, where in its code.

    It is no Exception, so that the network's own code does not catch it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason, self.place = reason, place_in_code()


class Constant:
    """A tensor that a network uses and that is none of its parameters or buffers, as a function for a graph."""

    __name__ = "constant"

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def __call__(self) -> Tensor:
        return self.value


def with_item(tensor: Tensor, index: Any, value: Any) -> Tensor:
    """A copy of a tensor in which `value` stands at an index."""
    changed = tensor.clone()
    changed[index] = value
    return changed


def tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, slice):
        yield from tensors_in((value.start, value.stop, value.step))
    elif isinstance(value, tuple | list | dict):
        for part in parts_of(value).values():
            yield from tensors_in(part)


def parts_of(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else dict(enumerate(value))


def share_memory(first: Tensor, second: Tensor) -> bool:
    return first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


def parameters_of(func: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(func).parameters) if inspect.isfunction(func) else ()


def out_of_place(func: Any, name: str) -> tuple[str, Any] | None:
    """The kind of node, and the function or method, that computes what a function in place does; None without one."""
    plain = f"__{name[3:]}" if name.startswith("__i") else name.removesuffix("_")
    if getattr(Tensor, name, None) is func:
        return ("call_method", plain) if hasattr(Tensor, plain) else None
    function = getattr(torch, plain, None) or getattr(F, plain, None)
    return None if function is None else ("call_function", function)


def is_single(module: nn.Module) -> bool:
    """Whether a module becomes one node: it computes as one of PyTorch's own, and is more than a sequence of others."""
    methods = [getattr(module, name, None) for name in ("forward", "_conv_forward")]
    is_torch = all(
        str(getattr(method, "__module__", "torch.nn")).startswith("torch.nn.") for method in methods if method
    )
    return is_torch and not isinstance(module, nn.Sequential)


def place_in_code() -> str:
    """The line of the network's own code that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if not file.startswith((TORCH_FOLDER, "<")) and Path(file) not in RECORDER:
            return f"{Path(file).name}, line {frame.f_lineno}"
        frame = frame.f_back
    return "its code"
