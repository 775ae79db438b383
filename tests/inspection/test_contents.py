"""Whether a path is a data set, a file of weights or an image."""

import os
import zipfile

import numpy as np
import pytest

from crosspool.errors import CrosspoolError
from crosspool.inspection.contents import kind_of
from tests.dataset_trees import IMAGE, encoded, lay
from tests.inspection.checkpoints import written


def zipped(path, name="cat/1.png", data=IMAGE):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, data)
    return path


def test_content_decides_whatever_the_name(tmp_path):
    assert kind_of("fieldguide:2") == "dataset"
    assert kind_of(str(lay(tmp_path / "folder", ["a/1.png"]))) == "dataset"
    for name in ("birds", "birds.jpg", "birds.pt"):
        assert kind_of(str(zipped(tmp_path / name))) == "dataset"
    assert kind_of(str(zipped(tmp_path / "birds.zip", "data.pkl"))) == "dataset"  # beside images, as no torch file is
    (tmp_path / "scan").write_bytes(encoded(kind="TIFF"))
    (tmp_path / "photo.pt").write_bytes(encoded(kind="JPEG"))
    assert kind_of(str(tmp_path / "scan")) == "image"
    assert kind_of(str(tmp_path / "photo.pt")) == "image"


@pytest.mark.parametrize("name", ["plain", "safetensors", "old form", "TorchScript"])
@pytest.mark.parametrize("suffix", ["", ".zip", ".jpg", ".pt"])
def test_weights_are_told_by_their_content(tmp_path, name, suffix):
    path = written(name, tmp_path).rename(tmp_path / f"weights{suffix}")
    assert kind_of(str(path)) == "weights"


@pytest.mark.parametrize(
    ("name", "kind"), [("bad.pt", "weights"), ("bad.jpg", "image"), ("bad.zip", "dataset"), ("bad.tar", "dataset")]
)
def test_where_content_says_nothing_the_name_does(tmp_path, name, kind):
    (tmp_path / name).write_bytes(b"nothing")
    assert kind_of(str(tmp_path / name)) == kind


def test_what_is_none_of_them_is_one_sentence(fails, tmp_path):
    (tmp_path / "list.txt").write_text("cat/1.jpg 0")
    (tmp_path / "film").write_bytes(b"RIFF\0\0\0\0AVI ")
    assert "is a list or a note; name the folder or the ZIP" in fails("inspect", tmp_path / "list.txt")
    assert "is neither a data set (a folder or a ZIP), nor" in fails("inspect", tmp_path / "film")
    assert "was not found; check the name" in fails("inspect", tmp_path / "nowhere")
    np.savez(tmp_path / "arrays.npz", np.zeros(3))
    assert "has no images" in fails("inspect", tmp_path / "arrays.npz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CrosspoolError, match="neither a folder nor a file"):
        kind_of(str(tmp_path / "pipe"))


@pytest.mark.parametrize(("option", "value"), [("--backbone", "alexnet"), ("--layout", "parts")])
def test_options_of_other_kinds_are_refused(fails, tmp_path, option, value):
    (tmp_path / "own.png").write_bytes(IMAGE)
    assert f"{option} is for " in fails("inspect", tmp_path / "own.png", option, value)
