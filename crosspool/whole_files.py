"""Files that appear whole or not at all, even where the program that writes them is killed."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_PREFIX = ".crosspool-"
ABANDONED_SECONDS = 3600.0  # seconds without a byte: whoever wrote it is gone


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A new file beside `target` that takes its place and its rights at the end, or vanishes if anything fails.

    What writers that were killed left here is removed, once it is old. Raises OSError.
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


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove files that nobody has written to for long: their time tells, whatever process or machine wrote them."""
    for path in folder.glob(pattern):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
        except (FileNotFoundError, PermissionError):  # another was faster here; or it is somebody else's
            continue
