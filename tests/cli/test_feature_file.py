"""Features that are written row by row: the same file as NumPy's, and whole rows alone where Ctrl-C comes."""

import json

import numpy as np
import pytest

from crosspool.cli.feature_file import FeatureFile
from crosspool.samples import FOLDER

CAT, ESPRESSO = str(FOLDER / "cat.jpg"), str(FOLDER / "espresso.jpg")


def rows(count):
    return np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)


def written(path, expected, given):
    with FeatureFile(path, expected) as file:
        for row in given:
            file.append(row)
        file.finish({"names": np.array([str(k) for k in range(len(given))])})
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize("expected", [3, 1000])
def test_it_holds_the_rows_and_the_other_arrays(tmp_path, expected):
    """Also where fewer rows came than were expected."""
    arrays = written(tmp_path / "features.npz", expected, rows(3))
    np.testing.assert_array_equal(arrays["features"], rows(3))
    assert arrays["names"].tolist() == ["0", "1", "2"]
    assert [path.name for path in tmp_path.iterdir()] == ["features.npz"]


class Interrupted:
    """An open file, in whose next writing Ctrl-C comes when half of the bytes are written."""

    def __init__(self, file):
        self.file = file

    def write(self, data):
        self.file.write(bytes(data)[: len(bytes(data)) // 2])
        raise KeyboardInterrupt

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_half_a_row_is_left_out(tmp_path):
    path = tmp_path / "features.npz"
    with FeatureFile(path, 10) as file:
        file.append(rows(3)[0])
        file.append(rows(3)[1])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(file._archive, "fp", Interrupted(file._archive.fp))
            with pytest.raises(KeyboardInterrupt):
                file.append(rows(3)[2])
        assert file.count == 2
        file.finish({})
    with np.load(path) as archive:
        np.testing.assert_array_equal(archive["features"], rows(2))


@pytest.mark.parametrize("whole", [True, False])
def test_pool_keeps_whole_rows_with_their_names_on_ctrl_c(run, tmp_path, monkeypatch, whole):
    """Whether it comes just before the third row, or as soon as that is written."""
    append = FeatureFile.append

    def interrupted(file, features):
        if file.count == 2:
            if whole:
                append(file, features)
            raise KeyboardInterrupt
        append(file, features)

    monkeypatch.setattr(FeatureFile, "append", interrupted)
    photos, real = [CAT, ESPRESSO, CAT, CAT], tmp_path / "real"
    real.mkdir()
    out = tmp_path / "features.npz"
    out.symlink_to(real / "elsewhere.npz")
    status, _, err = run("pool", *photos, "--out", out, "--size", 128)
    kept = 2 + whole
    partial = real / "features.partial.npz"
    assert status == 130
    assert err == f"crosspool: Stopped. {partial} holds the first {kept} of 4 images.\n"
    with np.load(partial, allow_pickle=False) as archive:
        assert len(archive["features"]) == kept
        assert archive["names"].tolist() == photos[:kept]
        assert [image["name"] for image in json.loads(str(archive["settings"]))["images"]] == photos[:kept]
    assert [path.name for path in real.iterdir()] == ["features.partial.npz"]
