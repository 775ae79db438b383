"""Where weights come from: a file inside a package, torchvision's cache, a download, or a user's own file."""

import hashlib
import http.client
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.request import Request, urlopen

import torch
from safetensors.torch import load_file
from torch import Tensor

from crosspool.errors import BackboneError
from crosspool.whole_files import remove_abandoned

Availability = Literal["included", "cached", "needs a download"]
Progress = Callable[[int, int], None]  # bytes so far, bytes in all

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30  # seconds without a byte


@dataclass(frozen=True)
class WeightsFile:
    """A file of pretrained weights: inside an installed package (`url` is None), or to be downloaded to torch's cache.

    `checksum` is the beginning of the file's SHA-256; `megabytes` is its size in 10^6 bytes.
    """

    url: str | None
    filename: str
    megabytes: float
    checksum: str

    @property
    def path(self) -> Path:
        """Where the file lies, or will: torch's own cache, which torchvision shares."""
        return Path(self.filename) if self.url is None else cache_folder() / self.filename

    @property
    def availability(self) -> Availability:
        if self.url is None:
            return "included"
        return "cached" if self.path.is_file() else "needs a download"

    def is_intact(self) -> bool:
        """Whether the file is there and has the published checksum; reads all of it."""
        if not self.path.is_file():
            return False
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while block := file.read(CHUNK_BYTES):
                digest.update(block)
        return digest.hexdigest().startswith(self.checksum)


def cache_folder() -> Path:
    """Torch's cache of downloaded weights (`$TORCH_HOME/hub/checkpoints`)."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def fetch_weights(weights: WeightsFile, progress: Progress = lambda done, total: None) -> Path:
    """Download a weights file into torch's cache, verify its checksum, and return its path.

    A file that is there and intact is left alone. Nothing partial ever lies at the final path, and the
    temporary file goes whatever happens. Raises BackboneError when the file cannot be downloaded.
    """
    if weights.is_intact():
        return weights.path
    if weights.url is None:
        raise BackboneError(f"The package's file {weights.path.name} is missing or damaged; reinstall crosspool.")
    try:
        weights.path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(weights.path.parent, f"{weights.path.name}*.partial")
        handle, name = tempfile.mkstemp(prefix=weights.path.name, suffix=".partial", dir=weights.path.parent)
    except OSError as error:
        raise BackboneError(
            f"Cannot write to the cache folder {weights.path.parent} ({error.strerror}); "
            "set TORCH_HOME to a folder that you may write to."
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _download(weights.url, file.write, progress, expected=int(weights.megabytes * 1e6))
        if not digest.startswith(weights.checksum):
            raise BackboneError(f"The download of {weights.path.name} arrived damaged (wrong checksum); try again.")
        temporary.chmod(0o644)
        temporary.replace(weights.path)
    except (OSError, http.client.HTTPException) as error:
        raise BackboneError(
            f"Could not download {weights.path.name} ({weights.megabytes:.0f} MB): {_cause(error)}; "
            f"check the network connection, or copy the file into {weights.path.parent}."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return weights.path


def _download(url: str, write: Callable[[bytes], int], progress: Progress, expected: int) -> str:
    """Stream `url` into `write` and return the SHA-256 of what came."""
    digest = hashlib.sha256()
    with urlopen(Request(url, headers={"User-Agent": "crosspool"}), timeout=TIMEOUT_SECONDS) as response:
        length = int(response.headers.get("Content-Length") or 0)
        total, done = length or expected, 0
        while block := response.read(CHUNK_BYTES):
            write(block)
            digest.update(block)
            done += len(block)
            progress(done, max(total, done))
        if done < length:
            raise ConnectionError(f"the connection broke off after {done} of {length} bytes")
    return digest.hexdigest()


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", error)  # urllib wraps the operating system's error
    return str(getattr(reason, "strerror", None) or reason) or type(error).__name__


def read_state_dict(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """A state dict from a safetensors file or a torch checkpoint, never unpickling anything but tensors.

    A checkpoint may keep its weights under "state_dict" or "model", and prefix them with "module.".
    Raises BackboneError naming the file.
    """
    path = Path(path)
    if not path.is_file():
        raise BackboneError(f"There is no weights file at {path}.")
    try:
        loaded = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BackboneError(
            f"{path.name} is not a file of weights, or holds more than tensors; save model.state_dict() instead."
        ) from error
    except Exception as error:  # the readers raise whatever a damaged file leads them to
        raise BackboneError(
            f"{path.name} cannot be read as weights: it is damaged, or another kind of file."
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()
    ):
        raise BackboneError(f"{path.name} does not hold a state dict (names and tensors).")
    return {name.removeprefix("module."): value for name, value in loaded.items()}
