"""What commands compute with: a network with its settings, and the images that are named on the command line."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli import options
from crosspool.cli.console import complain
from crosspool.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from crosspool.backbones import Backbone
    from crosspool.layer_pairs import PairActivations
    from crosspool.provenance import Provenance

SKIP_HELP = "Name images that cannot be read, and continue without them."
SkipErrors = Annotated[bool, typer.Option("--skip-errors", help=SKIP_HELP)]
BORDER_HELP = "zero: pad patches as the network does; valid: only patches that lie inside."


@dataclass(frozen=True)
class MapOptions:
    """The network, and every setting that decides which maps and which P an image gets."""

    backbone: options.BackboneName = options.DEFAULT_BACKBONE
    pair: options.Pair = None
    size: options.Size = None
    framing: options.Framing = "crop"
    signed: Annotated[bool, typer.Option("--signed", help="Keep negative weights; otherwise max(0, a).")] = False
    border: Annotated[options.BorderChoice, typer.Option(help=BORDER_HELP)] = "zero"
    weights: options.Weights = None
    device: options.Device = "auto"

    def load(self) -> "tuple[Backbone, Provenance]":
        """Check all settings, the cheap ones first, and load the network."""
        from crosspool.backbones import UNTRAINED, architecture, load_backbone
        from crosspool.provenance import Provenance

        structure = architecture(self.backbone)
        pixels = options.side(structure.spec, self.size)
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


def maps_and_pooled(
    network: "Backbone", provenance: "Provenance", images: "Image | Sequence[Image]"
) -> "tuple[PairActivations, Tensor]":
    """The maps of images under these settings, and their P, (B, D_{t+1}, D_t*m*n)."""
    from crosspool.pooling import cross_layer_pool

    pair, size, framing, signed = provenance.pair, provenance.size, provenance.framing, provenance.signed
    maps = network.activations(images, pair, size, framing=framing, signed=signed)
    return maps, cross_layer_pool(maps.lower, maps.upper, **pair.geometry, border=provenance.border)


def read_images(paths: Sequence[str], skipped: list[str], *, skip_errors: bool) -> "Iterator[tuple[str, Image]]":
    """Each path with its image. One that cannot be read is reported and added to `skipped`, or raises ImageError."""
    from crosspool.images import load_image

    for path in paths:
        try:
            yield path, load_image(path)
        except ImageError as error:
            if not skip_errors:
                raise
            skipped.append(path)
            complain(f"skipped: {error}")


def none_read(paths: Sequence[str], purpose: str) -> ImageError:
    return ImageError(f"None of the {len(paths)} images could be read, so there is nothing to {purpose}.")


def file_checksum(path: str) -> str | None:
    """The SHA-256 of a file; None for a pipe, which cannot be read twice."""
    if not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
