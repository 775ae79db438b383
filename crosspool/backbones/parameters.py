"""The numbers of a network: whether it can compute with them, and a fingerprint of them."""

import hashlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from crosspool.errors import BackboneError

ADVICE = "take a checkpoint from before the training diverged, or save it again"


def expect_numbers(state: Mapping[str, Tensor], file: str) -> None:
    """Raise BackboneError, with the tensor's name, for numbers that no network computes with.

    One NaN anywhere makes NaN of all that is computed.
    """
    for name, problem in unusable_tensors(state):
        raise BackboneError(unusable(file, name, problem))


def unusable_tensors(state: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """The names of tensors that no network computes with, and what is wrong with each."""
    for name, value in state.items():
        problem = None if name.endswith("num_batches_tracked") else _problem(name, value)
        if problem:
            yield name, problem


def unusable(file: str, name: str, problem: str) -> str:
    """The sentence about a file with such a tensor."""
    return f"{file} cannot be used: its tensor {name} {problem}."


def expect_finite(tensors: Mapping[str, Tensor], network: str) -> None:
    """Raise BackboneError, with the tensor's name, for what a network of one's own cannot compute with.

    Its whole numbers, such as places in tables, are its own affair.
    """
    for name, value in tensors.items():
        problem: str | None = None
        if value.is_meta or value.layout != torch.strided or value.is_quantized or value.is_complex():
            problem = "is a sparse, empty, quantised or complex one; give a module of ordinary tensors"
        elif value.is_floating_point() and value.dtype != torch.float32:
            problem = f"holds {str(value.dtype).removeprefix('torch.')}; give module.float(), in single precision"
        elif value.is_floating_point():
            problem = _problem(name, value)
        if problem:
            raise BackboneError(f"{network} cannot be used: its tensor {name} {problem}.")


def _problem(name: str, value: Tensor) -> str | None:
    if value.is_meta or value.layout != torch.strided:
        return "is a sparse or empty one; save all tensors as dense ones"
    if not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        return f"holds {kind} for floating-point numbers; save the network before it is quantised"
    if value.isnan().any():
        return f"holds NaN; {ADVICE}"
    if not value.isfinite().all():
        return f"holds numbers that are infinite, or too large for single precision; {ADVICE}"
    if name.endswith("running_var") and (value < 0).any():
        return f"is a variance with negative numbers; {ADVICE}"
    return None


def fingerprint_of(name: str, model: nn.Module) -> str:
    """The SHA-256 of a network's name and all its parameters.

    For a module of one's own, `name` includes how it is put together.
    """
    digest = hashlib.sha256(name.encode())
    for parameter, value in model.state_dict().items():
        digest.update(f"{parameter} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
