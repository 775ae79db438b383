"""`faithfulness`: its output, files and errors."""

import json
import shlex

import numpy as np
import pytest

from crosspool.backbones import architecture
from crosspool.cli.faithfulness import chosen_methods, drawings
from crosspool.datasets import open_dataset
from crosspool.datasets.fieldguide.guide import image_and_masks
from tests.cli.conftest import settled
from tests.images import png, tinted

QUICK = ("--method", "sum@128", "--splits", 2, "--train-size", 4, "--pixels", 1)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two classes of four images, each tinted in its colour."""
    folder = tmp_path_factory.mktemp("images") / "tints"
    for channel, label in ((2, "blue"), (0, "red")):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            (folder / label / f"{number}.png").write_bytes(png(tinted(10 * channel + number, channel)))
    return folder


@pytest.fixture(scope="module", autouse=True)
def around(tmp_path_factory):
    with settled(100, tmp_path_factory.mktemp("cache")):
        yield


def test_tables_files_and_the_command_that_reproduces_them(images, works, tmp_path) -> None:
    folder = tmp_path / "out"
    printed = works("faithfulness", images, *QUICK, "--out", folder)
    assert "8 images, 2 classes. EfficientNet-Lite0, squash framing. sum@128" in printed
    for title in (
        "5 % of the channels taken away",
        "Accuracy in %, by the share of channels taken away",
        "Positions left out: areas under the curves",
        "Positions put in: accuracy in %, by their share",
        "Pixels hidden: areas under the curves",
    ):
        assert f"\n{title}\n" in printed
    assert "Where the positive evidence lies" not in printed  # that is FieldGuide's
    names = ["faithfulness.json", "faithfulness.md", "curves.csv", "curves.png", "curves.svg"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert f"Wrote 5 files to {folder}" in " ".join(printed.split())
    document = json.loads((folder / "faithfulness.json").read_text())
    assert (document["baseline"], document["pixels"], document["fill"]) == ("global@128", 1, "blur")
    assert document["layout"] == "Read as 2 classes, a folder for each."
    assert document["layout"] in printed
    again = json.loads(works(*shlex.split(document["command"])[1:], "--json"))
    assert again == document


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--channels", 0), "--channels is a share in percent, above 0 and below 100, not 0."),
        (("--method", "cl,sum"), "--method is one method, not cl,sum."),
        (("--baseline", "nothing"), "nothing"),
        (("--splits", 1), "--splits"),
        (("--train-size", "much"), "--train-size is a number of images or a share"),
        (("--fill", "black"), "--fill"),
        (("--out", "no/such/folder"), "does not exist; create it first"),
    ],
)
def test_bad_input_gives_one_sentence(images, fails, more, sentence) -> None:
    assert sentence in fails("faithfulness", images, *more)


def test_a_method_without_positions(images, fails) -> None:
    assert "choose cl, global or sum" in fails("faithfulness", images, *QUICK[2:], "--method", "jitter@128")


def test_default_methods() -> None:
    network = architecture("efficientnet_lite0")

    def chosen_names(method, baseline):
        return [spec.name for spec in chosen_methods(method, baseline, network)]

    assert chosen_names(None, None) == ["cl@448", "global@448"]
    assert chosen_names("cl-f@256", None) == ["cl-f@256", "global@256"]
    assert chosen_names("cl@224", "sum") == ["cl@224", "sum"]


def test_masks_match_their_samples_after_some_are_left_out() -> None:
    guide = open_dataset("fieldguide:2:7")
    drawing = drawings("fieldguide:2:7", guide.subset(np.array([1, 3, 5])))
    assert drawing is not None
    masks = drawing(2).masks
    expected = image_and_masks(5, 2, seed=7).masks
    assert all((masks[name] == expected[name]).all() for name in expected)
    assert drawings("photos", guide) is None
