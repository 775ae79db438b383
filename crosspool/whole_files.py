"""Files, and folders, that appear whole or not at all, even if the program that writes them is killed."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY_PREFIX = ".crosspool-"
ABANDONED_SECONDS = 3600.0  # without a new byte: then the writer is gone


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A new file beside `target` that replaces it in the end, with its permissions, or vanishes if anything fails.

    Old files that killed writers have left here are removed. Raises OSError.
    """
    remove_abandoned(target.parent, f"{TEMPORARY_PREFIX}*")
    temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{target.suffix}"
    temporary.open("xb").close()
    try:
        yield temporary
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target` that takes its place in the end, or vanishes if anything fails.

    It vanishes as well where another process was faster. Old folders that killed writers have left here are removed, so
    that nothing else may be in the folder around them. Raises OSError.
    """
    for old in target.parent.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - max(path.stat().st_mtime for path in (old, *old.iterdir())) > ABANDONED_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    temporary.mkdir(parents=True)
    try:
        yield temporary
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove files that have not been written to for long, whichever process or machine wrote them."""
    for path in folder.glob(pattern):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
        except (FileNotFoundError, PermissionError):  # another process was faster, or the file belongs to another user
            continue
