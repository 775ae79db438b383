"""What is said of files of weights: thirty and more, as people bring them."""

import json

import pytest
import torch

from crosspool.backbones import backbone_specs
from crosspool.inspection import weights
from tests.backbones.files import save
from tests.inspection.checkpoints import FILES, NETWORK, state, written

SOUND = "52 tensors, 724,035 numbers (float32 52)."
FITS = "It fits squeezenet1_1 (SqueezeNet 1.1), with 3 outputs."
NO_CLASSES = "It fits squeezenet1_1 (SqueezeNet 1.1), without class scores."
BELOW = "Its tensors are read under {}."
NONE = "own.pt fits none of the 4 networks that crosspool backbones lists; the nearest is squeezenet1_1, where names or"
OWN = "; for a network of your own, see Backbone.from_module in docs/own_networks.md."
STRANGE = "own.pt fits none of the 4 networks that crosspool backbones lists, and has no tensor of any; it has "
DIVERGED = "; take a checkpoint from before the training diverged, or save it again."
NO_STATE = "own.pt does not hold a state dict (names and tensors)."
NO_WEIGHTS = "own.pt is not a file of weights, or holds more than tensors; save model.state_dict() instead."
DAMAGED = "own.pt cannot be read as weights: it is damaged, or another kind of file."

