"""Folders for what a visitor needs on disk, deleted with their visitor, or after a crash at the next start."""

import os
import shutil
import tempfile
import time
import weakref
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "crosspool-"
LOCK = ".lock"  # which the process that made the folder holds as long as it lives
WITHOUT_LOCK_SECONDS = 3600.0  # after which a folder that has none was never finished


class ScratchFolder:
    """A new empty folder, deleted with this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = FileLock(self.path / LOCK)
        lock.acquire()
        weakref.finalize(self, _delete, self.path, lock)


def _delete(path: Path, lock: FileLock) -> None:
    lock.release()  # first, as Windows deletes no file in use
    shutil.rmtree(path, ignore_errors=True)


def delete_orphans() -> int:
    """Delete folders whose process died without deleting them, by a kill or a crash; how many there were."""
    folders = [folder for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _is_orphan(folder)]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(folders)


def _is_orphan(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    state = folder.stat()
    if hasattr(os, "geteuid") and state.st_uid != os.geteuid():
        return False
    if not (folder / LOCK).exists():
        return time.time() - state.st_mtime > WITHOUT_LOCK_SECONDS
    try:
        with FileLock(folder / LOCK, timeout=0):
            return True
    except (Timeout, OSError):
        return False
