"""`evaluate`, `train` and `classify`: their output, files, use of the cache, and errors."""

from __future__ import annotations

import functools
import io
import json
import re
import shlex
import shutil
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from crosspool import classifiers as models
from crosspool.backbones import DEFAULT, architecture, load_backbone, spec_of
from crosspool.backbones.backbone import Backbone
from crosspool.backbones.weights import WeightsFile
from crosspool.cache import ArrayCache
from crosspool.cli import evaluate as command
from crosspool.cli import main
from crosspool.cli.inputs import file_checksum
from crosspool.cli.labelled import parsed_train_size
from crosspool.datasets import Dataset, files, open_dataset
from crosspool.drawing.cost import Point, cost_figure
from crosspool.drawing.figures import confusion_figure
from crosspool.errors import SettingError
from crosspool.evaluation import paper, protocol, tables
from crosspool.evaluation.files import safe_file_names
from crosspool.evaluation.findings import AccuracyFindings, accuracy_json
from crosspool.evaluation.intervals import Interval, McNemar
from crosspool.evaluation.report import Measured, MethodResult, Paired, Report
from crosspool.features import Features
from crosspool.images import load_image
from crosspool.methods import parse_method
from crosspool.methods.grammar import METHOD_OPTIONS
from crosspool.svm import VectorFile
from crosspool.text import human_bytes
from crosspool.training import train_classifier
from tests.cli.conftest import settled
from tests.images import png, tinted

CLASSES = ("blue $x$", "green", "red")
EACH = 4
METHODS = "cl@128,global@128"
QUICK = ("--methods", METHODS, "--splits", 3, "--train-size", 6)
ONE_METHOD = ("--methods", "global@128", "--splits", 2, "--train-size", 6)


def write_images(folder, each=EACH, first=0):
    """A folder for each class, its images tinted in that colour."""
    for channel, label in zip((2, 1, 0), CLASSES, strict=True):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            image = tinted(first + 100 * channel + number, channel).resize((64, 48))
            (folder / label / f"{number}.png").write_bytes(png(image))
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images") / "tints")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def around(cache):
    with settled(80, cache) as patch:
        patch.setattr("crosspool.backbones.load_backbone", functools.cache(load_backbone))
        yield


@pytest.fixture(scope="module")
def results(images, tmp_path_factory):
    """The folder that an evaluation wrote, with its document."""
    folder = tmp_path_factory.mktemp("results") / "out"
    printed = io.StringIO()
    with redirect_stdout(printed):
        arguments = ("evaluate", images, *QUICK, "--seed", 3, "--paper", "--out", folder, "--json")
        assert main([str(argument) for argument in arguments]) == 0
    return folder, json.loads(printed.getvalue())


def test_the_help_names_every_method(works):
    listed = re.findall(r"[\w-]+", re.sub(r"-\s+", "-", works("evaluate", "--help")))
    assert METHOD_OPTIONS.keys() <= set(listed)


def without_times(document):
    return [{k: v for k, v in method.items() if k != "seconds_per_image"} for method in document["methods"]]


def copied(images, folder):
    for path in images.rglob("*.png"):
        target = folder / path.relative_to(images)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


# --- the results of evaluate


def test_json_contains_all_results(results) -> None:
    _, document = results
    assert set(document) == {
        *("dataset", "images", "classes", "backbone", "weights", "framing", "protocol", "measure", "methods"),
        *("layout", "paired", "problems", "command", "versions", "paper", "choices", "chosen_paired", "recommended"),
    }
    assert (document["dataset"], document["images"], document["classes"]) == ("tints", 12, list(CLASSES))
    assert (document["backbone"], document["weights"], document["framing"]) == (DEFAULT, "pretrained", "squash")
    assert document["protocol"] == {
        "splits": 3, "train_images": 6, "test_images": 6, "seed": 3, "official": False, "C": 10.0,
        "interval": "corrected resampled t", "level": 0.95,
    }  # fmt: skip
    assert (document["measure"], document["problems"]) == ("accuracy", [])
    assert set(document["versions"]) == {"crosspool", "torch", "torchvision", "scikit-learn"}
    assert [method["name"] for method in document["methods"]] == METHODS.split(",")
    for method in document["methods"]:
        if method["interval"] is None:  # the splits agree
            assert len(set(method["by_split"])) == 1
        else:
            low, high = method["interval"]
            assert low < method["accuracy"] < high
        assert method["accuracy"] == pytest.approx(np.mean(method["by_split"]))
        assert len(method["by_split"]) == 3
        assert 0.5 < method["mean_class_accuracy"] <= 1
        assert method["seconds_per_image"] > 0
    pooled, whole = document["methods"]
    assert (whole["dimensions"], whole["bytes_per_image"]) == (1280, 4 * 1280)
    assert (pooled["dimensions"], pooled["bytes_per_image"]) == (1280 * 320, 4 * 1280 * 320)


def test_a_recommendation_names_a_method_and_what_can_be_expected(works, images) -> None:
    methods = "cl@128,global@128,global@160"
    words = ("evaluate", images, "--methods", methods, "--splits", 2, "--train-size", 6, "--recommend")
    document = json.loads(works(*words, "--json"))
    every, cross_layer, vector = document["choices"]
    assert document["recommended"] in every["candidates"] == methods.split(",")
    assert (cross_layer["picks"], vector["candidates"]) == ({"cl@128": 2}, ["global@128", "global@160"])
    assert sum(vector["picks"].values()) == 2
    assert "--recommend" in shlex.split(document["command"])
    text = " ".join(works(*words).split())
    assert f"Recommended, by the training images of all splits: {document['recommended']}." in text
    assert "Best of all against best fully-connected: " in text


def test_json_compares_with_the_baseline(results) -> None:
    _, document = results
    (pair,) = document["paired"]
    pooled, whole = document["methods"]
    assert (pair["method"], pair["baseline"]) == ("cl@128", "global@128")
    assert pair["difference"] == pytest.approx(pooled["accuracy"] - whole["accuracy"])
    assert pair["interval"] is None or pair["interval"][0] <= pair["difference"] <= pair["interval"][1]
    assert set(pair["mcnemar"]) == {"only_method", "only_baseline", "p_value"}


