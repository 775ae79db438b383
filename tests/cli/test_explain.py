"""`crosspool explain`: its output and files, and that they agree with the library."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from crosspool.backbones import load_backbone
from crosspool.cache import ArrayCache
from crosspool.classifiers import own_classifier
from crosspool.contributions import explain
from crosspool.features import Features
from crosspool.methods import parse_method
from crosspool.samples import FOLDER
from crosspool.training import train_classifier
from tests.images import tinted, tints
from tests.networks import sample

CAT, ESPRESSO = FOLDER / "cat.jpg", FOLDER / "espresso.jpg"


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu")


@pytest.fixture(scope="module")
def model(lite0, tmp_path_factory):
    """A classifier of tints with two parts, and its file."""
    folder = tmp_path_factory.mktemp("model")
    dataset, method = tints(), parse_method("cl@128/pca3+global@128", lite0.architecture)
    classifier = train_classifier(dataset, Features(dataset, lite0, method.sources, ArrayCache(folder)), method)
    classifier.save(folder / "tints.safetensors")
    return classifier, folder / "tints.safetensors"


@pytest.fixture
def red(tmp_path):
    path = tmp_path / "red.png"
    tinted(50, 0).save(path)
    return path


def test_the_networks_own_classes_as_text(works) -> None:
    output = works("explain", CAT, "--top", 3, "--without", "112,977")
    lines = output.splitlines()
    assert lines[0] == "cat.jpg: score of tiger cat · the network's own classes · EfficientNet-Lite0"
    assert "and 1,277 others, together +" in output
    assert "adds up, off by less than a millionth of the score." in output.replace("\n", " ")
    assert "Without these channels:" in lines
    assert all(len(line) <= 80 for line in lines)


def test_the_json_agrees_with_the_library(works, lite0) -> None:
    document = json.loads(works("explain", CAT, "--class", "tabby", "--against", "lynx", "--top", 5, "--json"))
    expected = explain(own_classifier(lite0), lite0, sample("cat")).contributions("tabby", "lynx")
    assert document["what"] == "lead of tabby over lynx"
    assert document["score"] == pytest.approx(expected.score, rel=1e-5)
    assert document["check"]["holds"]
    assert document["check"]["by_position"] == pytest.approx(document["check"]["by_channel"])
    strongest = np.argsort(-np.abs(expected.channels))[:5]
    assert [channel["channel"] for channel in document["channels"]] == strongest.tolist()
    total = sum(channel["contribution"] for channel in document["channels"])
    assert total + document["others"]["contribution"] + document["intercept"] == pytest.approx(
        document["score"], rel=1e-4
    )
    assert document["scores"][0]["class"] == "tiger cat"
    assert (document["method"], document["size"], document["framing"]) == ("the network's own classes", 224, "crop")


def test_a_trained_classifier(works, model, red, tmp_path) -> None:
    classifier, path = model
    out = tmp_path / "why.csv"
    document = json.loads(works("explain", red, "--model", path, "--without", "0-9", "--out", out, "--json"))
    assert document["what"] == "score of red"
    assert {channel["part"] for channel in document["channels"]} <= {"cl@128", "global@128"}
    assert {score["class"] for score in document["without"]["scores"]} == set(classifier.classes)
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == ["cl@128"] * 1280 + ["global@128"] * 1280
    assert [int(row["index"]) for row in rows] == list(range(2560))
    total = sum(float(row["contribution"]) for row in rows) + document["intercept"]
    assert total == pytest.approx(document["score"], abs=1e-4)


def test_channels_are_removed_by_the_printed_index(works, lite0, model, red) -> None:
    """Of two parts, both of which have a channel 0."""
    classifier, path = model
    explanation = explain(classifier, lite0, Image.open(red).convert("RGB"))
    strongest = int(np.abs(explanation.contributions().channels[1280:]).argmax()) + 1280
    assert f" {strongest}  global@128  " in works("explain", red, "--model", path, "--top", 40)
    removal = json.loads(works("explain", red, "--model", path, "--without", strongest, "--json"))["without"]
    assert removal["scores"][0]["score"] == pytest.approx(explanation.without_channels([strongest]).max(), abs=1e-5)


def test_a_training_image_is_reported_as_such(works, model, red, tmp_path) -> None:
    sentence = "not a test of it"
    path = tmp_path / "known.png"
    path.write_bytes(tints().samples[0].read())
    for command in ("explain", "classify"):
        assert sentence in works(command, path, "--model", model[1]).replace("\n", " ")
        assert sentence not in works(command, red, "--model", model[1]).replace("\n", " ")
    assert json.loads(works("explain", path, "--model", model[1], "--json"))["image"]["trained_on"]
    assert json.loads(works("classify", path, "--model", model[1], "--json"))[0]["trained_on"]


def test_all_numbers_as_an_npz(works, model, red, tmp_path) -> None:
    out = tmp_path / "why.npz"
    works("explain", red, "--model", model[1], "--out", out)
    with np.load(out, allow_pickle=False) as archive:
        assert archive["evidence_0"].shape == archive["maps_0"].shape == (1280, 4, 4)
        np.testing.assert_allclose(archive["evidence_1"].sum(axis=(1, 2)), archive["channels_1"], atol=1e-6)
        total = archive["channels_0"].sum() + archive["channels_1"].sum()
        assert archive["positions"].sum() == pytest.approx(total, abs=1e-6)
        settings = json.loads(str(archive["settings"]))
    assert settings["method"] == "cl@128/pca3+global@128"
    assert settings["image"]["name"] == "red.png"


def test_what_a_contribution_means_depends_on_the_normalisation(works, lite0, red, tmp_path) -> None:
    exact = "without a channel the score loses exactly that channel's contribution"
    frozen = "They do not say what the score would be without a channel or a position"
    own = " ".join(works("explain", red).split())
    assert exact in own
    assert frozen not in own
    dataset, method = tints(), parse_method("cl@128", lite0.architecture)
    features = Features(dataset, lite0, method.sources, ArrayCache(tmp_path / "cache"))
    train_classifier(dataset, features, method).save(tmp_path / "cl.safetensors")
    trained = " ".join(works("explain", red, "--model", tmp_path / "cl.safetensors").split())
    assert frozen in trained
    assert exact not in trained


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_a_figure(works, tmp_path, kind) -> None:
    out = tmp_path / f"why.{kind}"
    assert f"Wrote {out}." in works("explain", CAT, "--out", out, "--top", 5)
    if kind == "png":
        with Image.open(out) as figure:
            assert min(figure.size) > 500
            assert figure.info["Title"].startswith("cat.jpg: score of tiger cat")
    else:
        assert out.read_bytes()[:5] in (b"%PDF-", b"<?xml")


def test_the_similarity_of_two_images(works, tmp_path) -> None:
    document = json.loads(works("explain", CAT, "--similar-to", ESPRESSO, "--json"))
    itself = json.loads(works("explain", CAT, "--similar-to", CAT, "--json"))
    assert document["what"] == "similarity to espresso.jpg"
    assert document["check"]["holds"]
    assert document["score"] < itself["score"]
    assert "scores" not in document


def test_a_method_without_positions(works, lite0, red, tmp_path) -> None:
    dataset, method = tints(), parse_method("global:fc@128", lite0.architecture)
    features = Features(dataset, lite0, method.sources, ArrayCache(tmp_path / "cache"))
    train_classifier(dataset, features, method).save(tmp_path / "scores.safetensors")
    arguments = ("explain", red, "--model", tmp_path / "scores.safetensors")
    output = works(*arguments, "--out", tmp_path / "why.png")
    assert "strongest at" not in output
    assert json.loads(works(*arguments, "--json"))["check"]["by_position"] is None


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--class", "auklet"], "knows no class 'auklet'"),
        (["--class", "lynx", "--against", "lynx"], "cannot be set against itself"),
        (["--against", "tiger cat"], "cannot be set against itself"),
        (["--similar-to", str(ESPRESSO), "--class", "lynx"], "either a score or a similarity"),
        (["--class", "Tiger Cat"], "did you mean tiger cat?"),
        (["--without", "5000"], "There is no channel 5000"),
        (["--without", "few"], "--without 'few' is not a list of channel numbers"),
        (["--out", "why.gif"], "must end in .png or .pdf or .svg or .csv or .npz"),
        (["--backbone", "alexnet", "--weights", "untrained"], "train a classifier, or choose another network"),
        (["--model", "nowhere.safetensors"], "nowhere.safetensors was not found"),
        (["--model", str(CAT), "--size", "448"], "leave out --backbone, --classes, --size and --framing"),
    ],
)
def test_requests_that_cannot_be_explained(fails, more, sentence) -> None:
    assert sentence in fails("explain", CAT, *more)


def test_the_image_compared_with_is_not_overwritten(fails, red) -> None:
    assert f"would overwrite {red} itself" in fails("explain", CAT, "--similar-to", red, "--out", red)


def test_a_channel_that_is_strongest_at_several_cells_names_none_of_them(works) -> None:
    document = json.loads(works("explain", CAT, "--json"))
    output = works("explain", CAT)
    assert max(channel["cells"] for channel in document["channels"]) > 1
    for channel in document["channels"]:
        place = f"row {channel['row']}, column {channel['column']}"
        (line,) = [line for line in output.splitlines() if line.split()[:1] == [str(channel["channel"])]]
        assert line.rstrip().endswith(place if channel["cells"] == 1 else f"{channel['cells']} cells")
