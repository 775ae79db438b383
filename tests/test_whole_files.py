"""Folders that appear whole or not at all."""

import os

import pytest

from crosspool.whole_files import ABANDONED_SECONDS, TEMPORARY_PREFIX, whole_folder


def test_a_folder_is_there_once_it_is_full(tmp_path):
    with whole_folder(tmp_path / "around" / "folder") as folder:
        (folder / "data").write_bytes(b"first")
        assert not (tmp_path / "around" / "folder").exists()
    assert (tmp_path / "around" / "folder" / "data").read_bytes() == b"first"
    assert os.listdir(tmp_path / "around") == ["folder"]


def test_nothing_stays_of_a_folder_that_could_not_be_filled(tmp_path):
    def fail():
        with whole_folder(tmp_path / "folder") as folder:
            (folder / "data").write_bytes(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert os.listdir(tmp_path) == []


def test_the_first_of_two_stays(tmp_path):
    with whole_folder(tmp_path / "folder") as second:
        (second / "data").write_bytes(b"second")
        with whole_folder(tmp_path / "folder") as first:
            (first / "data").write_bytes(b"first")
    assert (tmp_path / "folder" / "data").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["folder"]


def test_what_cannot_take_its_place_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"), whole_folder(tmp_path / "file"):
        pass


def test_folders_of_killed_writers_go_after_a_while(tmp_path):
    old, new = (tmp_path / f"{TEMPORARY_PREFIX}{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / "data").write_bytes(b"-")
    for path in (old, old / "data", new):
        long_ago = path.stat().st_mtime - ABANDONED_SECONDS - 1
        os.utime(path, (long_ago, long_ago))
    with whole_folder(tmp_path / "folder"):
        pass
    assert sorted(os.listdir(tmp_path)) == [new.name, "folder"]
