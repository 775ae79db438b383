"""A short run of `python -m benchmarks.robustness.crashes`: processes are killed while they write to the cache."""

import os
import time
from pathlib import Path
from random import Random

import pytest

from benchmarks.harness.writers import kill_writer, leftovers, write_again
from crosspool.whole_files import ABANDONED_SECONDS, TEMPORARY_PREFIX, whole_file


def test_what_killed_writers_leave_is_exact_or_absent(tmp_path):
    random = Random(0)
    assert all(kill_writer("cache", tmp_path, random) for _ in range(4))
    write_again("cache", tmp_path)


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path):
    target = tmp_path / "results.csv"
    target.write_text("old")
    target.chmod(0o640)
    with whole_file(target) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".csv"
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_file_leaves_the_old_one(tmp_path):
    target = tmp_path / "results.csv"
    target.write_text("old")

    def break_off():
        with whole_file(target) as temporary:
            temporary.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_only_old_leftovers_are_removed(tmp_path):
    old, young, foreign = (tmp_path / name for name in (f"{TEMPORARY_PREFIX}1.z", f"{TEMPORARY_PREFIX}2.z", "mine.z"))
    for path in (old, young, foreign):
        path.write_bytes(b"x")
    for path in (old, foreign):
        os.utime(path, (time.time() - 2 * ABANDONED_SECONDS,) * 2)
    assert set(leftovers(tmp_path)) == {old, young}
    with whole_file(tmp_path / "entry.z") as temporary:
        temporary.write_bytes(b"y")
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()


def test_leftovers_of_another_user_that_cannot_be_removed_do_no_harm(tmp_path, monkeypatch):
    foreign = tmp_path / f"{TEMPORARY_PREFIX}1.z"
    foreign.write_bytes(b"x")
    os.utime(foreign, (time.time() - 2 * ABANDONED_SECONDS,) * 2)
    unlink = Path.unlink

    def unlink_of_a_shared_folder(path, missing_ok=False):
        if path == foreign:
            raise PermissionError
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_of_a_shared_folder)
    with whole_file(tmp_path / "entry.z") as temporary:
        temporary.write_bytes(b"y")
    assert (tmp_path / "entry.z").read_bytes() == b"y"
