"""What the commands write down about pairs and about how something was computed."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosspool import __version__
from crosspool.cli.options import BorderChoice, FramingChoice, side

if TYPE_CHECKING:
    from crosspool.activations import PairActivations
    from crosspool.backbones import Backbone
    from crosspool.layer_pairs import LayerPair, Size


def times(size: "Size") -> str:
    """(13, 13) as 13x13."""
    return f"{size[0]}x{size[1]}"


def geometry(pair: "LayerPair", lower_size: "Size", upper_size: "Size") -> dict[str, Any]:
    """A pair as JSON: channels, how its convolution walks, and its maps' sizes."""
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
class Recipe:
    """A loaded network and everything else that decides what comes out for an image."""

    backbone: "Backbone"
    pair: "LayerPair"
    size: int
    framing: FramingChoice
    signed: bool
    border: BorderChoice
    weights_checksum: str | None
    """SHA-256 of the weights' file, or its beginning for the pretrained ones; None for untrained weights."""

    @property
    def network(self) -> str:
        """The network for people, with a mark where its weights are not the pretrained ones."""
        return self.backbone.title

    @property
    def map_sizes(self) -> tuple["Size", "Size"]:
        return self.backbone.architecture.map_sizes(self.pair, self.size)

    def settings(self) -> dict[str, Any]:
        """As JSON, for a file of results."""
        return {
            "backbone": self.backbone.spec.name,
            "weights": Path(self.backbone.weights).name,
            "weights_checksum": self.weights_checksum,
            "pair": geometry(self.pair, *self.map_sizes),
            "size": self.size,
            "framing": self.framing,
            "signed": self.signed,
            "border": self.border,
            "device": str(self.backbone.device),
            "versions": {
                "crosspool": __version__,
                "torch": version("torch"),
                "torchvision": version("torchvision"),
            },
        }


def recipe(
    *,
    backbone: str,
    weights: str | None,
    device: str,
    pair: str | None,
    size: int | None,
    framing: FramingChoice,
    signed: bool,
    border: BorderChoice,
) -> Recipe:
    """Check all settings, the cheap ones first, and load the network."""
    from crosspool.backbones import UNTRAINED, architecture, load_backbone

    structure = architecture(backbone)
    pixels = side(structure.spec, size)
    chosen = structure.default_pair if pair is None else structure.pair(pair)
    structure.layout(pixels)
    network = load_backbone(backbone, weights, device)
    if weights is None:
        checksum: str | None = structure.spec.weights.checksum
    else:
        checksum = None if weights == UNTRAINED else file_checksum(weights)
    return Recipe(network, chosen, pixels, framing, signed, border, checksum)


def pooled(maps: "PairActivations", border: BorderChoice) -> Any:
    """P of a batch, (B, D_{t+1}, D_t*m*n)."""
    from crosspool.pooling import cross_layer_pool

    pair = maps.pair
    return cross_layer_pool(
        maps.lower,
        maps.upper,
        **pair.geometry,
        border=border,
    )


def file_checksum(path: str) -> str | None:
    """The SHA-256 of a file; None for a pipe, which cannot be read twice."""
    if not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
