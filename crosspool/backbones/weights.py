"""Files of weights: inside a package, in torch's cache, downloaded, or a user's own."""

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

from crosspool.errors import BackboneError, not_found
from crosspool.whole_files import remove_abandoned

Availability = Literal["included", "cached", "needs a download"]
Progress = Callable[[int, int], None]  # bytes so far, bytes in all

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30  # without a new byte


@dataclass(frozen=True)
class WeightsFile:
    """A file of pretrained weights: inside an installed package (`url` is None), or downloaded into torch's cache.

    `checksum` is the beginning of the file's SHA-256, and `megabytes` its size in 10^6 bytes.
    """

    url: str | None
    filename: str
    megabytes: float
    checksum: str

    @property
    def path(self) -> Path:
        """The file's path, whether it exists or not; downloads go to torch's own cache, which torchvision shares."""
        return Path(self.filename) if self.url is None else cache_folder() / self.filename

    @property
    def availability(self) -> Availability:
        if self.url is None:
            return "included"
        return "cached" if self.path.is_file() else "needs a download"

    def is_intact(self) -> bool:
        """Whether the file exists and has the published checksum; reads the whole file."""
        if not self.path.is_file():
            return False
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest().startswith(self.checksum)


def cache_folder() -> Path:
    """Torch's cache of downloaded weights (`$TORCH_HOME/hub/checkpoints`)."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def fetch_weights(weights: WeightsFile, progress: Progress = lambda done, total: None) -> Path:
    """Download a weights file into torch's cache, verify its checksum, and return its path.

    A file that is intact is not downloaded again. The final path never holds a partial file, and the temporary file is
    always removed. Raises BackboneError if the file cannot be downloaded.
    """
    if weights.is_intact():
        return weights.path
    if weights.url is None:
        raise BackboneError(f"The package's file {weights.path.name} is missing or damaged; reinstall crosspool.")
    file_name, folder = weights.path.name, weights.path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder, f"{file_name}*.partial")
        handle, temporary_name = tempfile.mkstemp(prefix=file_name, suffix=".partial", dir=folder)
    except OSError as error:
        problem = f"Cannot write to the cache folder {folder} ({error.strerror})"
        raise BackboneError(f"{problem}; set TORCH_HOME to a folder that you may write to.") from error
    temporary = Path(temporary_name)
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _download(weights.url, file.write, progress, expected=int(weights.megabytes * 1e6))
        if not digest.startswith(weights.checksum):
            raise BackboneError(f"The download of {file_name} arrived damaged (wrong checksum); try again.")
        temporary.chmod(0o644)
        temporary.replace(weights.path)
    except (OSError, http.client.HTTPException) as error:
        problem = f"Could not download {file_name} ({weights.megabytes:.0f} MB): {_cause(error)}"
        raise BackboneError(f"{problem}; check the network connection, or copy the file into {folder}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return weights.path


def _download(url: str, write: Callable[[bytes], int], progress: Progress, expected: int) -> str:
    """Stream `url` into `write` and return the SHA-256 of its bytes."""
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
    """The state dict in a safetensors file or a torch checkpoint; nothing but tensors is unpickled.

    A checkpoint may hold its weights under "state_dict" or "model", and prefix their names with "module.".
    Raises BackboneError with the name of the file.
    """
    path = Path(path)
    if path.is_dir():
        raise BackboneError(f"{path} is a folder, not a file of weights; name a file inside it.")
    if not path.exists():
        raise BackboneError(not_found(str(path)))
    try:
        loaded = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        problem = f"{path.name} is not a file of weights, or holds more than tensors"
        raise BackboneError(f"{problem}; save model.state_dict() instead.") from error
    except Exception as error:  # on a damaged file, the readers raise all kinds of errors
        reason = "it is damaged, or another kind of file"
        raise BackboneError(f"{path.name} cannot be read as weights: {reason}.") from error
    for key in ("state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in loaded.items()):
        raise BackboneError(f"{path.name} does not hold a state dict (names and tensors).")
    return {name.removeprefix("module."): value for name, value in loaded.items()}
