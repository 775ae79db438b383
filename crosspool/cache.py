"""A cache of arrays in a folder, for what takes long to compute."""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.numpy import load, save

from crosspool.errors import SettingError
from crosspool.whole_files import whole_file

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DAY = 24 * 60 * 60  # seconds
SLACK_SHARE = 1 / 16  # of the limit: how much may be written before the folder is measured again

# Rectified maps are mostly zeros, and shrink to a tenth in a millisecond; the checksum tells whether all is there.
_OPTIONS = zstd.CompressionParameter
COMPRESSION: dict[int, int] = {_OPTIONS.compression_level: 1, _OPTIONS.checksum_flag: 1}

Array = NDArray[Any]


class CacheError(SettingError):
    """A cache's folder cannot be read or written: choose another one. The cause is the `OSError`."""


class ArrayCache:
    """Arrays in a folder, by key; damaged entries count as absent.

    An entry is a compressed safetensors file. It is written under another name and moved to its place whole, and a
    checksum tells whether it is intact. Any number of processes may share a folder. With a `limit` in bytes, those that
    were not used for longest, to a day, make room for new ones.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder, self.limit = folder, limit
        self._written = limit or 0  # bytes since the folder was last measured

    def __contains__(self, key: str) -> bool:
        return os.path.isfile(self._path(key))  # where a folder above cannot be read, there is none

    def get(self, key: str) -> Array | None:
        """The array, or None where it is absent or damaged."""
        path = self._path(key)
        try:
            array: Array = load(zstd.decompress(path.read_bytes()))[""]
        except (FileNotFoundError, zstd.ZstdError, SafetensorError, KeyError):
            return None
        except OSError as error:
            problem = f"Cannot read the cache folder {self.folder} ({error.strerror})"
            raise CacheError(f"{problem}; choose another one.") from error
        _mark_used(path)
        return array

    def put(self, key: str, array: Array) -> None:
        """Keep an array. Raises CacheError where the folder cannot be written."""
        path, data = self._path(key), zstd.compress(save({"": np.ascontiguousarray(array)}), options=COMPRESSION)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as temporary:
                self._written += temporary.write_bytes(data)
            if self.limit is not None and self._written > self.limit * SLACK_SHARE:
                self._make_room(self.limit)
        except OSError as error:
            problem = f"Cannot write to the cache folder {self.folder} ({error.strerror})"
            raise CacheError(f"{problem}; make room, or choose another one.") from error

    def _make_room(self, limit: int) -> None:
        """Remove what was not used for longest until there is room for what is written before the next measurement."""
        entries = []
        for path in self.folder.glob("*/*.z"):
            with suppress(FileNotFoundError):  # another process has removed it
                status = path.stat()
                entries.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= limit * (1 - SLACK_SHARE):
                break
            path.unlink(missing_ok=True)
            total -= size
        self._written = 0

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.z"


def _mark_used(path: Path) -> None:
    """Let an entry count as new again, at most once a day, so that reading seldom writes."""
    with suppress(OSError):  # it is gone meanwhile, or may only be read
        if time.time() - path.stat().st_mtime > DAY:
            os.utime(path)


def default_cache() -> Path:
    """`$CROSSPOOL_CACHE`, or the user's folder for caches."""
    return Path(os.environ.get("CROSSPOOL_CACHE") or user_cache_path("crosspool")).expanduser()
