"""`reproduce`: the paper's table on generated trees in the layouts of its data sets, row by row, also interrupted.

The trees have drawn birds, and AlexNet random weights and a quarter of its channels, so that no figure means anything
but that every row runs.
"""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from crosspool import backbones
from crosspool.backbones.torchvision_guard import torchvision
from crosspool.cli import main
from crosspool.datasets.fieldguide.guide import fieldguide
from crosspool.evaluation import reproduction
from crosspool.evaluation.paper import TABLE_1
from crosspool.evaluation.reproduction import Finished
from crosspool.methods import building
from tests.dataset_trees import annotation, lay

SPECIES, EACH, TRAINED = 2, 4, 3
NAMES = [f"{species}/{number}" for species in range(SPECIES) for number in range(EACH)]


def pictures(prefix="", suffix=".png"):
    """Drawn birds by their paths: `EACH` of some species."""
    samples = fieldguide(EACH, size=192).samples
    return {f"{prefix}{name}{suffix}": sample.read() for name, sample in zip(NAMES, samples, strict=False)}


def is_trained(name):
    return int(name.split("/")[1]) < TRAINED


def birds():
    """CUB-200-2011, its points at the corners of the drawn parts."""
    points, samples = [], fieldguide(EACH, size=192).samples
    for number, sample in enumerate(samples[: len(NAMES)], 1):
        boxes = annotation(sample).boxes
        for part, (first, last) in {"head": (2, 7), "torso": (1, 3)}.items():
            left, top, right, bottom = boxes[part]
            points += [f"{number} {first} {left} {top} 1", f"{number} {last} {right} {bottom} 1"]
    numbered = list(enumerate(NAMES, 1))
    return {
        **pictures("images/"),
        "classes.txt": "".join(f"{k + 1} {k + 1:03}.Bird_{k}\n" for k in range(SPECIES)),
        "images.txt": "".join(f"{number} {name}.png\n" for number, name in numbered),
        "image_class_labels.txt": "".join(f"{number} {int(name[0]) + 1}\n" for number, name in numbered),
        "train_test_split.txt": "".join(f"{number} {int(is_trained(name))}\n" for number, name in numbered),
        "bounding_boxes.txt": "".join(f"{number} 5.0 5.0 180.0 180.0\n" for number, _ in numbered),
        "parts/parts.txt": "1 back\n2 beak\n3 belly\n7 left eye\n",
        "parts/part_locs.txt": "\n".join(points) + "\n",
    }


def rooms():
    """MIT-67."""
    lists = {
        part: "".join(f"{name}.png\n" for name in NAMES if is_trained(name) is trained)
        for part, trained in {"TrainImages.txt": True, "TestImages.txt": False}.items()
    }
    return {**pictures("Images/"), **lists}


def objects():
    """PASCAL VOC 2007, where a bird of the second species is a dog."""
    images = {name.replace("/", ""): name for name in NAMES}
    lists = {}
    for part, trained in {"trainval": True, "test": False}.items():
        for label, species in {"cat": "0", "dog": "1"}.items():
            marks = [
                f"{key} {1 if name.startswith(species) else -1}\n"
                for key, name in images.items() if is_trained(name) is trained
            ]  # fmt: skip
            lists[f"ImageSets/Main/{label}_{part}.txt"] = "".join(marks)
    return {**{f"JPEGImages/{path.replace('/', '')}": data for path, data in pictures(suffix=".jpg").items()}, **lists}


def people():
    """Attributes of People, each of which every other person has."""
    files = {}
    for part, trained in {"train": True, "test": False}.items():
        lines = []
        for number, (name, data) in enumerate(pictures(suffix="").items()):
            if is_trained(name) is trained:
                files[f"{part}/{name.replace('/', '')}.png"] = data
                marks = " ".join("1" if (number + label) % 2 else "-1" for label in range(9))
                lines.append(f"{name.replace('/', '')}.png 0.0 0.0 192.0 192.0 {marks}")
        files[f"{part}/labels.txt"] = "\n".join(lines)
    return files