def test_files_agree_with_the_json(results) -> None:
    folder, document = results
    files = sorted(path.name for path in folder.iterdir())
    written = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert sorted(written.pop("files")) == files
    assert written == document
    table = pd.read_csv(folder / "results.csv").set_index("name")
    for method in document["methods"]:
        row = table.loc[method["name"]]
        expected = method["interval"] or [np.nan, np.nan]
        assert [row["interval_low"], row["interval_high"]] == pytest.approx(expected, nan_ok=True)
        for name in ("accuracy", "mean_class_accuracy", "dimensions", "bytes_per_image", "seconds_per_image"):
            assert row[name] == pytest.approx(method[name])
    assert files == [
        "accuracy-against-bytes.png", "accuracy-against-bytes.svg",
        "confusion-cl@128.csv", "confusion-cl@128.png", "confusion-global@128.csv", "confusion-global@128.png",
        "paired.csv", "predictions.csv", "results.csv", "results.json", "results.md",
    ]  # fmt: skip


def test_comparisons_and_predictions_are_tables(results) -> None:
    folder, document = results
    (pair,) = document["paired"]
    (row,) = pd.read_csv(folder / "paired.csv").to_dict("records")
    assert (row["method"], row["baseline"]) == ("cl@128", "global@128")
    assert row["difference"] == pytest.approx(pair["difference"])
    assert {name: row[name] for name in pair["mcnemar"]} == pytest.approx(pair["mcnemar"])
    table = pd.read_csv(folder / "predictions.csv")
    assert list(table.columns)[:4] == ["sample", "true class", "cl@128 tested", "cl@128 right"]
    assert [sample.split("/")[0] for sample in table["sample"]] == list(table["true class"])
    for method in document["methods"]:
        tested, right = table[f"{method['name']} tested"], table[f"{method['name']} right"]
        assert tested.sum() == 18
        assert right.sum() / 18 == pytest.approx(method["accuracy"])


def test_only_the_files_of_an_earlier_run_are_removed(works, images, tmp_path) -> None:
    out = tmp_path / "out"
    works("evaluate", images, *QUICK, "--out", out)
    mine = [out / name for name in ("confusion-mine.csv", "notes.md")]
    for path in (*mine, tmp_path / "confusion-outside.csv"):
        path.write_text("mine")
    record = json.loads((out / "results.json").read_text(encoding="utf-8"))
    record["files"] += ["notes.md", "../confusion-outside.csv", 7]
    (out / "results.json").write_text(json.dumps(record), encoding="utf-8")
    works("evaluate", images, *ONE_METHOD, "--out", out)
    assert all(path.read_text() == "mine" for path in (*mine, tmp_path / "confusion-outside.csv"))
    assert sorted(path.name for path in out.glob("confusion*")) == [
        "confusion-global@128.csv", "confusion-global@128.png", "confusion-mine.csv"
    ]  # fmt: skip
    assert not (out / "paired.csv").exists()


def test_confusions_add_up(results) -> None:
    folder, document = results
    for method in document["methods"]:
        table = pd.read_csv(folder / f"confusion-{method['name']}.csv", index_col=0)
        assert (list(table.index), list(table.columns)) == (list(CLASSES), list(CLASSES))
        assert table.sum(axis=1).tolist() == [6, 6, 6]  # two test images of each class in each of three splits
        assert np.trace(table) / 18 == pytest.approx(method["accuracy"])


@pytest.mark.parametrize("name", ["accuracy-against-bytes", "confusion-cl@128"])
def test_figures_are_images(results, name) -> None:
    folder, document = results
    with Image.open(folder / f"{name}.png") as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) > 600
        assert image.info["Description"] == document["command"]
        assert np.asarray(image.convert("L")).std() > 5


def test_the_svg_figure_is_valid_and_undated(results) -> None:
    text = (results[0] / "accuracy-against-bytes.svg").read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert text.rstrip().endswith("</svg>")
    assert "<dc:date>" not in text  # the same results give the same file


def test_markdown_contains_the_command_that_reproduces_it(results, works) -> None:
    folder, document = results
    text = (folder / "results.md").read_text(encoding="utf-8")
    assert f"```console\n{document['command']}\n```" in text
    assert "| method | accuracy | 95 % interval |" in text
    percent = f"{100 * document['methods'][0]['accuracy']:.1f} %"
    assert f"| cl@128 | {percent} |" in text
    program, *arguments = shlex.split(document["command"])
    assert program == "crosspool"
    assert without_times(json.loads(works(*arguments, "--json"))) == without_times(document)


def test_table_fits_the_terminal_and_does_not_overclaim(works, images) -> None:
    text = works("evaluate", images, *QUICK, "--seed", 3)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.startswith(
        "tints: 12 images, 3 classes. EfficientNet-Lite0, squash framing.\nRead as 3 classes, a folder for each.\n"
        "3 random splits: 6 images"
    )
    assert "Nadeau and Bengio" in " ".join(text.split())
    (pair,) = [line for line in text.splitlines() if line.startswith("cl@128") and "global@128" in line]
    assert pair.rstrip().endswith("no clear difference")
    assert "An interval without width shows nothing: splits that all agree" in " ".join(text.split())


def test_the_verdict_on_a_difference() -> None:
    def verdict(low, high):
        return tables.difference_verdict(Paired("a", "b", (low + high) / 2, Interval(low, high, 0.95, ""), None))

    assert [verdict(0.01, 0.2), verdict(-0.2, -0.01)] == ["better", "worse"]
    for low, high in ((-0.01, 0.2), (0.0, 0.1), (-0.1, 0.0), (0.0, 0.0), (0.1, 0.1), (0.1, 0.1 + 1e-15)):
        assert verdict(low, high) == tables.NO_CLEAR_DIFFERENCE
    assert tables.difference_verdict(Paired("a", "b", 0.3, None, None)) == "no interval"


