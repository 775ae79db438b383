"""Commands on weights of one's own: what is said, and JSON that every reader takes."""

import json

import pytest
import torch

from crosspool.backbones import spec_of
from crosspool.samples import FOLDER
from tests.backbones.files import prefixed, save

CAT = str(FOLDER / "cat.jpg")
SQUEEZENET = ("--backbone", "squeezenet1_1", "--size", "128", "--weights")


def strict(text):
    """The document, unless it holds NaN or Infinity, which are no JSON."""
    return json.loads(text, parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(5)
    return spec_of("squeezenet1_1").build(3).state_dict()


@pytest.mark.parametrize("command", ["predict", "explain", "maps", "pool", "evaluate"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")], ids=str)
def test_numbers_that_are_not_finite_end_every_command(fails, tmp_path, state, command, number):
    broken = {**state, "features.3.squeeze.bias": torch.full((16,), number)}
    path = save(broken, tmp_path / "own.pt")
    more = {"maps": ["--out", tmp_path / "maps.npz"], "pool": ["--out", tmp_path / "pooled.npz"]}.get(command, [])
    image = "fieldguide:4:2" if command == "evaluate" else CAT
    size = [] if command == "evaluate" else ["--size", "128"]
    sentence = fails(command, image, "--backbone", "squeezenet1_1", *size, "--weights", path, *more)
    assert sentence.startswith("crosspool: own.pt cannot be used: its tensor features.3.squeeze.bias holds ")
    assert [file.name for file in tmp_path.iterdir()] == ["own.pt"]


def test_a_single_output_is_a_sigmoid(works, tmp_path):
    model = spec_of("squeezenet1_1").build(1)
    path = save(model.state_dict(), tmp_path / "own.pt")
    text = works("predict", CAT, *SQUEEZENET, path)
    assert "100.0 %" not in text
    assert "The network has a single output: the number is its sigmoid" in text
    ((prediction,),) = [record["predictions"] for record in strict(works("predict", CAT, *SQUEEZENET, path, "--json"))]
    assert prediction["label"] == "class 0"
    assert 0.4 < prediction["probability"] < 0.9


def test_a_single_output_is_explained_by_its_score(works, fails, tmp_path):
    path = save(spec_of("squeezenet1_1").build(1).state_dict(), tmp_path / "own.pt")
    text = works("explain", CAT, *SQUEEZENET, path)
    assert "score of class 0" in text
    assert "100.0 %" not in text
    document = strict(works("explain", CAT, *SQUEEZENET, path, "--json"))
    assert [entry["class"] for entry in document["scores"]] == ["class 0"]
    assert document["scores"][0]["score"] == document["score"] != 1
    assert document["check"]["holds"]
    against = fails("explain", CAT, *SQUEEZENET, path, "--class", "class 0", "--against", "class 0")
    assert against == "crosspool: class 0 cannot be set against itself; choose two classes."
    assert "squeezenet1_1 (SqueezeNet 1.1), with 1 output." in works("inspect", path, "--backbone", "squeezenet1_1")


def test_names_of_classes_come_from_the_file_that_is_named(works, fails, tmp_path, state):
    path, names = save(state, tmp_path / "own.pt"), tmp_path / "names.txt"
    names.write_text("ant\nbee\ncat\n")
    (record,) = strict(works("predict", CAT, *SQUEEZENET, path, "--classes", names, "--json"))
    assert {prediction["label"] for prediction in record["predictions"]} == {"ant", "bee", "cat"}
    explained = strict(works("explain", CAT, *SQUEEZENET, path, "--classes", names, "--class", "bee", "--json"))
    assert explained["what"] == "score of bee"
    names.write_text("ant\nbee\n")
    assert "names.txt has 2 names, but the network has 3 outputs" in fails(
        "predict", CAT, *SQUEEZENET, path, "--classes", names
    )


def test_what_was_left_out_is_one_line_beside_the_json(run, tmp_path, state):
    path = save({"model": prefixed(state, "module."), "teacher": torch.ones(2)}, tmp_path / "own.pt")
    for command in ("predict", "explain"):
        status, out, err = run(command, CAT, *SQUEEZENET, path, "--json")
        assert (status, err) == (0, "crosspool: own.pt: left out teacher.\n")
        assert strict(out)


def test_maps_without_a_head_and_classes_refused_in_a_sentence(run, fails, tmp_path, state):
    body = {name: value for name, value in state.items() if not name.startswith("classifier.")}
    path = save(body, tmp_path / "own.pt")
    pair = ("--pair", "features.12.expand3x3", "--out", tmp_path / "maps.npz")
    status, _, err = run("maps", CAT, *SQUEEZENET, path, *pair)
    assert (status, err.count("\n")) == (0, 1)
    assert "it has no layer classifier.1 of the right shape" in err
    status, _, err = run("predict", CAT, *SQUEEZENET, path)
    assert status == 2
    assert "squeezenet1_1 with own.pt names no classes without classifier.1; choose weights that have it." in err


def test_maps_of_a_layer_whose_channels_are_the_classes_of_ones_own_weights(works, tmp_path, state):
    works("maps", CAT, *SQUEEZENET, save(state, tmp_path / "own.pt"), "--out", tmp_path / "maps.csv", "--top", "3")
    assert "Inf" not in (tmp_path / "maps.csv").read_text()


def test_a_torchscript_program_gets_one_sentence(fails, tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "own.pt")
    sentence = fails("predict", CAT, *SQUEEZENET, tmp_path / "own.pt")
    assert sentence == "crosspool: own.pt is a TorchScript program, not a file of weights; save model.state_dict()."