def in_this_process(words):
    """As `run_process`, without the seconds that a process takes to start."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(list(words))
    complaints = [line for line in err.getvalue().splitlines() if line.strip()]
    return Finished(status, out.getvalue(), complaints[-1] if complaints else "", 61.0, 2 * 10**9)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSPOOL_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("COLUMNS", "200")
        patch.setattr("crosspool.evaluation.report.RESAMPLES", 10)  # intervals do not matter here
        patch.setattr(building, "ATOMS", 8)
        patch.setattr(building, "REGION_COMPONENTS", 8)
        yield


def thin_alexnet(num_classes):
    """AlexNet with a quarter of the channels."""
    with torch.device("meta"):  # 60 million numbers that are replaced
        network = torchvision.models.alexnet(num_classes=num_classes)
    for owner in (network.features, network.classifier):
        for name, layer in owner.named_children():
            if isinstance(layer, nn.Conv2d):
                colours = 4 if layer.in_channels == 3 else 1
                kernel, stride, padding = layer.kernel_size[0], layer.stride[0], int(layer.padding[0])
                thin = nn.Conv2d(layer.in_channels * colours // 4, layer.out_channels // 4, kernel, stride, padding)
                setattr(owner, name, thin)
            elif isinstance(layer, nn.Linear):
                last = num_classes if layer.out_features == num_classes else layer.out_features // 4
                setattr(owner, name, nn.Linear(layer.in_features // 4, last))
    return network


@pytest.fixture(autouse=True)
def thin(monkeypatch):
    specs = backbones.backbone_specs()
    thin = replace(specs["alexnet"], build=thin_alexnet)
    monkeypatch.setattr(backbones, "backbone_specs", lambda: specs | {"alexnet": thin})


@pytest.fixture
def ran(monkeypatch):
    """The methods that were run, each in this process."""
    methods = []

    def run(words):
        methods.append(words[words.index("--methods") + 1])
        return in_this_process(words)

    defaults = reproduction.reproduce.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "run", run)
    return methods


def reproduced(tree, out, *more):
    return ("reproduce", "table1", "--data", tree, "--out", out, "--weights", "untrained", *more)


def test_every_row_of_the_table_runs(run, ran, tmp_path):
    tree = lay(tmp_path / "CUB_200_2011", birds())
    status, out, _ = run(*reproduced(tree, tmp_path / "out", "--json"))
    rows = json.loads(out)["rows"]
    assert status == 0
    assert [row["name"] for row in rows] == [row.name for row in TABLE_1]
    assert ran == [row.method for row in TABLE_1]
    assert {row["name"]: row["problem"] for row in rows if row["value"] is None} == {}
    assert all(0 <= row["value"] <= 1 for row in rows)
    # Again: nothing is run, and the same is shown.
    ran.clear()
    status, text, _ = run(*reproduced(tree, tmp_path / "out"))
    assert (status, ran) == (0, [])
    assert "NOT the published data set: 8 of its 11,788 images." in " ".join(text.split())
    (line,) = [line for line in text.splitlines() if line.startswith("CL-45C")]
    ours = next(row["value"] for row in rows if row["name"] == "CL-45C")
    assert line.split()[1:6] == ["73.5", "%", "cl-45c", f"{100 * ours:.1f}", "%"]


@pytest.mark.parametrize(
    ("tree", "name", "measure", "best"),
    [
        (rooms, "MIT-67", "accuracy", "71.5 %"),
        (objects, "PASCAL VOC 2007", "mean average precision", "77.8 %"),
        (people, "Attributes of People", "mean average precision", "78.3 %"),
    ],
    ids=["rooms", "objects", "people"],
)
def test_the_other_data_sets(run, ran, tmp_path, tree, name, measure, best):
    """Rows that need annotated parts say so, and are tried again the next time."""
    folder = lay(tmp_path / "tree", tree())
    words = reproduced(folder, tmp_path / "out", "--rows", "CNN-Global,parts-rcnn")
    status, out, err = run(*words)
    text = " ".join(out.split())
    assert status == 0
    assert f"Table 1 on {name}" in text
    assert f"Ours: {measure} on the published split." in text
    assert f"its best on {name} is {best}" in text
    assert "Parts-RCNN was not run: " in text
    assert "which this data set does not have" in text
    assert "Row 2 of 2: Parts-RCNN (parts-rcnn)" in err
    assert ran == ["global", "parts-rcnn"]
    run(*words)
    assert ran == ["global", "parts-rcnn", "parts-rcnn"]


def test_rows_are_kept_when_it_is_interrupted(run, ran, tmp_path, monkeypatch):
    tree = lay(tmp_path / "tree", rooms())
    words = reproduced(tree, tmp_path / "out", "--rows", "CNN-Global,CNN-SVM")

    def interrupted(words):
        if words[words.index("--methods") + 1] == "cnn-svm":
            raise KeyboardInterrupt
        return in_this_process(words)

    with monkeypatch.context() as patch:
        defaults = reproduction.reproduce.__kwdefaults__
        assert defaults is not None
        patch.setitem(defaults, "run", interrupted)
        status, out, err = run(*words)
    assert (status, out) == (130, "")
    assert "The rows so far, and the features, are kept" in err
    assert run(*words)[0] == 0
    assert ran == ["cnn-svm"]


def test_rows_of_other_images_or_weights_are_run_again(run, ran, tmp_path):
    tree = lay(tmp_path / "tree", rooms())
    weights = tmp_path / "own.safetensors"
    words = [*reproduced(tree, tmp_path / "out", "--rows", "CNN-Global")]
    words[words.index("untrained")] = weights
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_file(thin_alexnet(1000).state_dict(), weights)
        assert run(*words)[0] == 0
    listed = (tree / "TrainImages.txt").read_text().splitlines()
    (tree / "TrainImages.txt").write_text("\n".join(listed[:-1]))
    assert run(*words)[0] == 0
    assert ran == ["global"] * 3


def test_a_row_of_other_settings_or_a_damaged_file_is_run_again(run, ran, tmp_path):
    tree = lay(tmp_path / "tree", rooms())
    words = reproduced(tree, tmp_path / "out", "--rows", "CNN-Global")
    run(*words)
    run(*words, "--engine", "torch")
    (tmp_path / "out" / "global.json").write_text("{")
    run(*words, "--engine", "torch")
    assert ran == ["global"] * 3


def test_a_process_of_its_own(tmp_path, monkeypatch, capsys):
    """What it prints, says and takes."""
    finished = reproduction.run_process(["pairs", "--backbone", "no_such_network"])
    assert finished.status == 2
    assert "There is no backbone" in finished.complaint
    assert "There is no backbone" in capsys.readouterr().err
    assert finished.peak_bytes > 10**7
    finished = reproduction.run_process(["--version"])
    assert (finished.status, finished.out.split()[0]) == (0, "crosspool")


def test_the_help_lists_the_rows(works):
    text = " ".join(works("reproduce", "--help").split())
    assert ", ".join(row.name for row in TABLE_1) in text


def test_folders_that_are_no_data_set_of_the_paper(fails, tmp_path):
    lay(tmp_path, {"CUB_200_2011/a/1.png": b"", "CUB_200_2011/b/1.png": b""})
    sentence = fails(*reproduced(tmp_path / "CUB_200_201", tmp_path / "out"))
    assert sentence.endswith(f"; did you mean {tmp_path}/CUB_200_2011?")
    assert "; name the unpacked folder of one of" in fails(*reproduced("fieldguide", tmp_path / "out"))
    assert "; name the unpacked folder of one of" in fails(*reproduced(tmp_path / "CUB_200_2011", tmp_path / "out"))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--rows", "CL-46"), "The table has no row 'CL-46'; it has CNN-Global, CNN-Jitter"),
        (("--rows", ","), "Name at least one row"),
    ],
)
def test_unknown_rows_are_refused(fails, tmp_path, more, sentence):
    assert sentence in fails(*reproduced(lay(tmp_path / "tree", rooms()), tmp_path / "out", *more))


def test_other_data_sets_are_refused(fails, tmp_path):
    tree = lay(tmp_path / "tree", pictures())
    assert "is not one of the paper's data sets" in fails(*reproduced(tree, tmp_path / "out"))


def test_weights_that_are_not_here_are_asked_for_first(fails, tmp_path):
    tree = lay(tmp_path / "tree", rooms())
    message = fails("reproduce", "table1", "--data", tree, "--out", tmp_path / "out")
    assert "The weights of AlexNet are not here yet; download them with: crosspool fetch alexnet" in message
    assert not (tmp_path / "out").exists()
