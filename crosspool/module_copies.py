"""Copies of networks."""

import copy
from typing import Any

from torch import Tensor, nn


def structural_copy(model: nn.Module, *, share: bool = True) -> tuple[nn.Module, list[Tensor]]:
    """A copy of a network's modules that shares its tensors, or has copies of them; and all tensors that are in it."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for table in (vars(module), module._parameters, module._buffers):
            tensors = [value for value in table.values() if isinstance(value, Tensor)]
            memo |= {id(value): value if share else _copied(value) for value in tensors if id(value) not in memo}
    duplicate = copy.deepcopy(model, memo)
    return duplicate, [value for value in memo.values() if isinstance(value, Tensor)]


def _copied(tensor: Tensor) -> Tensor:
    values = tensor.detach().clone()
    return nn.Parameter(values, requires_grad=False) if isinstance(tensor, nn.Parameter) else values