def report_of(intervals, official=False):
    """Of a method with the first of the intervals, and its differences from other methods with the others."""
    measured = Measured(0.5, intervals[0], (0.5, 0.5))
    method = MethodResult("a", {"accuracy": measured}, 1, 4, 0.1, None, None, ())
    paired = tuple(Paired("a", "b", 0.1, interval, None) for interval in intervals[1:])
    return Report("set", ("x", "y"), 9, official, 5, 4, 0, (method,), paired, ())


def test_an_interval_without_width_is_explained() -> None:
    wide, none = Interval(-0.1, 0.2, 0.95, tables.RESAMPLED), Interval(0.1, 0.1, 0.95, tables.RESAMPLED)

    def notes(*intervals):
        return [" ".join(section.notes) for section in tables.accuracy_sections(findings_of(report_of(intervals)))]

    splits = "splits that all agree say nothing about how much others vary; use more splits"
    assert splits not in "".join(notes(wide, wide))
    methods, differences = notes(wide, wide, none)
    assert splits not in methods
    assert splits in differences
    assert "the interval includes zero" in differences
    methods, differences = notes(none, none)
    assert splits in methods
    assert splits not in differences  # once is enough
    assert "the interval includes zero" not in differences
    drawn = Interval(1.0, 1.0, 0.95, tables.BOOTSTRAP)
    assert "images that all agree say nothing about how much others vary; use more images" in notes(drawn, drawn)[0]


def test_more_splits_are_advised_once() -> None:
    wide, none = Interval(-0.1, 0.2, 0.95, tables.RESAMPLED), Interval(0.1, 0.1, 0.95, tables.RESAMPLED)

    def advice(*intervals):
        report = report_of(intervals[:1])
        (method,) = report.methods
        others = [replace(method, measures={"accuracy": Measured(0.5, each, (0.5, 0.5))}) for each in intervals]
        return " ".join(tables.accuracy_sections(findings_of(replace(report, methods=tuple(others))))[0].notes)

    assert advice(wide, wide).count("use more splits") == 1
    assert advice(wide, none).count("use more splits") == 1


def test_an_interval_is_shown_no_wider_than_is_possible_and_the_json_has_it_whole() -> None:
    wide, wider = Interval(-0.2, 1.2, 0.95, tables.RESAMPLED), Interval(-1.378, 2.267, 0.95, tables.RESAMPLED)
    findings = findings_of(report_of((wide, wider)))
    methods, differences = tables.accuracy_sections(findings)
    assert methods.columns[2].cells == ["0.0 to 100.0"]
    assert "shown within 0 and 100 %; the JSON has" in " ".join(methods.notes)
    assert differences.columns[3].cells == ["−100.0 to +100.0"]
    assert "shown within 100 points; the JSON has" in " ".join(differences.notes)
    assert accuracy_json(findings)["paired"][0]["interval"] == (-1.378, 2.267)
    narrow = Interval(0.1, 0.2, 0.95, tables.RESAMPLED)
    assert "shown within" not in tables.accuracy_markdown(findings_of(report_of((narrow, narrow))))


@pytest.mark.parametrize(
    ("interval", "p", "splits", "explained"),
    [
        ((-0.1, 0.3), 0.0005, 2, "with 1 degree of freedom, from 2 splits, a t interval is very wide"),
        ((-0.1, 0.3), 0.0005, 3, "with 2 degrees of freedom, from 3 splits"),
        ((-0.1, 0.3), 0.0005, 10, "the interval also about other training images."),
        ((-0.1, 0.3), 0.3, 2, ""),
        ((0.1, 0.3), 0.0005, 2, ""),
        ((-0.1, 0.3), 0.0005, 1, ""),  # both are about other test images
    ],
)
def test_a_small_p_beside_no_clear_difference_is_explained(interval, p, splits, explained) -> None:
    low, high = interval
    report = report_of((Interval(0.4, 0.6, 0.95, tables.RESAMPLED), Interval(low, high, 0.95, tables.RESAMPLED)))
    (method,), (pair,) = report.methods, report.paired
    method, pair = replace(method, outcomes=(None,) * splits), replace(pair, mcnemar=McNemar(20, 2, p))
    report = replace(report, methods=(method,), paired=(pair,))
    notes = " ".join(tables.accuracy_sections(findings_of(report))[1].notes)
    assert ("is no contradiction" in notes) == bool(explained)
    assert explained in notes


def test_an_interval_without_width_is_left_out() -> None:
    wide, none = Interval(0.4, 0.6, 0.95, tables.RESAMPLED), Interval(0.5, 0.5, 0.95, tables.RESAMPLED)
    findings = findings_of(report_of((none, wide, none)))
    document = accuracy_json(findings)
    assert document["methods"][0]["interval"] is None
    assert [pair["interval"] for pair in document["paired"]] == [(0.4, 0.6), None]
    assert "| a | 50.0 % | – |" in tables.accuracy_markdown(findings)
    assert "+10.0 | – |" in tables.accuracy_markdown(findings)


def test_few_splits_have_a_note() -> None:
    wide = Interval(0.4, 0.6, 0.95, tables.RESAMPLED)
    few = report_of((wide,))
    enough = replace(few, methods=(replace(few.methods[0], outcomes=(None,) * 5),))
    drawn = report_of((replace(wide, method=tables.BOOTSTRAP),))
    notes = [tables.accuracy_sections(findings_of(report))[0].notes[-1] for report in (few, enough, drawn)]
    assert ["so few splits" in note for note in notes] == [True, False, False]


def findings_of(report):
    return AccuracyFindings(report, DEFAULT, "network", "pretrained", "squash", 10.0, (), False)


def test_a_second_run_computes_only_the_time(results, works, images, monkeypatch) -> None:
    passes = []
    outputs = Backbone.outputs

    def counted(self, framed, names):
        passes.append(len(framed))
        return outputs(self, framed, names)

    monkeypatch.setattr(Backbone, "outputs", counted)
    again = json.loads(works("evaluate", images, *QUICK, "--seed", 3, "--json"))
    assert without_times(again) == without_times(results[1])
    assert passes == [1] * 2 * 2  # two images are timed with each method


