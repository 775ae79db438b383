"""`tune` writes weights that every command takes."""

import itertools
import json
import re
import shlex

import pytest

from crosspool.cli import tune
from crosspool.samples import FOLDER
from crosspool.tail_training import Tuning
from tests.dataset_trees import lay
from tests.datasets.test_official import PEOPLE

CAT = str(FOLDER / "cat.jpg")
FEW = ("fieldguide:2:2", "--size", "128", "--device", "cpu")
SET = ("fieldguide:4:2", *FEW[1:])


@pytest.fixture
def short(monkeypatch):
    """One epoch of fine-tuning, which seems to help."""
    monkeypatch.setattr(tune, "METHOD", "ft/epochs1+global")
    losses = itertools.count(0, -1)
    monkeypatch.setattr(Tuning, "loss", lambda self, images: next(losses))


def test_the_file_has_the_classes_and_serves_other_commands(run, works, tmp_path, short):
    path = tmp_path / "tuned.safetensors"
    status, text, err = run("tune", *SET, "--out", path)
    assert status == 0
    assert re.fullmatch(r"crosspool: ft/\S+: fine-tuning on \d+ images takes at most about \d+ s\.\n", err)
    assert f"Wrote {path}: EfficientNet-Lite0, tuned on " in text
    advice = ["crosspool", "predict", "IMAGE", "--backbone", "efficientnet_lite0", "--weights", str(path)]
    assert shlex.split(text.splitlines()[-1]) == [*advice, "--size", "128", "--framing", "squash"]
    weights = ("--weights", path, "--size", "128")
    ((best, *_),) = [record["predictions"] for record in json.loads(works("predict", CAT, *weights, "--json"))]
    species = {line.split("  ")[0] for line in works("inspect", SET[0]).splitlines()}
    assert best["label"] in species
    works("maps", CAT, *weights, "--out", tmp_path / "maps.npz")
    assert (tmp_path / "maps.npz").exists()


def test_too_few_images_leave_all_but_the_last_layer_as_it_is(run, tmp_path):
    """None of two images a class can be held out, to see whether tuning helps."""
    path = tmp_path / "tuned.safetensors"
    status, text, err = run("tune", *FEW, "--out", path)
    assert (status, err) == (0, "")
    assert f"Wrote {path}: EfficientNet-Lite0, with a new last layer for " in text
    assert "No tuning of the other layers helped on held-out images" in " ".join(text.split())


def test_a_classifier_says_where_the_network_stayed_as_it_was(works, tmp_path):
    text = works("train", *FEW[:1], *FEW[-2:], "--method", "ft+global@128", "--out", tmp_path / "model.safetensors")
    assert "No tuning of the network helped on held-out images, so it is as it was." in text


def test_what_has_no_fully_connected_layer_is_refused_at_once(fails, tmp_path):
    sentence = fails("tune", *SET, "--backbone", "squeezenet1_1", "--out", tmp_path / "tuned.safetensors")
    assert "no fully-connected layer" in sentence


def test_several_labels_are_refused(fails, tmp_path, monkeypatch):
    """Their file would be read as that of classes that exclude each other."""
    lay(tmp_path / "people", PEOPLE)
    sentence = fails("tune", tmp_path / "people", "--out", tmp_path / "tuned.safetensors")
    assert "has several labels per image" in sentence
