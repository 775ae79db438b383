"""A network that is fine-tuned on all images of a data set, and its weights as a file that loads like any other."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from crosspool.errors import ModelError, SettingError
from crosspool.features import Features
from crosspool.fine_tuning import FineTuning
from crosspool.methods import Method
from crosspool.strict_json import json_text
from crosspool.tails import Tail
from crosspool.tracing import foldable
from crosspool.whole_files import whole_file

MOST_STEPS = 1000  # of a logistic regression


def fitted_tuning(
    features: Features, method: Method, seed: int = 0, learning: Callable[[int, int], None] = lambda done, total: None
) -> FineTuning:
    """The step of `method` that tunes the network of `features`, learned from all images.

    Raises SettingError where the method does not tune the network, or its last layer has no place for a bias.
    """
    step = method.tuning_step(seed)
    if step is None:
        raise SettingError(f"{method.name} does not tune the network; write ft+{method.name}.")
    expect_bias(step.tail)
    everything = np.arange(len(features.dataset))
    records = features.records_of(everything, method.sources_to_fit)
    return step.fit(records, features.lessons(method, everything, learning))


def tuned_state(features: Features, step: FineTuning) -> dict[str, Tensor]:
    """The tensors of the network of `features` by its parameters' names, as a step tuned it on all images.

    Its last layer is new, with an output for each class, by logistic regression. Of BatchNorm that was folded into a
    convolution only what it adds is left: statistics of mean 0 and variance 1. So the file is for use, and for further
    training with BatchNorm frozen.
    """
    records = features.records_of(np.arange(len(features.dataset)), step.lesson_views[:1])
    weight, bias = last_layer(step.vectors(records), features.dataset.targets)
    last = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
    return whole_state(features.backbone.model, step, last)


def last_layer(
    vectors: NDArray[np.float32], targets: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A last layer for vectors, (n, d), by logistic regression: the weights, (L, d), and what is added, (L,)."""
    spread = vectors.std(axis=0)
    is_constant = spread <= np.finfo(np.float32).eps * np.abs(vectors).max(axis=0)
    scale = np.where(is_constant, 1, spread)  # what is the same for all images tells nothing, and is not magnified
    machine = LogisticRegression(max_iter=MOST_STEPS).fit(vectors / scale, targets)
    weight, bias = machine.coef_, machine.intercept_
    if len(weight) == 1:  # of two classes: the score of the second over that of the first
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return (weight / scale).astype(np.float32), bias.astype(np.float32)


def expect_bias(tail: Tail) -> None:
    """Raise SettingError where the network's last layer has no place for what a tuned one adds."""
    if f"{tail.last}.bias" not in tail.architecture.layout().model.state_dict():
        raise SettingError(f"The last layer of {tail.architecture.spec.name} adds no bias, which a tuned one does.")


def whole_state(model: nn.Module, step: FineTuning, last: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a whole network whose last layers are those of a fitted step, and the `last` of all."""
    tail = step.tail
    layout = tail.architecture.layout()
    names, tuned = layout.model.state_dict().keys(), deepcopy(model).cpu()
    tuned.load_state_dict(step.layers.state_dict(), strict=False)
    state = tuned.state_dict()
    for convolution, norm in foldable(layout.model, layout.graph) if tail.folds else []:
        bias, scale = state.pop(f"{convolution}.bias"), layout.model.get_submodule(norm)
        assert isinstance(scale, nn.BatchNorm2d)
        ones, zeros = torch.ones_like(bias), torch.zeros_like(bias)
        state |= {f"{convolution}.bias": zeros, f"{norm}.running_mean": zeros, f"{norm}.running_var": ones}
        state |= {f"{norm}.weight": ones * (1 + scale.eps) ** 0.5, f"{norm}.bias": bias}
    head = {f"{tail.last}.{name}": value for name, value in last.items()}
    return {name: value.contiguous().clone() for name, value in (state | head).items() if name in names}


def write_weights(path: Path, state: dict[str, Tensor], classes: tuple[str, ...]) -> None:
    """Write tensors and the names of the classes as safetensors. Raises ModelError where that fails."""
    try:
        with whole_file(path) as temporary:
            save_file(state, temporary, metadata={"format": "pt", "classes": json_text(list(classes))})
    except (SafetensorError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be written ({reason}); make room, or choose another place.") from error