def test_equal_images_stay_on_one_side(works, images, tmp_path) -> None:
    folder = copied(images, tmp_path / "twice")
    for path in list(folder.rglob("*.png")):
        path.with_name(f"again-{path.name}").write_bytes(path.read_bytes())
    document = json.loads(works("evaluate", folder, *ONE_METHOD, "--json"))
    sizes = document["protocol"]["train_images"], document["protocol"]["test_images"]
    assert sizes == (12, 12)  # six different ones, each twice


def boxed(dataset, boxes):
    """Each image as many times as there are boxes."""
    samples = [replace(s, name=f"{s.name}#{i}", box=box) for s in dataset.samples for i, box in enumerate(boxes)]
    return Dataset("boxed", dataset.classes, tuple(samples), dataset.targets.repeat(len(boxes)))


def test_boxes_of_one_image_file_stay_on_one_side(works, fails, images, tmp_path, monkeypatch) -> None:
    folder = copied(images, tmp_path / "boxed")
    for number in range(1, EACH):
        (folder / "red" / f"{number}.png").unlink()
    halves = boxed(open_dataset(folder), [(0, 0, 32, 48), (32, 0, 64, 48)])
    monkeypatch.setattr("crosspool.datasets.open_dataset", lambda spec, **more: halves)
    document = json.loads(
        works("evaluate", images, "--methods", "global@128", "--splits", 2, "--train-size", 4, "--json")
    )
    sizes = document["protocol"]["train_images"], document["protocol"]["test_images"]
    assert sizes == (8, 8)  # four of eight image files, each twice
    assert document["classes"] == list(CLASSES[:2])
    problem = "1 class has fewer than 2 different images of its own: red (1); left out."
    assert document["problems"] == [problem]


def test_files_are_read_once(works, damaged, monkeypatch) -> None:
    works("evaluate", damaged, *ONE_METHOD)
    reads: Counter[str] = Counter()
    read = files._read

    def counted(path, name):
        reads[name] += 1
        return read(path, name)

    monkeypatch.setattr(files, "_read", counted)
    works("evaluate", damaged, *ONE_METHOD)
    del reads["red/broken.jpg"]
    assert sorted(reads.values()) == [1] * 12 + [2] * 2  # the time is measured on two images; twins are left out


def test_names_in_another_script_work(works, images, tmp_path) -> None:
    folder = copied(images, tmp_path / "鳥")
    (folder / "red").rename(folder / "赤")
    works("evaluate", folder, *ONE_METHOD, "--out", tmp_path / "結果")
    assert "赤" in (tmp_path / "結果" / "confusion-global@128.csv").read_text(encoding="utf-8")


# --- protocols


@pytest.fixture(scope="module")
def divided(images, tmp_path_factory):
    """Training and test images in folders."""
    folder = tmp_path_factory.mktemp("divided")
    write_images(folder / "train", first=1000)
    write_images(folder / "test", each=3, first=2000)
    return folder


def test_the_official_split_is_used_unless_splits_are_requested(works, divided) -> None:
    document = json.loads(works("evaluate", divided, "--methods", "global@128", "--json"))
    protocol = document["protocol"]
    assert (protocol["official"], protocol["splits"]) == (True, 1)
    assert (protocol["train_images"], protocol["test_images"]) == (12, 9)
    assert protocol["interval"] == "percentile bootstrap"
    assert len(document["methods"][0]["by_split"]) == 1
    assert "--official" in document["command"]
    text = " ".join(works("evaluate", divided, "--methods", "global@128").split())
    assert "The official split: 12 images to train on and 9 to test on." in text
    assert document["layout"] in text
    assert document["layout"] == "Read as 3 classes with an official split: train to train on, test to test on."
    assert "bootstrap over the 9 official test images" in text
    for more in (("--splits", 2), ("--random",), ("--train-size", "0.5")):
        protocol = json.loads(works("evaluate", divided, "--methods", "global@128", *more, "--json"))["protocol"]
        assert protocol["official"] is False
    assert (protocol["train_images"], protocol["splits"]) == (10, 20)


def test_a_layout_may_be_chosen(works, divided, fails) -> None:
    chosen = ("--layout", "classes", "--methods", "global@128", "--splits", 2)
    document = json.loads(works("evaluate", divided, *chosen, "--json"))
    assert document["classes"] == ["test", "train"]
    assert document["layout"].startswith("Read as 2 classes, a folder for each; ")
    assert "--layout classes" in document["command"]
    assert "leave out --layout" in fails("evaluate", "fieldguide:2", *chosen)


def test_classes_that_only_one_part_has_are_named(works, divided, fails, tmp_path) -> None:
    folder = copied(divided, tmp_path / "uneven")
    (folder / "train" / "red").rename(folder / "train" / "rose")
    document = json.loads(works("evaluate", folder, "--methods", "global@128", "--json"))
    assert document["classes"] == ["blue $x$", "green", "rose"]
    assert document["problems"] == [
        "1 class has no images to train on: red (3 to test on); left out.",
        "1 class has no images to test on: rose; learned, but never tested.",
    ]
    assert "no images to train on: red (3 to test on); add some" in fails("evaluate", folder, "--on-problem", "stop")


def test_test_images_that_are_also_trained_on_are_reported(works, divided, tmp_path) -> None:
    folder = copied(divided, tmp_path / "leaky")
    shutil.copy(folder / "train" / "red" / "0.png", folder / "test" / "red" / "again.png")
    document = json.loads(works("evaluate", folder, "--methods", "global@128", "--json"))
    assert document["images"] == 22
    (problem,) = document["problems"]
    assert problem.startswith("1 test image of the official split equals a training image")
    assert problem.endswith("so the results flatter all methods: test/red/again.png.")
    shutil.copy(folder / "train" / "green" / "1.png", folder / "test" / "blue $x$" / "again.png")
    text = " ".join(works("evaluate", folder, "--methods", "global@128").split())
    assert "2 test images of the official split equal training images" in text
    assert "so the results flatter all methods, the first is test/blue $x$/again.png." in text
    document = json.loads(works("evaluate", folder, "--methods", "global@128", "--splits", 2, "--json"))
    assert document["problems"] == [
        "1 image is in two classes: test/blue $x$/again.png and train/green/1.png; a method can be right about only "
        "one of the two.",
        "1 image is there twice: test/red/again.png and train/red/0.png; copies stay on one side of each split.",
    ]


