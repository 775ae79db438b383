"""`predict`: the network's own classes."""

from pathlib import Path

import typer

from crosspool.cli.console import print_json, print_labels
from crosspool.cli.options import (
    DEFAULT_BACKBONE,
    BackboneName,
    Device,
    Framing,
    Images,
    Json,
    Size,
    Top,
    Weights,
    side,
)


def predict_command(
    images: Images,
    backbone: BackboneName = DEFAULT_BACKBONE,
    weights: Weights = None,
    device: Device = "auto",
    top: Top = 5,
    size: Size = None,
    framing: Framing = "crop",
    json: Json = False,
) -> None:
    """Name what is in the images, with the network's own classes."""
    from crosspool.backbones import architecture, load_backbone
    from crosspool.images import load_image

    structure = architecture(backbone)
    pixels = side(structure.spec, size)
    structure.layout(pixels)
    network = load_backbone(backbone, weights, device)
    records = []
    for path in images:  # one at a time: a batch is no faster on a CPU, and large photos need their memory
        (best,) = network.predict(load_image(path), top, size=pixels, framing=framing)
        records.append(
            {
                "image": path,
                "backbone": backbone,
                "weights": Path(network.weights).name,
                "size": pixels,
                "predictions": [{"label": label, "probability": probability} for label, probability in best],
            }
        )
        if not json:
            print_labels(path, [(f"{100 * probability:7.1f} %", label) for label, probability in best])
    if json:
        print_json(records)
        return
    meaning = "; these labels mean nothing" if network.weights == "untrained" else ""
    typer.echo(f"\n{network.title}, input {pixels}x{pixels}{meaning}")
