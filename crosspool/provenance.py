"""Everything that decides the maps and P of an image, for files of results and for captions."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from crosspool import __version__
from crosspool.backbones import Architecture
from crosspool.framing import Framing
from crosspool.grids import Size
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import Border
from crosspool.text import printable, size_text

LONGEST_NAME = 60  # characters of an image's name in a caption


def pair_as_json(pair: LayerPair, lower_size: Size, upper_size: Size) -> dict[str, Any]:
    """A pair as JSON: channels, the geometry of its convolution, and the sizes of its maps."""
    names = ("id", "label", "lower_channels", "upper_channels", *pair.geometry)
    sizes = {"lower_size": lower_size, "upper_size": upper_size, "feature_length": pair.feature_length}
    values = {name: getattr(pair, name) for name in names} | sizes
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@dataclass(frozen=True)
class Provenance:
    """A network and everything else that decides the maps and P of an image.

    `weights` is "pretrained", "untrained", "own module" or a file's path, `weights_checksum` the SHA-256 of that file,
    or the beginning of it for pretrained weights, or a module's fingerprint, or None. `size` is the side of the input
    in pixels, and `engine` what computed the maps, such as "onnxruntime 1.32.0".
    """

    architecture: Architecture
    weights: str
    weights_checksum: str | None
    pair: LayerPair
    size: int
    framing: Framing
    signed: bool
    border: Border
    device: str
    engine: str

    @property
    def network(self) -> str:
        """The network's title, with a note if its weights are not the pretrained ones."""
        return self.architecture.spec.titled(self.weights)

    @property
    def map_sizes(self) -> tuple[Size, Size]:
        return self.architecture.map_sizes(self.pair, self.size)

    @property
    def is_signed(self) -> bool:
        """Whether weights can be negative: they are not rectified, and the layer has negative values."""
        return self.signed and self.pair.can_be_negative

    def settings(self) -> dict[str, Any]:
        """As JSON, for a file of results."""
        others = {name: value for name, value in vars(self).items() if name != "architecture"}
        return (
            {"backbone": self.architecture.spec.name}
            | others
            | {
                "weights": Path(self.weights).name,
                "pair": pair_as_json(self.pair, *self.map_sizes),
                "versions": {
                    "crosspool": __version__,
                    "torch": version("torch"),
                    "torchvision": version("torchvision"),
                },
            }
        )

    def caption(self, name: str) -> str:
        """The caption for an image of this name, in one line."""
        pair, (_, upper) = self.pair, self.map_sizes
        channels = f"{pair.lower_channels:,} → {pair.upper_channels:,}, {size_text(pair.kernel_size)}"
        parts = [
            _shortened(printable(name)),
            self.network,
            f"{pair.label} ({channels})",
            f"{size_text(upper)} maps",
            f"input {size_text((self.size, self.size))}",
            *(["squashed"] if self.framing == "squash" else []),
            *(["signed"] if self.signed else []),
            *(["only whole patches"] if self.border == "valid" else []),
        ]
        return " · ".join(parts)


def _shortened(name: str) -> str:
    """A name that leaves room for the rest of the line; its end stays, as the files of a series differ in it."""
    if len(name) <= LONGEST_NAME:
        return name
    half = (LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
