"""Files of timm's pretrained weights: in the cache of the Hugging Face Hub, where timm keeps them, or in torch's."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from crosspool.backbones.weights import Availability, WeightsFile, cache_folder

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
CHECKSUM = re.compile(r"-([0-9a-f]{8,})\.")  # in the names of files in torch's cache
HUB_CHECKSUM = re.compile(r"[0-9a-f]{64}")  # the name of a file's content in the hub's cache


@dataclass(frozen=True)
class TimmWeights(WeightsFile):
    """A file that timm's entry for a network names.

    `url` is "" where timm has no weights for it. `repository` is the one on the Hugging Face Hub, and `older` the name
    of a file from before timm used that.
    """

    repository: str = ""
    older: str = ""

    @property
    def path(self) -> Path:
        """The file's path in the first cache that has it; downloads go to torch's."""
        cached = [*self._in_hub_cache(), *([cache_folder() / self.older] if self.older else [])]
        return next((path for path in cached if path.is_file()), cache_folder() / self.filename)

    @property
    def availability(self) -> Availability:
        if not self.url:
            return "not published"
        return "cached" if self.path.is_file() else "needs a download"

    def is_intact(self) -> bool:
        """Whether the file exists and has the checksum that its cache knows, if any; reads the whole file."""
        path = self.path
        if not self.url or not path.is_file():
            return False
        content, named = path.resolve().name, CHECKSUM.search(path.name)
        checksum = content if HUB_CHECKSUM.fullmatch(content) else named[1] if named else ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest().startswith(checksum)

    def how_to_get(self, network: str) -> str:
        if self.url:
            return super().how_to_get(network)
        return "timm has none: choose other weights of that network, a file of your own, or untrained ones"

    def _in_hub_cache(self) -> list[Path]:
        from huggingface_hub import try_to_load_from_cache

        if not self.repository:
            return []
        cached = (try_to_load_from_cache(self.repository, name) for name in HUB_FILES)
        return [Path(path) for path in cached if isinstance(path, str)]
