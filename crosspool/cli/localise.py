"""`localise`: whether weighting maps find the parts that FieldGuide's species differ in."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import print_json, print_table, print_wrapped
from crosspool.cli.labelled import Seed
from crosspool.cli.options import (
    DEFAULT_BACKBONE,
    BackboneName,
    Device,
    Engine,
    Json,
    Pair,
    Weights,
    option,
    size_option,
)
from crosspool.cli.progress import images_progress
from crosspool.text import Column

if TYPE_CHECKING:
    import numpy as np

    from crosspool.evaluation.intervals import Interval
    from crosspool.localisation import Example, PartResult


def localise_command(
    per_class: Annotated[int, option("N", "How many images of each species.", min=2)] = 30,
    backbone: BackboneName = DEFAULT_BACKBONE,
    pair: Pair = None,
    size: Annotated[int | None, size_option("twice the network's own")] = None,
    weights: Weights = None,
    device: Device = "auto",
    engine: Engine = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure how well single channels find parts of FieldGuide's birds.

    For each part the channel with the best average precision on half of the images is measured on the other half:
    of the pair's upper map, and beside it of the layer below. Takes a few minutes.
    """
    from crosspool.backbones import load_backbone
    from crosspool.datasets.fieldguide.guide import fieldguide, image_and_masks
    from crosspool.evaluation.splits import stratified_splits
    from crosspool.localisation import find_best_channels

    def examples(indices: "np.ndarray") -> "Iterator[Example]":
        """The maps and masks of some of the guide's images, drawn one at a time."""
        for index in indices:
            drawing = image_and_masks(int(index), per_class, seed=seed)
            maps = network.activations(drawing.image, chosen, side, framing="squash")
            yield {"upper": maps.upper[0].cpu(), "lower": maps.lower[0].cpu()}, drawing.masks

    network = load_backbone(backbone, weights, device, engine=engine)
    chosen = network.architecture.default_pair if pair is None else network.architecture.pair(pair)
    side = size or 2 * network.spec.preprocessing.size
    guide = fieldguide(per_class, seed=seed)
    (split,) = stratified_splits(guide.targets, 1, 0.5, seed)
    with images_progress() as bar:
        task = bar.add_task("Localising parts", total=len(guide))
        results = find_best_channels(examples(split.train), examples(split.test), lambda: bar.advance(task))
    if json:
        settings = {"backbone": backbone, "weights": Path(network.weights).name, "pair": chosen.id, "size": side}
        images = {"seed": seed, "training_images": len(split.train), "test_images": len(split.test)}
        parts = [asdict(part) for part in results]
        print_json({**settings, "per_class": per_class, **images, "parts": parts})
        return
    _print_table(results)
    typer.echo()
    print_wrapped(
        f"{network.title}, {chosen.label}, input {side}×{side}: the upper map, and the lower one that it "
        f"weights. Channels chosen on {len(split.train)} images, measured on {len(split.test)} others (seed {seed}). "
        "AP: average precision of the map against the mask. Pointing: the share of the peak's cell that the part "
        "covers, averaged, also over peaks that are tied. Chance: the part's share of the image. Intervals: 95 %, "
        "bootstrap over the images."
    )


def _print_table(results: "list[PartResult]") -> None:
    def percent(value: float, interval: "Interval | None") -> str:
        ends = "" if interval is None else f" [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
        return f"{100 * value:.1f}{ends}"

    print_table(
        [
            Column("part", [result.part for result in results]),
            Column("layer", [result.layer for result in results]),
            Column("channel", [str(result.channel) for result in results], right=True),
            Column("images", [str(result.images) for result in results], right=True, optional=1),
            Column("AP %", [percent(result.precision, result.precision_interval) for result in results]),
            Column("pointing %", [percent(result.pointing, result.pointing_interval) for result in results]),
            Column("chance %", [f"{100 * result.chance:.1f}" for result in results], right=True),
        ]
    )
