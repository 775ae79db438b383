"""Files that a command writes: checked before any work is done, and replaced whole or not at all."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crosspool.errors import SettingError


def checked_output(out: str, suffixes: Sequence[str], inputs: Sequence[str]) -> Path:
    """The path of a file that can be written. Raises SettingError for one that cannot."""
    path = Path(out)
    if path.suffix.lower() not in suffixes:
        raise SettingError(f"The name of --out {out} must end in {' or '.join(suffixes)}.")
    if not path.parent.is_dir():
        raise SettingError(f"The folder {path.parent} of --out does not exist; make it first.")
    if path.exists() and not path.is_file():
        raise SettingError(f"--out {out} is there already and no file; choose another name.")
    if path.exists() and any(os.path.exists(name) and path.samefile(name) for name in inputs):
        raise SettingError(f"--out {out} would overwrite the image itself; choose another name.")
    try:
        with tempfile.TemporaryFile(dir=path.resolve().parent):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A temporary file beside `out` that takes its place at the end, or vanishes if anything fails."""
    target = out.resolve()
    try:
        handle, name = tempfile.mkstemp(prefix=".crosspool-", suffix=target.suffix.lower(), dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise _unwritable(out, error) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(_mode(target))
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _mode(target: Path) -> int:
    """The rights of the file that is replaced, or those of any new file."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _unwritable(path: Path, error: OSError) -> SettingError:
    return SettingError(f"--out {path} cannot be written ({error.strerror or error}).")
