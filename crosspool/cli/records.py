"""What the commands write down about how something was computed, and what they share in computing it."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosspool.cli.options import BorderChoice, FramingChoice, side

if TYPE_CHECKING:
    from crosspool.activations import PairActivations
    from crosspool.backbones import Backbone
    from crosspool.recipe import Recipe


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
) -> "tuple[Backbone, Recipe]":
    """Check all settings, the cheap ones first, and load the network."""
    from crosspool.backbones import UNTRAINED, architecture, load_backbone
    from crosspool.recipe import Recipe

    structure = architecture(backbone)
    pixels = side(structure.spec, size)
    chosen = structure.default_pair if pair is None else structure.pair(pair)
    structure.layout(pixels)
    network = load_backbone(backbone, weights, device)
    if weights is None:
        checksum: str | None = structure.spec.weights.checksum
    else:
        checksum = None if weights == UNTRAINED else file_checksum(weights)
    how = Recipe(
        backbone, network.weights, checksum, chosen, pixels, framing, signed, border, device=str(network.device)
    )
    return network, how


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