def test_the_number_of_classes_comes_from_the_weights(works, images, tmp_path) -> None:
    own, out = tmp_path / "three.pth", tmp_path / "three.safetensors"
    torch.save(spec_of("squeezenet1_1").build(3).state_dict(), own)
    network = ("--backbone", "squeezenet1_1", "--weights", own)
    works("evaluate", images, *network, "--methods", "cl@128/blocks", "--splits", 2, "--train-size", 6)
    works("train", images, *network, "--method", "cl@128/blocks", "--out", out)


def test_several_labels(works, images, monkeypatch, tmp_path) -> None:
    single = open_dataset(images)
    labels = np.stack([single.targets == 0, single.targets > 0, single.targets == 2], axis=1).astype(np.int64)
    several = Dataset("several", ("blue", "other", "red"), single.samples, labels)
    monkeypatch.setattr("crosspool.datasets.open_dataset", lambda spec, **more: several)
    document = json.loads(works("evaluate", images, *ONE_METHOD, "--json", "--out", tmp_path / "out"))
    (method,) = document["methods"]
    assert document["measure"] == "mean_average_precision"
    assert {"mean_average_precision", "mean_average_precision_11", "accuracy"} < set(method)
    assert not list((tmp_path / "out").glob("confusion*"))
    text = works("evaluate", images, *ONE_METHOD)
    assert "12 images, 3 labels" in text
    assert "mAP" in text

    model = tmp_path / "several.safetensors"
    works("train", images, "--method", "global@128", "--out", model)
    (record,) = json.loads(works("classify", images / "red" / "0.png", "--model", model, "--json"))
    assert {score["label"] for score in record["scores"]} == {"other", "red"}
    assert all(score["score"] > 0 for score in record["scores"])


def test_the_papers_results_beside_the_accuracies(works, images, results) -> None:
    rows = {row["method"]: row for row in results[1]["paper"]["rows"]}
    assert rows["CL-45"]["accuracy"] == 0.724
    assert rows["CL-45"]["of_its_kind"] == ["cl@128"]
    assert rows["Parts-RCNN-FT"]["of_its_kind"] == []
    text = works("evaluate", images, *ONE_METHOD, "--paper")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "not comparable unless your data set is CUB-200-2011" in " ".join(text.split())
    assert "Birds-200" in text
    (row,) = [line.split() for line in text.splitlines() if line.startswith("CNN-Global")]
    assert "59.2" in row
    assert row[-3] == "global@128"


def test_kinds_of_methods() -> None:
    names = [
        "cl:conv_head@448/pca64",
        "CL-45F@448",
        "global@224",
        "cl@448+global@448",
        "cnn-svm",
        "cl-c",
        "cl[alexnet]",
        "ft+global@448",
    ]
    assert [paper.kind_of(name) for name in names] == [
        "cl",
        "cl-f",
        "global",
        None,
        "cnn-svm",
        "cl-c",
        "cl",
        "ft+global",
    ]
    assert len(paper.TABLE_1) == len(paper.counterparts([])) == 13


# --- faulty data


@pytest.fixture
def damaged(images, tmp_path):
    """The images, with one that cannot be read, a class of one, and a class of the same image twice."""
    folder = copied(images, tmp_path / "damaged")
    (folder / "red" / "broken.jpg").write_bytes(b"no image")
    for label, names in {"lonely": ["a"], "twins": ["a", "b"]}.items():
        (folder / label).mkdir()
        for name in names:
            (folder / label / f"{name}.png").write_bytes(png(tinted(len(label), 0)))
    return folder


def test_on_problem_skip_reports_what_is_left_out(works, damaged, results) -> None:
    document = json.loads(works("evaluate", damaged, *QUICK, "--seed", 3, "--json"))
    assert (document["images"], document["classes"]) == (12, list(CLASSES))
    problems = " ".join(document["problems"])
    assert "red/broken.jpg" in problems
    assert "lonely (1)" in problems
    assert "1 class has fewer than 2 different images of its own: twins (1); left out." in problems
    assert without_times(document) == without_times(results[1])
    text = works("evaluate", damaged, *ONE_METHOD)
    assert "Problems with the data:" in text
    assert "red/broken.jpg" in text


def test_on_problem_stop_stops(fails, damaged) -> None:
    stop = ("evaluate", damaged, *ONE_METHOD, "--on-problem", "stop")
    assert "1 class has fewer than 2 images: lonely (1)" in fails(*stop)
    (damaged / "lonely" / "a.png").unlink()
    (damaged / "lonely").rmdir()
    output = fails(*stop)
    assert "red/broken.jpg" in output
    assert output.endswith("or leave it out with --on-problem skip.")
    (damaged / "red" / "broken.jpg").unlink()
    assert "1 class has fewer than 2 different images of its own: twins (1)" in fails(*stop)


