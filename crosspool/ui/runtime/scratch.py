"""Folders for what a visitor needs on disk, deleted with their visitor, or after a crash at the next start."""

import os
import shutil
import sys
import tempfile
import time
import weakref
from pathlib import Path

if sys.platform != "win32":
    import fcntl

PREFIX = "crosspool-"
LOCK = ".lock"  # which the process that made the folder holds as long as it lives
WITHOUT_LOCK_SECONDS = 3600.0  # after which a folder that has none was never finished


class ScratchFolder:
    """A new empty folder, deleted with this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = os.open(self.path / LOCK, os.O_CREAT | os.O_RDWR)
        if not _take(lock):
            raise AssertionError("another process has the lock of a new folder")
        weakref.finalize(self, _delete, self.path, lock)


def _take(lock: int) -> bool:
    """Whether this process now has an open file's lock, until it closes the file or ends."""
    if sys.platform == "win32":  # which has no such lock; there orphans stay
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _delete(path: Path, lock: int) -> None:
    os.close(lock)  # first, as Windows deletes no file in use
    shutil.rmtree(path, ignore_errors=True)


def delete_orphans() -> int:
    """Delete folders whose process died without deleting them, by a kill or a crash; how many there were."""
    folders = [folder for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _is_orphan(folder)]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)


def _is_orphan(folder: Path) -> bool:
    if sys.platform == "win32" or folder.is_symlink() or not folder.is_dir():
        return False
    state = folder.stat()
    if state.st_uid != os.geteuid():
        return False
    if not (folder / LOCK).exists():
        return time.time() - state.st_mtime > WITHOUT_LOCK_SECONDS
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        return _take(lock)
    finally:
        os.close(lock)
