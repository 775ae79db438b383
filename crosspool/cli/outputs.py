"""Files that a command writes: checked before any work is done, and replaced whole or not at all."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crosspool.errors import SettingError
from crosspool.whole_files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def checked_output(out: str, suffixes: Sequence[str], inputs: Sequence[str]) -> Path:
    """The path of a file that can be written, and is none of `inputs`. Raises SettingError for one that cannot."""
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


def checked_folder(out: str) -> Path:
    """The path of a folder that files can be written to; it is made later, and may be there already."""
    path = Path(out)
    if path.exists() and not path.is_dir():
        raise SettingError(f"--out {path} exists and is not a folder; choose another name.")
    if not path.exists() and not path.parent.is_dir():
        raise SettingError(f"The folder {path.parent} of --out does not exist; create it first.")
    _try_writing(path, path if path.exists() else path.resolve().parent)
    return path


def made_folder(path: Path) -> Path:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def _try_writing(path: Path, folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def write_figure(path: Path, figure: "Figure", about: Mapping[str, str | None]) -> None:
    """Save a figure in the format of its suffix, with what it is `about` inside the file."""
    from crosspool.drawing.style import figure_bytes

    with replacing(path) as temporary:
        temporary.write_bytes(figure_bytes(figure, path.suffix[1:].lower(), about))


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A temporary file beside `out` that takes its place at the end, or vanishes if anything fails."""
    try:
        with whole_file(out.resolve()) as temporary:
            yield temporary
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(path: Path, error: OSError) -> SettingError:
    return SettingError(f"--out {path} cannot be written ({error.strerror or error}).")
