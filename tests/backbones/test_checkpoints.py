"""What a file of weights holds: told by its content, read without running anything."""

import argparse
import collections
import enum
import pathlib
import pickle
import types
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from crosspool.backbones.checkpoints import read_checkpoint
from crosspool.errors import BackboneError
from tests.backbones.files import prefixed, save

STATE = {"conv.weight": torch.arange(4.0), "conv.bias": torch.ones(2)}


@pytest.fixture(autouse=True)
def silence():
    """Libraries warn of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def expect_state(checkpoint, prefix=""):
    for name, value in STATE.items():
        assert torch.equal(checkpoint.tensors[prefix + name], value), name


@pytest.mark.parametrize("name", ["model.bin", "model.pt", "model.safetensors", "model"])
def test_safetensors_under_any_name(tmp_path, name):
    save(STATE, tmp_path / "own.safetensors").rename(tmp_path / name)
    expect_state(read_checkpoint(tmp_path / name))


@pytest.mark.parametrize("name", ["model.safetensors", "model.bin", "model"])
def test_torch_files_under_any_name(tmp_path, name):
    save(STATE, tmp_path / "own.pt").rename(tmp_path / name)
    expect_state(read_checkpoint(tmp_path / name))


def test_a_torch_file_of_the_old_form(tmp_path):
    torch.save(STATE, tmp_path / "own.pth", _use_new_zipfile_serialization=False)
    expect_state(read_checkpoint(tmp_path / "own.pth"))


@pytest.mark.parametrize(
    ("content", "prefix"),
    [
        ((STATE, {"epoch": 3}), "0."),
        ([3, {"state_dict": STATE}, [1.0] * 9], "1.state_dict."),
        ({"models": [{"net": STATE}]}, "models.0.net."),
    ],
    ids=["tuple", "list", "list within"],
)
def test_lists_around_the_tensors_are_seen_through(tmp_path, content, prefix):
    expect_state(read_checkpoint(save(content, tmp_path / "own.pt")), prefix)


class Colour(enum.Enum):
    RED = "red"


def scheduled(step):
    return step


@pytest.mark.parametrize(
    ("extra", "types"),
    [
        (np.float64(0.5), "numpy"),
        (np.zeros(3), "numpy"),
        (argparse.Namespace(lr=0.1, nested=argparse.Namespace(depth=3)), "argparse.Namespace"),
        (pathlib.PurePosixPath("runs/1"), "pathlib"),
        (collections.defaultdict(int, epochs=3), "collections.defaultdict"),
        (types.SimpleNamespace(a=1), "types.SimpleNamespace"),
        (Colour.RED, "Colour"),
        (scheduled, "scheduled"),
    ],
    ids=["numpy number", "numpy array", "Namespace", "path", "defaultdict", "SimpleNamespace", "Enum", "function"],
)
def test_objects_beside_the_tensors_are_not_looked_up(tmp_path, extra, types):
    checkpoint = read_checkpoint(save({"state_dict": STATE, "extra": extra}, tmp_path / "own.pt"))
    expect_state(checkpoint, "state_dict.")
    assert any(types in name for name in checkpoint.unread)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (pathlib.Path.touch, (self.path,))


class Shell:
    def __reduce__(self):
        return (eval, ("__import__('os').abort()",))


def test_code_beside_the_tensors_is_not_run(tmp_path):
    expect_state(read_checkpoint(save({"sd": STATE, "epoch": Shell()}, tmp_path / "own.pt")), "sd.")
    ran = tmp_path / "ran"
    with pytest.raises(BackboneError, match="is not a file of weights, or holds more than tensors"):
        read_checkpoint(save({"sd": STATE, "epoch": Malicious(ran)}, tmp_path / "own.pt"))
    assert not ran.exists()
    assert not [entry for entry in torch.serialization.get_safe_globals() if isinstance(entry, tuple)]  # the stand-ins


def test_code_in_place_of_the_tensors_is_not_run(tmp_path):
    with pytest.raises(BackboneError, match="does not hold a state dict"):
        read_checkpoint(save({"conv.weight": Shell()}, tmp_path / "own.pt"))
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"conv.weight": Shell()}, protocol=2))
    with pytest.raises(BackboneError, match="is not a file of weights"):
        read_checkpoint(tmp_path / "plain.pt")


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))


def test_a_network_saved_whole_is_read_without_its_code(tmp_path, monkeypatch):
    network = Own()
    save({"model": network}, tmp_path / "own.pt")
    monkeypatch.delattr(f"{__name__}.Own")
    checkpoint = read_checkpoint(tmp_path / "own.pt")
    assert list(checkpoint.tensors) == [f"model.{name}" for name in network.state_dict()]
    assert torch.equal(checkpoint.tensors["model.inner.0.weight"], network.state_dict()["inner.0.weight"])


@pytest.mark.parametrize("name", ["own.pt", "own.safetensors"])
def test_a_torchscript_program_gets_one_sentence(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what writes it
        torch.jit.save(torch.jit.trace(nn.Conv2d(3, 2, 1), torch.zeros(1, 3, 4, 4)), tmp_path / name)
    with pytest.raises(BackboneError, match=rf"^{name} is a TorchScript program, .*; save model\.state_dict\(\)\.$"):
        read_checkpoint(tmp_path / name)


def test_other_files_get_one_sentence_and_no_warning(tmp_path):
    np.savez(tmp_path / "arrays.npz", weight=np.ones(3))
    (tmp_path / "notes.txt").write_text("weights")
    (tmp_path / "protocol4.pt").write_bytes(pickle.dumps({"weight": [1.0]}, protocol=4))
    for name in ("arrays.npz", "notes.txt", "protocol4.pt"):
        with pytest.raises(BackboneError, match=rf"^{name} (cannot be read as weights|is not a file of weights|does)"):
            read_checkpoint(tmp_path / name)


def test_an_object_that_holds_itself_or_is_very_deep_ends(tmp_path):
    endless: dict[str, Any] = {"state_dict": STATE}
    endless["again"] = endless
    deep: dict[str, Any] = {"state_dict": STATE}
    for _ in range(300):
        deep = {"in": deep}
    expect_state(read_checkpoint(save(endless, tmp_path / "endless.pt")), "state_dict.")
    expect_state(read_checkpoint(save(deep, tmp_path / "deep.pt")), "in." * 300 + "state_dict.")


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"classes": ["ant", "bee"]}, ("ant", "bee")),
        ({"class_to_idx": {"bee": 1, "ant": 0}}, ("ant", "bee")),
        ({"meta": {"CLASSES": ("ant", "bee")}}, ("ant", "bee")),
        ({"names": {0: "ant", 1: "bee"}}, ("ant", "bee")),
        ({"id2label": {"1": "bee", "0": "ant"}}, ("ant", "bee")),
    ],
    ids=["list", "to numbers", "nested", "from numbers", "from texts"],
)
def test_names_of_classes_within_a_checkpoint(tmp_path, entry, names):
    assert read_checkpoint(save({"state_dict": STATE, **entry}, tmp_path / "own.pt")).class_names == (names,)


@pytest.mark.parametrize(
    "entry",
    [
        {"classes": 2},
        {"class_to_idx": {"ant": 0, "bee": 2}},
        {"class_to_idx": {"ant": 0, "bee": 0, "cat": 1}},
        {"classes": ["ant", " "]},
        {"history": ["a", "b"]},
    ],
)
def test_what_names_no_classes(tmp_path, entry):
    assert read_checkpoint(save({"state_dict": STATE, **entry}, tmp_path / "own.pt")).class_names == ()


def test_names_of_classes_move_no_cursor(tmp_path):
    path = save({"state_dict": STATE, "classes": ["\x1b[2Jant", "b\nee"]}, tmp_path / "own.pt")
    assert read_checkpoint(path).class_names == ((r"\x1b[2Jant", r"b\nee"),)


@pytest.mark.parametrize("keys", [("", "module."), ("module.", ""), ("module.", "_orig_mod.")])
def test_tensors_that_differ_in_their_wrappers_only_keep_their_names(tmp_path, keys):
    first, second = keys
    others = {name: value + 1 for name, value in STATE.items()}
    path = save({**prefixed(STATE, first), **prefixed(others, second)}, tmp_path / "own.pt")
    expect_state(read_checkpoint(path), first)
    assert len(read_checkpoint(path).tensors) == 4


def test_names_of_classes_in_the_header_of_safetensors(tmp_path):
    path = save(STATE, tmp_path / "own.safetensors", classes='["ant", "bee"]', format="pt")
    assert read_checkpoint(path).class_names == (("ant", "bee"),)
