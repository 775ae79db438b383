"""Files of weights as people bring them, of one small network: sound, wrapped, broken, and of other networks."""

import argparse
import copy
import pickle
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from crosspool.backbones import spec_of
from tests.backbones.files import prefixed, save

NETWORK = "squeezenet1_1"


@cache
def state(outputs=3, network=NETWORK):
    """The tensors of the network with random weights."""
    torch.manual_seed(5)
    return spec_of(network).build(outputs).state_dict()


def body():
    return {name: value for name, value in state().items() if not name.startswith("classifier.")}


def changed(name, value):
    return {**state(), name: value}


def optimizer():
    """The state of an optimiser after one step."""
    layer = nn.Linear(3, 2)
    layer(torch.ones(1, 3)).sum().backward()
    momentum = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
    momentum.step()
    return momentum.state_dict()


def averaged():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AveragedModel(spec_of(NETWORK).build(3)).state_dict()


def renamed(new):
    """The state dict with its last layer under another name."""
    return {name.replace("classifier.1", new): value for name, value in state().items()}


CONTENTS: dict[str, Callable[[], Any]] = {
    "plain": state,
    "model_state_dict": lambda: {"model_state_dict": state(), "epoch": 7},
    "net": lambda: {"net": state(), "acc": 0.9},
    "Lightning": lambda: {"state_dict": prefixed(state(), "model."), "pytorch-lightning_version": "2.1"},
    "backbone.": lambda: prefixed(state(), "backbone."),
    "_orig_mod.": lambda: prefixed(state(), "_orig_mod."),
    "module.": lambda: {"state_dict": prefixed(state(), "module.")},
    "module._orig_mod.": lambda: prefixed(state(), "module._orig_mod."),
    "EMA only": lambda: {"ema": averaged()},
    "EMA beside": lambda: {"model": state(), "model_ema": dict(state())},
    "with an optimiser": lambda: {"model": state(), "optimizer": optimizer()},
    "no head": body,
    "classifier.1.1": lambda: renamed("classifier.1.1"),
    "fc": lambda: renamed("fc"),
    "total_ops": lambda: {**state(), "total_ops": torch.zeros(1), "total_params": torch.zeros(1)},
    "numpy number": lambda: {"model": state(), "best": np.float64(0.5)},
    "Namespace": lambda: {"model": state(), "args": argparse.Namespace(lr=0.1)},
    "class names": lambda: {"model": state(), "classes": ["ant", "bee", "cat"]},
    "other number of names": lambda: {"model": state(), "classes": ["ant", "bee"]},
    "half": lambda: {name: value.half() for name, value in state().items()},
    "bfloat16": lambda: {name: value.bfloat16() for name, value in state().items()},
    "whole network": lambda: copy.deepcopy(spec_of(NETWORK).build(3)),
    "NaN": lambda: changed("features.3.squeeze.bias", torch.full((16,), float("nan"))),
    "Inf": lambda: changed("features.3.squeeze.bias", torch.full((16,), float("inf"))),
    "NaN left out": lambda: {"model": state(), "loss": torch.full((1,), float("nan"))},
    "half, infinite": lambda: {
        name: value.half() for name, value in changed("features.0.bias", torch.full((64,), 1e6)).items()
    },
    "another network": lambda: state(5, "shufflenet_v2_x0_5"),
    "a layer too many": lambda: changed("features.3.extra.weight", torch.ones(2, 3)),
    "a layer too few": lambda: {name: value for name, value in state().items() if "features.3.squeeze" not in name},
    "another shape": lambda: changed("features.0.weight", torch.ones(64, 1, 3, 3)),
    "unknown network": lambda: {"conv.weight": torch.ones(4, 3, 1, 1), "conv.bias": torch.ones(4)},
    "optimiser only": lambda: {"optimizer": optimizer()},
    "empty": dict,
    "a list": lambda: [torch.ones(2)],
    "a tuple": lambda: (state(), {"epoch": 3}),
}


def written(name, folder):
    """The path of one of these files."""
    path = folder / "own.pt"
    match name:
        case "safetensors":
            return save(state(), folder / "own.safetensors")
        case "safetensors named .bin":
            return save(state(), folder / "own.safetensors").rename(folder / "own.bin")
        case "TorchScript":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.jit.save(torch.jit.trace(nn.Conv2d(3, 2, 1), torch.zeros(1, 3, 4, 4)), path)
        case "old form":
            torch.save(state(), path, _use_new_zipfile_serialization=False)
        case "truncated":
            whole = save(state(), folder / "whole.pt").read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
        case "truncated safetensors":
            whole = save(state(), folder / "whole.safetensors").read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
        case "garbage":
            path.write_bytes(b"\x00garbage" * 99)
        case "no bytes":
            path.write_bytes(b"")
        case "a plain pickle":
            path.write_bytes(pickle.dumps({"weights": [1.0, 2.0]}, protocol=4))
        case _:
            save(CONTENTS[name](), path)
    return path


FILES = (
    *CONTENTS, "safetensors", "safetensors named .bin", "TorchScript", "old form", "truncated",
    "truncated safetensors", "garbage", "no bytes", "a plain pickle",
)  # fmt: skip
