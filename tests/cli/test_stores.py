"""`evaluate` and `train` from a store: what they print and write, and which options they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from crosspool.backbones import DEFAULT, load_backbone
from crosspool.errors import SettingError
from crosspool.shards import learning
from crosspool.shards.listing import list_images
from tests.cli.conftest import settled
from tests.cli.test_evaluate import write_images
from tests.shards.stores import extracted, written
from tests.shards.test_learning import separable

METHOD = "gem@128"
SPLITS = ("--splits", 3, "--train-size", 6, "--seed", 2)


@pytest.fixture(scope="module", autouse=True)
def around(tmp_path_factory):
    with settled(200, tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three classes of four images, one of which cannot be read."""
    folder = write_images(tmp_path_factory.mktemp("images") / "tints")
    (folder / "red" / "0.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def store(images, tmp_path_factory):
    backbone = load_backbone(DEFAULT, device="cpu", engine="torch")
    return Path(extracted(tmp_path_factory.mktemp("store"), list_images(str(images)), backbone, METHOD).place.address)


def about_method(document):
    return [{k: v for k, v in method.items() if k != "seconds_per_image"} for method in document["methods"]]


def test_a_store_is_evaluated_as_its_images_are(run, images, store, tmp_path):
    status, printed, _ = run("evaluate", store, *SPLITS, "--json", "--out", tmp_path / "of store")
    assert status == 0
    folder = run(
        "evaluate", images, "--methods", METHOD, *SPLITS, "--engine", "torch", "--json", "--out", tmp_path / "x"
    )
    ours, theirs = json.loads(printed), json.loads(folder[1])
    assert about_method(ours) == about_method(theirs)
    assert ours["methods"][0]["seconds_per_image"] is None
    assert ours.pop("remarks") == ["Trained exactly, on the inner products of all 11 images."]
    assert [name for name in ours if ours[name] != theirs[name]] == ["methods", "command"]
    assert len(ours["problems"]) == 1
    for name in ("predictions.csv", "confusion-gem@128.csv"):
        assert (tmp_path / "of store" / name).read_bytes() == (tmp_path / "x" / name).read_bytes()
    assert {path.name for path in (tmp_path / "of store").iterdir()} == {
        path.name for path in (tmp_path / "x").iterdir()
    }
    assert ours["command"] == f"crosspool evaluate {store} --splits 3 --train-size 6 --seed 2 --on-problem skip"


def test_the_table_of_a_store_has_no_times(run, store):
    status, out, _ = run("evaluate", store, *SPLITS, "--solver", "blocks")
    assert status == 0
    assert "Trained block by block, which was asked for." in out
    assert "Storage: of an image's vector. Intervals:" in out
    assert "time" not in out.lower()
    assert "red/0.png" in out


def test_train_writes_the_file_that_images_give(run, images, store, tmp_path):
    status, out, _ = run("train", "--features", store, "--out", tmp_path / "a.safetensors")
    assert status == 0
    assert "gem@128 on EfficientNet-Lite0, trained on 11 images in 3 classes." in out
    assert "Trained exactly, on the inner products of all 11 images." in out
    assert f"crosspool evaluate {store}\n" in out
    run("train", images, "--method", METHOD, "--engine", "torch", "--out", tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    image = images / "green" / "1.png"
    status, out, _ = run("classify", image, "--model", tmp_path / "a.safetensors", "--engine", "torch")
    assert status == 0
    assert out.splitlines()[1].endswith("green")


def test_a_classifier_refuses_another_network_than_that_of_its_store(run, images, store, tmp_path):
    assert run("train", "--features", store, "--out", tmp_path / "a.safetensors")[0] == 0
    image, model = images / "green" / "1.png", tmp_path / "a.safetensors"
    status, _, err = run("classify", image, "--model", model, "--weights", "untrained")
    assert status == 2
    assert "This classifier was trained on efficientnet_lite0 with pretrained weights, not on the" in err


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("--methods", "cl"), "--methods"),
        (("--framing", "crop", "--layout", "parts"), "--framing and --layout"),
        (("--backbone", "alexnet"), "--backbone"),
        (("--recommend", "--baseline", "cl"), "--baseline and --recommend"),
        (("--device", "cpu", "--engine", "torch"), "--device and --engine"),
    ],
)
def test_options_of_images_are_refused(run, store, arguments, wrong):
    status, _, err = run("evaluate", store, *arguments)
    assert status == 2
    assert err == (f"crosspool: The store {store} has its images, its method and its network; leave out {wrong}.\n")


@pytest.mark.parametrize(
    ("arguments", "wrong"), [(("--method", "cl"), "--method"), (("--seed", 1), "--seed"), ((".",), "DATASET")]
)
def test_train_refuses_them_too(run, store, tmp_path, arguments, wrong):
    status, _, err = run("train", "--features", store, "--out", tmp_path / "a.safetensors", *arguments)
    assert status == 2
    assert err.endswith(f"has its images, its method and its network; leave out {wrong}.\n")