def test_no_readable_image(fails, tmp_path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no image")
    assert "None of the 4 images" in fails("evaluate", tmp_path, "--methods", "global@128")


# --- bad input


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--methods", "cll@128"], "no method 'cll'; did you mean cl?"),
        (["--methods", "cl:conv_stem@128"], "conv_stem"),
        (["--methods", "cl@100"], "from 128 to 896, not 100"),
        (["--methods", "cl@128,cl@128"], "named twice"),
        (["--methods", "CL@128,cl@128"], "The method CL@128 is named twice"),
        (["--methods", "cl:nothing@128"], "(crosspool pairs lists them)"),
        (["--methods", "global@128", "--baseline", "global"], "among the methods global@128; did you mean global@128?"),
        (["--baseline", "jitter"], "--baseline jitter is not among the methods cl@448, global@224, global@320"),
        (["--train-size", "half"], "--train-size is a number of images or a share such as 0.5, not 'half'"),
        (["--train-size", "2"], "Train on 3 to 9"),
        (["--train-size", "12"], "Train on 3 to 9"),
        (["--train-size", "1.5"], "between 0 and 1"),
        (["--splits", "0"], "--splits"),
        (["--seed", "-1"], "--seed"),
        (["--official"], "tints has no official split"),
        (["--backbone", "alexnett"], "did you mean alexnet"),
        (["--backbone", "alexnet"], "crosspool fetch alexnet"),
        (["--device", "abacus"], "'abacus' cannot be used here"),
        (["--bounding-box"], "no bounding boxes"),
        (["--out", "no/such/folder"], "The folder no/such of --out does not exist"),
    ],
)
def test_bad_settings_fail_before_an_image_is_read(fails, images, monkeypatch, more, sentence) -> None:
    monkeypatch.setattr(Features, "compute", None)  # would fail if it were called
    assert sentence in fails("evaluate", images, *more)


def test_bad_data_sets(fails, tmp_path) -> None:
    assert "was not found; name a folder, a ZIP, or one of" in fails("evaluate", tmp_path / "nowhere")
    assert "has no images" in fails("evaluate", tmp_path)
    assert fails("evaluate", "feildguide").endswith("did you mean fieldguide?")
    assert "torchvision:flowers103" in fails("evaluate", "torchvision:flowers103")


def test_an_official_split_takes_no_number_of_splits(fails, divided) -> None:
    assert "leave out --splits" in fails("evaluate", divided, "--official", "--splits", 3)


def test_bad_folders_for_results(fails, images, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "not a folder" in fails("evaluate", images, "--out", tmp_path / "file")


def test_a_full_disk_gives_one_sentence(fails, images, monkeypatch, cache, tmp_path) -> None:
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VectorFile, "append", full)
    out = tmp_path / "model.safetensors"
    for command_line in (("evaluate", *ONE_METHOD), ("train", "--method", "global@128", "--out", out)):
        sentence = fails(command_line[0], images, *command_line[1:])
        assert str(cache) in sentence
        assert "No space left on device" in sentence
    assert not list(tmp_path.iterdir())


def test_vectors_are_written_to_the_cache_folder(works, images, monkeypatch, cache, tmp_path) -> None:
    folders = []
    start = VectorFile.__init__

    def noted(self, folder=None):
        folders.append(folder)
        start(self, folder)

    monkeypatch.setattr(VectorFile, "__init__", noted)
    works("train", images, "--method", "global@128", "--out", tmp_path / "model.safetensors")
    assert folders == [cache]


def test_a_kernel_too_large_for_memory_is_refused_before_any_work(fails, images, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(Features, "compute", None)
    monkeypatch.setattr(protocol, "MAX_IMAGES", 11)
    for command_line in (("evaluate", *ONE_METHOD), ("train", "--method", "cl", "--out", tmp_path / "x.safetensors")):
        output = fails(command_line[0], images, *command_line[1:])
        assert "12 images, and comparing each with every other takes 1.15 kB of memory; take at most 11 of" in output


def test_ctrl_c_says_what_is_kept(run, images, monkeypatch) -> None:
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Features, "compute", interrupted)
    status, out, err = run("evaluate", images, *ONE_METHOD)
    assert (status, out) == (130, "")
    assert err.splitlines() == [
        "crosspool: Stopped. The features computed so far are kept; the same command continues from there."
    ]


# --- its parts


def test_default_methods_and_baselines() -> None:
    assert command.default_methods(architecture(DEFAULT)) == "cl@448,global@224,global@320,global@448"
    assert command.default_methods(architecture("efficientnet_b7")) == "cl@600,global@600"
    names = ["cl@448", "jitter", "global@224", "sum", "CNN-SVM"]
    assert command.chosen_baselines(None, names) == ["jitter", "global@224", "CNN-SVM"]
    assert command.chosen_baselines(None, ["cl", "sum"]) == ["cl"]
    assert command.chosen_baselines(["sum", "sum"], names) == ["sum"]
    assert command.chosen_baselines(["SUM", "cnn-svm"], names) == ["sum", "CNN-SVM"]
    with pytest.raises(SettingError, match="not among"):
        command.chosen_baselines(["max"], names)


@pytest.mark.parametrize(("network", "other"), [(DEFAULT, "efficientnet_lite2"), ("efficientnet_lite2", DEFAULT)])
def test_another_embedded_network_may_be_recommended_beside(network, other) -> None:
    fine, between = {DEFAULT: (448, 320), "efficientnet_lite2": (520, 384)}[network]
    usual = f"{command.default_methods(architecture(network))},gem@{fine},isqrt@{fine}"
    two = [f"{name}+{name}[{other}]" for name in (f"cl@{fine}", f"gem@{fine}", f"global@{between}")]
    assert command.default_methods(architecture(network), recommend=True) == ",".join([usual, *two])
    assert command.default_methods(architecture(network), "crop", recommend=True) == usual


def test_a_network_that_is_not_here_is_not_recommended(monkeypatch) -> None:
    monkeypatch.setattr(WeightsFile, "is_here", False)
    assert command.default_methods(architecture(DEFAULT), recommend=True).endswith(",global@448,gem@448,isqrt@448")


def test_sizes_to_train_on() -> None:
    sizes = [parsed_train_size(text) for text in (None, "150", "0.5")]
    assert sizes == [None, 150, 0.5]
    assert [type(size) for size in sizes[1:]] == [int, float]


def test_file_names_are_safe_and_differ() -> None:
    names = safe_file_names(["cl:features.10@448/pca64", "cl@448+global@448", "CL@448", "cl@448", "x" * 300, "x" * 301])
    assert names[:4] == ["cl-features.10@448-pca64", "cl@448+global@448", "CL@448", "cl@448-2"]
    assert len(set(names)) == 6
    assert max(map(len, names)) < 120