# What is printed and, where a file cannot be used, the sentence on standard error.
EXPECTED = {
    "plain": ([SOUND, FITS], ""),
    "model_state_dict": ([SOUND, FITS, BELOW.format("model_state_dict")], ""),
    "net": ([SOUND, FITS, BELOW.format("net")], ""),
    "Lightning": ([SOUND, FITS, BELOW.format("state_dict.model")], ""),
    "backbone.": ([SOUND, FITS, BELOW.format("backbone")], ""),
    "_orig_mod.": ([SOUND, FITS, "Its tensors are read without _orig_mod in their names."], ""),
    "module.": ([SOUND, FITS, "Its tensors are read under state_dict, without module in their names."], ""),
    "module._orig_mod.": ([SOUND, FITS, "Its tensors are read without module and _orig_mod in their names."], ""),
    "EMA only": (
        ["53 tensors, 724,036 numbers (float32 52, int64 1).", FITS,
         "Its tensors are read under ema, without module in their names.", "Also: left out n_averaged."], "",
    ),
    "EMA beside": (
        ["104 tensors, 1,448,070 numbers (float32 104).", FITS, BELOW.format("model"),
         "Also: left out model_ema (52 tensors)."], "",
    ),
    "with an optimiser": (
        ["54 tensors, 724,043 numbers (float32 54).", FITS, BELOW.format("model"),
         "Also: left out optimizer (2 tensors)."], "",
    ),
    "no head": (
        ["50 tensors, 722,496 numbers (float32 50).", NO_CLASSES,
         "Also: it has no layer classifier.1 of the right shape, so it has maps but no classes."], "",
    ),
    "classifier.1.1": ([SOUND, FITS, "Also: its layer classifier.1.1 is read as classifier.1."], ""),
    "fc": (
        [SOUND, NO_CLASSES, "Also: left out fc (2 tensors); it has no layer classifier.1 of the right shape, so it has "
         "maps but no classes."], "",
    ),
    "total_ops": (
        ["54 tensors, 724,037 numbers (float32 54).", FITS, "Also: left out total_ops and total_params."], "",
    ),
    "numpy number": (
        [SOUND, FITS, BELOW.format("model"),
         "Also: left out objects of type numpy._core.multiarray.scalar and numpy.dtype."], "",
    ),
    "Namespace": (
        [SOUND, FITS, BELOW.format("model"), "Also: left out objects of type argparse.Namespace."], "",
    ),
    "class names": ([SOUND, FITS, BELOW.format("model"), "It names 3 classes: ant, bee, cat."], ""),
    "other number of names": (
        [SOUND, FITS, BELOW.format("model"), "It names 2 classes, not 3, so these names are not used."], "",
    ),
    "half": (["52 tensors, 724,035 numbers (float16 52).", FITS], ""),
    "bfloat16": (["52 tensors, 724,035 numbers (bfloat16 52).", FITS], ""),
    "whole network": (
        [SOUND, FITS, "Also: left out objects of type torch.nn.modules.activation.ReLU, "
         "torch.nn.modules.container.Sequential, torch.nn.modules.conv.Conv2d and 5 others."], "",
    ),
    "NaN": ([SOUND, FITS], f"own.pt cannot be used: its tensor features.3.squeeze.bias holds NaN{DIVERGED}"),
    "Inf": (
        [SOUND, FITS],
        "own.pt cannot be used: its tensor features.3.squeeze.bias holds numbers that are infinite, or too large for "
        f"single precision{DIVERGED}",
    ),
    "NaN left out": (
        ["53 tensors, 724,036 numbers (float32 53).", FITS, BELOW.format("model"), "Also: left out loss."], "",
    ),
    "half, infinite": (
        ["52 tensors, 724,035 numbers (float16 52).", FITS],
        "own.pt cannot be used: its tensor features.0.bias holds numbers that are infinite, or too large for single "
        f"precision{DIVERGED}",
    ),
    "another network": (
        ["338 tensors, 354,925 numbers (float32 282, int64 56).",
         "It fits shufflenet_v2_x0_5 (ShuffleNetV2 x0.5), with 5 outputs."], "",
    ),
    "a layer too many": (
        ["53 tensors, 724,041 numbers (float32 53)."],
        f"{NONE} shapes differ (the file has features.3.extra.weight of 2×3){OWN}",
    ),
    "a layer too few": (
        ["50 tensors, 722,995 numbers (float32 50)."],
        f"{NONE} shapes differ (the network has features.3.squeeze.weight of 16×64×1×1 and features.3.squeeze.bias of "
        f"16){OWN}",
    ),
    "another shape": (
        ["52 tensors, 722,883 numbers (float32 52)."],
        f"{NONE} shapes differ (the network has features.0.weight of 64×3×3×3; the file has features.0.weight of "
        f"64×1×3×3){OWN}",
    ),
    "unknown network": (
        ["2 tensors, 16 numbers (float32 2)."], f"{STRANGE}conv.weight of 4×3×1×1 and conv.bias of 4{OWN}",
    ),
    "optimiser only": (
        ["2 tensors, 8 numbers (float32 2)."],
        f"{STRANGE}optimizer.state.0.momentum_buffer of 2×3 and optimizer.state.1.momentum_buffer of 2{OWN}",
    ),
    "empty": ([], NO_STATE),
    "a list": ([], NO_STATE),
    "a tuple": ([SOUND, FITS, BELOW.format("0")], ""),
    "safetensors": ([SOUND, FITS], ""),
    "safetensors named .bin": ([SOUND, FITS], ""),
    "TorchScript": ([], "own.pt is a TorchScript program, not a file of weights; save model.state_dict()."),
    "old form": ([SOUND, FITS], ""),
    "truncated": ([], DAMAGED),
    "truncated safetensors": ([], DAMAGED),
    "garbage": ([], NO_WEIGHTS),
    "no bytes": ([], DAMAGED),
    "a plain pickle": ([], NO_WEIGHTS),
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_networks(monkeypatch):
    """A search through four networks, not through seventy."""
    names = ("efficientnet_lite0", NETWORK, "squeezenet1_0", "shufflenet_v2_x0_5")
    specs = {name: backbone_specs()[name] for name in names}
    monkeypatch.setattr(weights, "backbone_specs", lambda: specs)
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.mark.parametrize("name", FILES)
def test_what_is_said_of_a_file_of_weights(run, tmp_path, name):
    lines, sentence = EXPECTED[name]
    status, out, err = run("inspect", written(name, tmp_path))
    assert out.splitlines() == lines
    assert err == (f"crosspool: {sentence}\n" if sentence else "")
    assert status == (2 if sentence else 0)


def test_the_network_that_is_asked_about(works, run, tmp_path):
    path = written("plain", tmp_path)
    assert works("inspect", path, "--backbone", NETWORK).splitlines() == [SOUND, FITS]
    status, out, err = run("inspect", path, "-b", "shufflenet_v2_x0_5")
    assert (status, out) == (2, f"{SOUND}\n")
    assert err.startswith("crosspool: own.pt does not fit shufflenet_v2_x0_5: names or shapes differ (the network has ")
    assert err.endswith("; it fits squeezenet1_1: choose that network.\n")
    status, out, err = run("inspect", path, "-b", "squeezenet")
    assert (status, out) == (2, "")
    assert "There is no backbone 'squeezenet'; did you mean squeezenet1_1" in err


def test_json_has_all_of_it(works, run, tmp_path):
    document = json.loads(works("inspect", written("class names", tmp_path), "--json"))
    assert document == {
        "kind": "weights", "file": "own.pt", "tensors": 52, "numbers": 724035, "types": {"float32": 52},
        "wrappers": [], "unread": [], "class_lists": [["ant", "bee", "cat"]], "prefix": "model.",
        "network": "squeezenet1_1", "title": "SqueezeNet 1.1", "outputs": 3, "classes": ["ant", "bee", "cat"],
        "missing": [], "left_out": {}, "notes": [], "unusable": {}, "problem": "",
    }  # fmt: skip
    status, out, err = run("inspect", written("NaN", tmp_path), "--json")
    document = json.loads(out)
    assert status == 2
    assert err == f"crosspool: {document['problem']}\n"
    assert list(document["unusable"]) == ["features.3.squeeze.bias"]


def test_every_tensor_that_cannot_be_used_is_counted(tmp_path):
    broken = {name: value * float("nan") for name, value in state().items()}
    report = weights.inspect_weights(str(save(broken, tmp_path / "own.pt")))
    assert len(report.unusable) == 52


def test_progress_counts_the_networks(tmp_path):
    steps = []
    weights.inspect_weights(str(written("unknown network", tmp_path)), None, lambda *step: steps.append(step))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_names_in_a_file_move_no_cursor(works, tmp_path):
    path = save({**state(), "\x1b[2Jown": torch.zeros(1)}, tmp_path / "own.pt")
    assert r"left out \x1b[2Jown." in works("inspect", path, "--backbone", NETWORK)
