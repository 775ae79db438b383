"""Folders of visitors: deleted with their object, and after a kill by the next start."""

import gc
import os
import signal
import subprocess
import sys
import tempfile

import pytest

from crosspool.ui.runtime import scratch
from crosspool.ui.runtime.scratch import ScratchFolder, delete_orphans

CHILD = """
import sys, time
from crosspool.ui.runtime.scratch import ScratchFolder
folder = ScratchFolder()
(folder.path / "features").write_bytes(b"x")
print(folder.path, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_folder_is_deleted_with_its_object(temporary):
    folder = ScratchFolder()
    (folder.path / "features").write_bytes(b"x")
    assert delete_orphans() == 0
    del folder
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(temporary):
    with (
        subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as living,
    ):
        assert killed.stdout
        assert living.stdout
        paths = [output.readline().strip() for output in (killed.stdout, living.stdout)]
        assert delete_orphans() == 0
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert delete_orphans() == 1
        assert [os.path.exists(path) for path in paths] == [False, True]
        living.kill()


def test_what_is_not_ours_stays(temporary, monkeypatch):
    (temporary / "crosspool-file").write_text("")
    (temporary / "elsewhere").mkdir()
    (temporary / "crosspool-link").symlink_to(temporary / "elsewhere")
    (temporary / "crosspool-new").mkdir()  # whose lock is about to come
    assert delete_orphans() == 0
    monkeypatch.setattr(scratch, "WITHOUT_LOCK_SECONDS", -1.0)
    assert delete_orphans() == 1
    assert {path.name for path in temporary.iterdir()} == {"crosspool-file", "elsewhere", "crosspool-link"}
