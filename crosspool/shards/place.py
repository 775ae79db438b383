"""Where a store is: a folder, or an address that fsspec opens. Files appear there whole, and once.

On disk a file is written beside its place under another name, and renamed. An object store takes it by one put, on the
condition that there is none yet. Credentials are found where each file system looks for them, never in an address.
"""

import os
import posixpath
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crosspool.errors import SettingError
from crosspool.whole_files import TEMPORARY_PREFIX, remove_abandoned


@dataclass(frozen=True)
class Place:
    """A folder at an address; it can be sent to another process."""

    address: str

    @cached_property
    def _found(self) -> tuple[Any, str]:
        fs, path = file_system(self.address)
        return fs, path.rstrip("/")

    @property
    def folder(self) -> Path | None:
        """The folder, where it is one of this machine."""
        fs, path = self._found
        return Path(path) if "file" in fs.protocol else None

    def prepare(self) -> None:
        """Make the folder, and remove what killed writers left there long ago. Raises SettingError."""
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(self.folder, f"{TEMPORARY_PREFIX}*")
        except FileExistsError as error:
            raise SettingError(f"{self.address} is a file, not a folder; choose another --out.") from error
        except OSError as error:
            raise self.unusable(error) from error

    def names(self) -> set[str]:
        """The names of the files that are there. Raises SettingError."""
        fs, path = self._found
        fs.invalidate_cache()
        try:
            with self._used():
                return {posixpath.basename(each) for each in fs.ls(path, detail=False)}
        except FileNotFoundError:
            return set()

    def has(self, name: str) -> bool:
        """Whether a file is there. Raises SettingError."""
        fs, path = self._found
        fs.invalidate_cache()
        with self._used():
            return bool(fs.exists(f"{path}/{name}"))

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises FileNotFoundError where it is not there, and SettingError where it cannot be read."""
        fs, path = self._found
        with self._used():
            return bytes(fs.cat_file(f"{path}/{name}"))

    def opened(self, name: str) -> Any:
        """A file to read parts of. Raises OSError."""
        fs, path = self._found
        return fs.open(f"{path}/{name}", "rb", cache_type="none")

    def source(self, name: str) -> Any:
        """What pyarrow reads a file from, or parts of it. Raises OSError."""
        return self.opened(name) if self.folder is None else str(self.folder / name)

    def write_once(self, name: str, data: bytes) -> None:
        """Write a file that must not be there yet. Raises FileExistsError, or SettingError."""
        with self._temporary(name) as temporary:
            temporary.write_bytes(data)
            self._put(temporary, name)

    @contextmanager
    def new_file(self, name: str) -> Iterator[Path]:
        """A file of this machine that is put in its place in the end, unless another process was faster.

        Both have written the same bytes then. Raises SettingError.
        """
        with self._temporary(name) as temporary:
            yield temporary
            if self.folder is not None:
                _synchronise(temporary)
                os.replace(temporary, self.folder / name)
                return
            with suppress(FileExistsError):
                self._put(temporary, name)

    @contextmanager
    def _temporary(self, name: str) -> Iterator[Path]:
        folder = self.folder or Path(tempfile.gettempdir())
        temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{posixpath.splitext(name)[1]}"
        try:
            yield temporary
        except FileExistsError:
            raise
        except OSError as error:
            raise self.unusable(error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _put(self, temporary: Path, name: str) -> None:
        """Put a file in its place. Raises FileExistsError where there is one."""
        fs, path = self._found
        if self.folder is None:
            with self._used():
                fs.put_file(str(temporary), f"{path}/{name}", mode="create")
            return
        _synchronise(temporary)
        try:
            os.link(temporary, self.folder / name)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            with (self.folder / name).open("xb") as file:
                file.write(temporary.read_bytes())

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Turn what a file system raises into a SettingError, but for files that are there or not.

        Those of other machines have errors of their own, for credentials that are missing, or for what a server says.
        """
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:
            raise self.unusable(error) from error

    def unusable(self, error: Exception) -> SettingError:
        """The error for a place that cannot be read or written."""
        return SettingError(
            f"The store {self.address} cannot be used ({reason_of(error)}); make room, or check the address and your "
            "permissions. What is there already stays, and the same command goes on from it."
        )


def _synchronise(path: Path) -> None:
    """Wait until a file is on disk, so that its name never stands for less after a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def reason_of(error: BaseException) -> str:
    """Why a file system failed, as briefly as it says it; errors of servers may say nothing."""
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises SettingError where nothing here opens it."""
    from fsspec import filesystem
    from fsspec.core import url_to_fs

    if "://" not in address:  # whatever else is in a path, such as the :: that chains addresses
        return filesystem("file"), Path(os.path.expanduser(address)).absolute().as_posix()
    try:
        fs, path = url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise SettingError(f"{address} cannot be opened ({error}); install what it needs, or check it.") from error
    return fs, str(path)
