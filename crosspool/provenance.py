"""Everything that decides which maps and which P come out for an image, for files of results and for captions."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from crosspool import __version__
from crosspool.backbones import architecture, backbone_specs
from crosspool.framing import Framing
from crosspool.grids import Size
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import Border
from crosspool.text import printable, size_text

LONGEST_NAME = 60  # characters of an image's name in a caption


def pair_as_json(pair: LayerPair, lower_size: Size, upper_size: Size) -> dict[str, Any]:
    """A pair as JSON: channels, the geometry of its convolution, and the sizes of its maps."""
    return {
        "id": pair.id,
        "label": pair.label,
        "lower_channels": pair.lower_channels,
        "upper_channels": pair.upper_channels,
        "kernel_size": list(pair.kernel_size),
        "stride": list(pair.stride),
        "padding": list(pair.padding),
        "dilation": list(pair.dilation),
        "lower_size": list(lower_size),
        "upper_size": list(upper_size),
        "feature_length": pair.feature_length,
    }


@dataclass(frozen=True)
class Provenance:
    """A network and everything else that decides what comes out for an image.

    `backbone` is its name; `weights` is "pretrained", "untrained" or a file's path, `weights_checksum` the SHA-256 of
    that file, or its beginning for the pretrained ones, or None. `size` is the side of the network's input in pixels.
    """

    backbone: str
    weights: str
    weights_checksum: str | None
    pair: LayerPair
    size: int
    framing: Framing
    signed: bool
    border: Border
    device: str

    @property
    def network(self) -> str:
        """The network's title, with a mark where its weights are not the pretrained ones."""
        return backbone_specs()[self.backbone].titled(self.weights)

    @property
    def map_sizes(self) -> tuple[Size, Size]:
        return architecture(self.backbone).map_sizes(self.pair, self.size)

    @property
    def is_signed(self) -> bool:
        """Whether weights can be negative: they are kept as they are, and the layer has some."""
        return self.signed and self.pair.can_be_negative

    def settings(self) -> dict[str, Any]:
        """As JSON, for a file of results."""
        return {
            "backbone": self.backbone,
            "weights": Path(self.weights).name,
            "weights_checksum": self.weights_checksum,
            "pair": pair_as_json(self.pair, *self.map_sizes),
            "size": self.size,
            "framing": self.framing,
            "signed": self.signed,
            "border": self.border,
            "device": self.device,
            "versions": {
                "crosspool": __version__,
                "torch": version("torch"),
                "torchvision": version("torchvision"),
            },
        }

    def caption(self, name: str) -> str:
        """What is shown of the image of that name, in one line."""
        pair, (_, upper) = self.pair, self.map_sizes
        channels = f"{pair.lower_channels} → {pair.upper_channels}, {size_text(pair.kernel_size)}"
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
    """A name that leaves room for the rest of a line; its end stays, as it tells one file of a series from another."""
    if len(name) <= LONGEST_NAME:
        return name
    half = (LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
