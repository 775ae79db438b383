"""Arrays in a folder, by key: what took long to compute, kept for the next time."""

import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.numpy import load, save

from crosspool.errors import SettingError
from crosspool.whole_files import whole_file

FASTEST = 1  # zlib's level: rectified maps are mostly zeros, and shrink to an eighth in milliseconds

Array = NDArray[np.float32]


class ArrayCache:
    """Arrays in a folder, by key; damaged entries count as absent.

    An entry is a compressed safetensors file. It is written beside its place and moved there whole, and zlib's checksum
    tells whether it is intact. Any number of processes may share a folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str) -> Array | None:
        """The array, or None where it is absent or damaged."""
        try:
            array: Array = load(zlib.decompress(self._path(key).read_bytes()))[""]
        except (FileNotFoundError, zlib.error, SafetensorError, KeyError):
            return None
        except OSError as error:
            raise SettingError(
                f"Cannot read the cache folder {self.folder} ({error.strerror}); choose another one."
            ) from error
        return array

    def put(self, key: str, array: Array) -> None:
        """Keep an array. Raises SettingError where the folder cannot be written."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as temporary:
                temporary.write_bytes(zlib.compress(save({"": np.ascontiguousarray(array)}), FASTEST))
        except OSError as error:
            raise SettingError(
                f"Cannot write to the cache folder {self.folder} ({error.strerror}); make room, or choose another one."
            ) from error

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.z"


def default_cache() -> Path:
    """`$CROSSPOOL_CACHE`, or the user's folder for caches."""
    return Path(os.environ.get("CROSSPOOL_CACHE") or user_cache_path("crosspool")).expanduser()
