"""Files that a command writes: checked before any work is done, and replaced whole or not at all."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from crosspool.errors import SettingError
from crosspool.whole_files import whole_file

# The names of an evaluation's files, except the first, results.json, which lists them.
EVALUATION_FILES = re.compile(
    r"results\.(csv|md)|(paired|predictions)\.csv|accuracy-against-bytes\.(png|svg)|confusion-[\w.@+-]+\.(csv|png)",
    re.ASCII,
)


def checked_output(out: str, suffixes: Sequence[str], inputs: Sequence[str]) -> Path:
    """The path of a file that can be written and is not one of `inputs`. Raises SettingError otherwise."""
    path = Path(out)
    if path.suffix.lower() not in suffixes:
        raise SettingError(f"The name of --out {out} must end in {' or '.join(suffixes)}.")
    if not path.parent.is_dir():
        raise SettingError(f"The folder {path.parent} of --out does not exist; create it first.")
    if path.exists() and not path.is_file():
        raise SettingError(f"--out {out} exists and is not a file; choose another name.")
    for name in inputs if path.exists() else ():
        if os.path.exists(name) and path.samefile(name):
            raise SettingError(f"--out {out} would overwrite {name} itself; choose another name.")
    _try_writing(path, path.resolve().parent)
    return path


def checked_folder(out: str | None) -> Path | None:
    """The path of a folder that files can be written to, whether it exists or not; None if none is asked for."""
    if out is None:
        return None
    path = Path(out)
    if path.exists() and not path.is_dir():
        raise SettingError(f"--out {path} exists and is not a folder; choose another name.")
    if not path.exists() and not path.parent.is_dir():
        raise SettingError(f"The folder {path.parent} of --out does not exist; create it first.")
    _try_writing(path, path if path.exists() else path.resolve().parent)
    return path


def _try_writing(path: Path, folder: Path) -> None:
    with _disk_errors(path), tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A temporary file beside `out` that takes its place at the end, or vanishes if anything fails."""
    with _disk_errors(out), whole_file(out.resolve()) as temporary:
        yield temporary


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system into SettingErrors."""
    try:
        yield
    except OSError as error:
        raise SettingError(f"--out {path} cannot be written ({error.strerror or error}).") from error


def write_files(
    folder: Path | None, files: Mapping[str, Callable[[], bytes]], stale: Collection[str] = ()
) -> list[str]:
    """Write all files if there is a folder for them, replacing each whole, and return their names.

    Stale files are removed once the first file, the record of the others, is written.
    """
    if folder is None:
        return []
    with _disk_errors(folder):
        folder.mkdir(exist_ok=True)
    for number, (name, contents) in enumerate(files.items()):
        with replacing(folder / name) as temporary:
            temporary.write_bytes(contents())
        if number == 0:
            for old in set(stale) - set(files):
                _remove(folder / old)
    return list(files)


def files_of_earlier_run(folder: Path | None) -> set[str]:
    """The files listed in results.json there, if their names are those of an evaluation."""
    if folder is None:
        return set()
    try:
        document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    listed = document.get("files") if isinstance(document, dict) else None
    names = listed if isinstance(listed, list) else []
    return {name for name in names if isinstance(name, str) and EVALUATION_FILES.fullmatch(name)}


def _remove(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        with suppress(OSError):
            path.unlink()