def test_byte_counts_in_words() -> None:
    assert [human_bytes(n) for n in (0, 999, 1000, 5120, 102400, 1638400, 999_600, 2.5e9, 1.48e12)] == [
        "0 B", "999 B", "1 kB", "5.12 kB", "102 kB", "1.64 MB", "1 MB", "2.5 GB", "1.48 TB"
    ]  # fmt: skip


# --- figures


def drawn(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def names_in(figure, names):
    """The boxes, in pixels, of the texts that are these names."""
    figure.canvas.draw()
    return {
        text.get_text(): text.get_window_extent()
        for text in figure.findobj(matplotlib.text.Text)
        if text.get_text() in names
    }


def test_points_of_equal_cost_are_drawn_side_by_side_with_separate_names() -> None:
    points = [
        Point("global $x$", 5120, 0.80, (0.75, 0.85)),
        Point("global@448", 5120, 0.801, (0.75, 0.85)),
        Point("cl@448", 1638400, 0.9, None),
        Point("cl@448/pca64", 1638400, 0.899, (0.85, 1.04)),
    ]
    figure = cost_figure(points, "accuracy", "title")
    assert figure.axes[0].get_legend() is None
    boxes = names_in(figure, [point.name for point in points])
    assert set(boxes) == {point.name for point in points}
    listed = list(boxes.values())
    assert not any(a.overlaps(b) for i, a in enumerate(listed) for b in listed[:i])
    frame = figure.axes[0].get_window_extent()
    assert all(frame.x0 < box.x0 and box.x1 < frame.x1 for box in listed)
    assert all("105" not in label.get_text() for label in figure.axes[0].get_yticklabels())


def test_many_points_have_a_legend() -> None:
    points = [Point(f"a method $name$ {k}", 10_000 + k, 0.5 + k / 100, (0.4, 0.8)) for k in range(12)]
    figure = cost_figure(points, "accuracy", "title")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [point.name for point in points[::-1]]
    boxes = names_in(figure, [point.name for point in points])
    assert len(boxes) == 12
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes.values())


def test_a_single_point_has_a_figure() -> None:
    figure = cost_figure([Point("cl", 1000, 1.0, None)], "accuracy", "title")
    assert drawn(figure).std() > 0


@pytest.mark.parametrize("count", [2, 30, 300])
def test_confusions_of_few_and_of_many_classes(count) -> None:
    matrix = np.eye(count, dtype=np.int64) * 999
    matrix[0, 1] = 1
    names = [f"class {k}" for k in range(count)]
    figure = confusion_figure(matrix, names, "title")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == (["100", "<1", "100"] if count == 2 else [])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][:2] == (names[:2] if count < 300 else [])
    assert max(drawn(figure).shape) < 4000


# --- train and classify


