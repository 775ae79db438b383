"""What the commands record about how something was computed, and what they share in computing it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crosspool.cli.options import (
    DEFAULT_BACKBONE,
    BackboneName,
    Border,
    BorderChoice,
    Device,
    Framing,
    Pair,
    Signed,
    Size,
    Weights,
    side,
)

if TYPE_CHECKING:
    from torch import Tensor

    from crosspool.activations import PairActivations
    from crosspool.backbones import Backbone
    from crosspool.provenance import Provenance


@dataclass(frozen=True)
class MapOptions:
    """The network, and everything else that decides which maps and which P an image gets."""

    backbone: BackboneName = DEFAULT_BACKBONE
    pair: Pair = None
    size: Size = None
    framing: Framing = "crop"
    signed: Signed = False
    border: Border = "zero"
    weights: Weights = None
    device: Device = "auto"

    def load(self) -> "tuple[Backbone, Provenance]":
        """Check all settings, the cheap ones first, and load the network."""
        from crosspool.backbones import UNTRAINED, architecture, load_backbone
        from crosspool.provenance import Provenance

        structure = architecture(self.backbone)
        pixels = side(structure.spec, self.size)
        pair = structure.default_pair if self.pair is None else structure.pair(self.pair)
        structure.layout(pixels)
        network = load_backbone(self.backbone, self.weights, self.device)
        checksum: str | None = structure.spec.weights.checksum
        if self.weights is not None:
            checksum = None if self.weights == UNTRAINED else file_checksum(self.weights)
        device = str(network.device)
        return network, Provenance(
            self.backbone, network.weights, checksum, pair, pixels, self.framing, self.signed, self.border, device
        )


def pooled(maps: "PairActivations", border: BorderChoice) -> "Tensor":
    """P of a batch, (B, D_{t+1}, D_t*m*n)."""
    from crosspool.pooling import cross_layer_pool

    return cross_layer_pool(maps.lower, maps.upper, **maps.pair.geometry, border=border)


def file_checksum(path: str) -> str | None:
    """The SHA-256 of a file; None for a pipe, which cannot be read twice."""
    if not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