def test_train_asks_for_what_is_missing(run, images, tmp_path):
    out = ("--out", tmp_path / "a.safetensors")
    assert "Name the labelled images, or with --features a store" in run("train", "--method", "cl", *out)[2]
    assert "Choose a method for the images with --method" in run("train", images, *out)[2]
    assert "--solver is for a store" in run("train", images, "--method", "cl", "--solver", "exact", *out)[2]
    assert "--solver is for a store" in run("evaluate", images, "--solver", "exact")[2]


def test_what_is_no_store_is_said(run, images, tmp_path):
    status, _, err = run("train", "--features", images, "--out", tmp_path / "a.safetensors")
    assert status == 2
    made_by = "A store is made by: crosspool extract DATA --out STORE\n"
    assert err == f"crosspool: {images} exists, but is not a store: it has no plan.json. {made_by}"
    _, _, err = run("train", "--features", tmp_path / "none", "--out", tmp_path / "a.safetensors")
    assert err == f"crosspool: {tmp_path}/none was not found; check the name and the folder. {made_by}"
    assert run("evaluate", "memory://nowhere")[0] == 2


def test_a_store_elsewhere_is_evaluated(run, store):
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in store.iterdir():
        memory.pipe_file(f"/elsewhere/{path.name}", path.read_bytes())
    here, there = (run("evaluate", address, *SPLITS, "--json") for address in (store, "memory://elsewhere"))
    assert json.loads(here[1])["methods"] == json.loads(there[1])["methods"]


def test_a_driver_of_gpus_elsewhere_needs_none(run, images, tmp_path, monkeypatch):
    seen = []

    def see(schedule, address, workers, gpus):
        seen.append((schedule.job.plan.device, schedule.job.plan.engine, address, gpus))
        raise SettingError("Enough.")

    monkeypatch.setattr("crosspool.shards.on_ray.extract_on_ray", see)
    arguments = ("extract", images, "--out", tmp_path, "--method", METHOD, "--ray", "auto", "--gpus-per-worker", 0.5)
    assert run(*arguments)[2].endswith("crosspool: Enough.\n")
    assert seen == [("cuda", "torch", "auto", 0.5)]


@pytest.mark.parametrize(("backbone", "expected"), [(DEFAULT, "cl@448/"), ("efficientnet_b7", "cl@600/")])
def test_the_method_that_nobody_chose_fits_the_network(run, images, tmp_path, monkeypatch, backbone, expected):
    def see(name, *rest):
        raise SettingError(f"It is {name}.")

    monkeypatch.setattr("crosspool.methods.parse_method", see)
    said = run("extract", images, "--out", tmp_path, "--backbone", backbone)[2]
    assert said.startswith(f"crosspool: It is {expected}pca64/ternary")


def test_a_store_without_labels_is_said(run, tmp_path):
    written(tmp_path / "store", separable(4)[0])
    status, _, err = run("evaluate", tmp_path / "store")
    assert status == 2
    assert "have no labels; extract images in folders of classes, or a table with a column called label" in err


def test_photographs_that_are_too_many_are_said(run, tmp_path, monkeypatch):
    vectors, labels = separable(6)
    written(tmp_path / "store", vectors, labels)
    monkeypatch.setattr("crosspool.training.MOST_PHOTOGRAPHS", 5)
    status, out, _ = run("train", "--features", tmp_path / "store", "--out", tmp_path / "a.safetensors")
    assert status == 0
    assert "The file does not list so many images, and cannot tell whether it was trained on one." in out


def test_what_is_learned_from_and_what_is_extracted_are_counted_apart(run, images, tmp_path, monkeypatch):
    monkeypatch.setattr("crosspool.cli.progress.SECONDS_BETWEEN_LINES", 0.02)
    options = ("--method", METHOD, "--engine", "torch", "--device", "cpu", "--workers", 1)
    status, _, err = run("extract", images, "--out", tmp_path / "store", *options)
    assert status == 0
    stages = re.findall(r"^crosspool: ([^:]+): (\d+ of \d+)", err, re.MULTILINE)
    assert list(dict.fromkeys(stage for stage, _ in stages)) == ["A sample to learn from", "Extracting"]
    assert stages[0] == ("A sample to learn from", "0 of 12")
    assert {count.split()[-1] for _, count in stages} == {"12"}


def test_ctrl_c_is_one_sentence(run, store, monkeypatch):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(learning, "scores_of", stopped)
    status, out, err = run("evaluate", store, *SPLITS)
    assert (status, out) == (130, "")
    assert err == "crosspool: Stopped. The store is as it was; the same command begins again.\n"