@pytest.fixture(scope="module")
def model(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tints.safetensors"
    with redirect_stdout(io.StringIO()) as printed:
        arguments = ("train", images, "--method", "cl@128", "--out", path)
        assert main([str(argument) for argument in arguments]) == 0
    return path, printed.getvalue()


def test_train_reports_what_it_wrote_and_the_next_commands(model) -> None:
    path, output = model
    assert output.startswith(f"Wrote {path}: cl@128 on EfficientNet-Lite0, trained on 12 images in 3 classes.\n")
    assert "crosspool evaluate" in output
    assert "crosspool classify" in output
    assert "accuracy" not in output


def test_train_names_the_next_commands_in_full(works, images, tmp_path, cache) -> None:
    own, out = tmp_path / "my own.pth", tmp_path / "model.safetensors"
    torch.save(load_backbone(DEFAULT, "untrained").spec.build(2).state_dict(), own)
    options = ("--weights", own, "--framing", "crop", "--seed", 7, "--on-problem", "stop", "--root", "sets")
    chosen = ("--device", "cpu", "--engine", "torch")
    output = works("train", images, "--method", "global@128", "--out", out, *options, *chosen, "--cache", cache)
    again, use = [shlex.split(line) for line in output.splitlines() if line.startswith("  crosspool")]
    assert again == [
        *("crosspool", "evaluate", str(images), "--methods", "global@128"),
        *("--seed", "7", "--backbone", DEFAULT, "--framing", "crop", "--on-problem", "stop", "--weights", str(own)),
        *(*chosen, "--root", "sets", "--cache", str(cache)),
    ]
    assert use == ["crosspool", "classify", "IMAGE", "--model", str(out), "--weights", str(own), *chosen]
    works(*use[1:2], images / "red" / "0.png", *use[3:])


def test_train_does_not_overwrite_what_it_reads(fails, images, tmp_path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"weights")
    link = tmp_path / "link.safetensors"
    link.symlink_to(own)
    for out in (own, link):
        output = fails("train", images, "--method", "global@128", "--weights", own, "--out", out)
        assert f"--out {out} would overwrite {own} itself; choose another name" in output
    output = fails("train", own, "--method", "global@128", "--out", own)
    assert f"{own} is not a data set" in output
    assert own.read_bytes() == b"weights"


def changed(model, path, **changes):
    """The classifier with some of its settings or arrays changed, as a file."""
    classifier = models.load_classifier(model[0])
    arrays = {name: changes.pop(name) for name in list(changes) if name in ("weights", "intercept")}
    replace(classifier, settings=classifier.settings.model_copy(update=changes), **arrays).save(path)
    return path


def test_classify_shows_no_control_characters_of_a_file(works, model, images, tmp_path) -> None:
    strange = changed(
        model, tmp_path / "x.safetensors", dataset="a\x1b[2J", classes=("\x1b]0;b\x07", "c\nd", "\ud800é")
    )
    photo = images / "red" / "0.png"
    text = works("classify", photo, "--model", strange)
    assert text.replace("\n", "").isprintable()
    assert {line[11:] for line in text.splitlines()[1:4]} == {r"\x1b]0;b\x07", r"c\nd", r"\ud800é"}
    assert r"trained on a\x1b[2J:" in text


def test_classify_refuses_nan(fails, model, images, tmp_path) -> None:
    broken = changed(model, tmp_path / "x.safetensors", intercept=np.full(3, np.nan))
    assert "crosspool train" in fails("classify", images / "red" / "0.png", "--model", broken)


def test_classify_gives_the_decisions_of_the_trained_classifier(works, model, images, cache) -> None:
    backbone = load_backbone()
    method = parse_method("cl@128", backbone.architecture)
    dataset = open_dataset(images)
    features = Features(dataset, backbone, method.sources, ArrayCache(cache))
    trained = train_classifier(dataset, features, method)
    paths = sorted(images.rglob("*.png"))
    expected = trained.scores([load_image(path) for path in paths], backbone)
    records = json.loads(works("classify", *paths, "--model", model[0], "--json"))
    assert [record["image"] for record in records] == [str(path) for path in paths]
    for record, path, scores in zip(records, paths, expected, strict=True):
        assert record["model"] == str(model[0])
        score_by_label = {score["label"]: score["score"] for score in record["scores"]}
        assert [score_by_label[label] for label in trained.classes] == pytest.approx(scores.tolist(), abs=1e-4)
        assert record["scores"][0]["label"] == path.parent.name
        assert [score["score"] for score in record["scores"]] == sorted(score_by_label.values(), reverse=True)


def test_classify_as_text(run, model, images) -> None:
    first = images / "red" / "0.png"
    status, out, err = run("classify", first, "missing.jpg", "--model", model[0], "--top", 2, "--skip-errors")
    assert status == 0
    assert err.startswith("crosspool: skipped: missing.jpg was not found")
    without = run("classify", first, "missing.jpg", "--model", model[0], "--top", 2)
    assert without == (1, out, err)
    lines = out.splitlines()
    assert lines[0] == str(first)
    assert lines[1].split()[1] == "red"
    assert float(lines[1].split()[0]) > float(lines[2].split()[0])
    assert " ".join(lines[3:-2]).endswith("what the classifier says of it is not a test of it.")
    assert lines[-1] == "cl@128 trained on tints: classes with the highest scores"


def test_classify_refuses_unusable_files_and_weights(fails, works, model, images, tmp_path) -> None:
    photo = images / "red" / "0.png"
    assert "is not a classifier" in fails("classify", photo, "--model", photo)
    assert "nowhere.safetensors was not found" in fails("classify", photo, "--model", tmp_path / "nowhere.safetensors")
    assert "not on the efficientnet_lite0 with untrained weights" in fails(
        "classify", photo, "--model", model[0], "--weights", "untrained"
    )


def test_classify_with_nothing_to_classify(run, model) -> None:
    status, out, err = run("classify", "no.jpg", "--model", model[0], "--skip-errors")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == ("crosspool: None of the 1 images could be read, so there is nothing to classify.")


def test_own_weights_have_to_be_named_again(fails, works, images, tmp_path) -> None:
    own, out = tmp_path / "mine.pth", tmp_path / "own.safetensors"
    torch.save(load_backbone(DEFAULT, "untrained").spec.build(2).state_dict(), own)
    works("train", images, "--method", "global@128", "--out", out, "--weights", own)
    photo = images / "red" / "0.png"
    assert "with weights from mine.pth; name that file with --weights" in fails("classify", photo, "--model", out)
    assert photo.name in works("classify", photo, "--model", out, "--weights", own)


def test_train_leaves_the_test_part_of_an_official_split_alone(works, divided, tmp_path) -> None:
    out, folder = tmp_path / "model.safetensors", copied(divided, tmp_path / "uneven")
    (folder / "train" / "red").rename(folder / "train" / "rose")
    text = " ".join(works("train", folder, "--method", "global@128", "--out", out).split())
    assert "trained on 12 images in 3 classes. Read as 4 classes with an official split: train to train on" in text
    assert "Only 3 classes are used. Only the training part was trained on; the 6 test images are left" in text
    assert "1 class has no images to train on: red (3 to test on); left out." in text
    classifier = models.load_classifier(out)
    assert classifier.classes == ("blue $x$", "green", "rose")
    trained, tested = ([file_checksum(path) for path in (folder / part).rglob("*.png")] for part in ("train", "test"))
    assert len(trained) == 12
    assert all(map(classifier.was_trained_on, trained))
    assert not any(map(classifier.was_trained_on, tested))


def test_train_on_too_few_classes_of_the_training_part_says_what_to_do(fails, divided, tmp_path) -> None:
    arguments = ("--method", "global@128", "--out", tmp_path / "model.safetensors")
    folder = copied(divided, tmp_path / "uneven")
    (folder / "train" / "red").rename(folder / "train" / "rose")
    refusal = fails("train", folder, *arguments, "--on-problem", "stop")
    assert "red (3 to test on); add some, or drop such classes (--on-problem skip)." in refusal
    shutil.rmtree(folder / "train" / "rose")
    shutil.rmtree(folder / "train" / "green")
    assert "too few classes would be left; add images to train on." in fails(
        "train", folder, *arguments, "--layout", "parts"
    )


def test_train_skips_unreadable_images_or_stops(works, fails, damaged, tmp_path) -> None:
    out = tmp_path / "model.safetensors"
    output = works("train", damaged, "--method", "global@128", "--out", out)
    assert "15 images in 5 classes" in output
    assert "red/broken.jpg" in output
    out.unlink()
    assert "red/broken.jpg" in fails("train", damaged, "--method", "global@128", "--out", out, "--on-problem", "stop")
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--method", "cl,global", "--out", "x.safetensors"], "train takes one method, not cl,global"),
        (["--method", "cll", "--out", "x.safetensors"], "did you mean cl?"),
        (["--method", "cl@128", "--out", "x.pkl"], "must end in .safetensors"),
        (["--method", "cl@128", "--out", "no/x.safetensors"], "does not exist"),
    ],
)
def test_bad_settings_of_train(fails, images, more, sentence) -> None:
    assert sentence in fails("train", images, *more)
