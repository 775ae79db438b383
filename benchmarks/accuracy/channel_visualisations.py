"""Do visualisations show what channels look for? `python -m benchmarks.accuracy.channel_visualisations PNGS PHOTOS`.

For each channel of the default pair: its mean before the non-linearity on the image that `crosspool visualise-channels`
wrote into the folder PNGS, and on the tile that comes with crosspool, enlarged again, beside the largest of that mean
on random square crops of the photos in the folder PHOTOS, scaled to the same size.
"""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.harness.command import met_or_missed, print_table
from crosspool.backbones import Backbone, load_backbone
from crosspool.images import load_image
from crosspool.layer_pairs import LayerPair
from crosspool.sprites import included_sprite
from crosspool.visualisation import channel_means

SHARE = 0.95  # of the channels that should beat every crop
SMALLEST = 0.3  # side of a crop, over the shorter side of its photo
BATCH = 32

Values = NDArray[np.float32]


def random_crops(photos: Sequence[Path], count: int, size: int, seed: int) -> Iterator[Image.Image]:
    """Squares of random photos, sides and places, scaled to `size` pixels."""
    generator = random.Random(seed)
    for _ in range(count):
        photo = load_image(generator.choice(photos))
        side = round(min(photo.size) * generator.uniform(SMALLEST, 1))
        left, top = (generator.randint(0, length - side) for length in photo.size)
        box = (left, top, left + side, top + side)
        yield photo.resize((size, size), Image.Resampling.LANCZOS, box=box)


def as_batch(images: Sequence[Image.Image]) -> Tensor:
    """Images as (B, 3, H, W), from 0 to 1."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2) / 255


def all_means(backbone: Backbone, pair: LayerPair, images: Sequence[Image.Image]) -> Values:
    """The mean of every channel on every image, (images, channels)."""
    with torch.no_grad():
        batches = (as_batch(images[start : start + BATCH]) for start in range(0, len(images), BATCH))
        return np.concatenate([channel_means(backbone, pair, batch).numpy() for batch in batches])


def main(
    pngs: Annotated[Path, typer.Argument(help="The folder that crosspool visualise-channels wrote.")],
    photos: Annotated[Path, typer.Argument(help="A folder of photos, searched through.")],
    crops: Annotated[int, typer.Option(help="How many.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the crops.")] = 0,
) -> None:
    """Print how many channels their visualisation excites more than any crop does, and by how much."""
    made = json.loads((pngs / "made.json").read_text(encoding="utf-8"))
    backbone = load_backbone(made["backbone"])
    pair, size = backbone.architecture.pair(made["pair"]), made["size"]
    sprite = included_sprite(made["backbone"], made["pair"])
    assert sprite is not None
    channels = list(sprite.channels)
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    natural = all_means(backbone, pair, list(random_crops(files, crops, size, seed)))
    best, spread = natural.max(axis=0)[channels], natural.std(axis=0)[channels]
    kinds = {
        f"optimised, {size} px": [load_image(pngs / f"channel-{channel:04d}.png") for channel in channels],
        f"shipped tile, {sprite.tile} px, enlarged": [
            sprite.image_of(channel).resize((size, size), Image.Resampling.BICUBIC) for channel in channels
        ],
    }
    rows = []
    for name, images in kinds.items():
        own = all_means(backbone, pair, images)[np.arange(len(channels)), channels]
        ahead = (own - best) / spread
        share = float((own > best).mean())
        quantiles = [f"{value:.1f}" for value in np.percentile(ahead, (5, 50, 95))]
        rows.append([name, f"{100 * share:.1f} %", f">= {100 * SHARE:g} %", met_or_missed(share >= SHARE), *quantiles])
    print(f"{len(channels)} channels of {pair.label}; {crops} crops of {len(files)} photos, seed {seed}")
    header = ["image", "beats every crop", "limit", "", "ahead by: 5 %", "median", "95 %"]
    print_table("means before the non-linearity; ahead in standard deviations over the crops", header, rows)


if __name__ == "__main__":
    typer.run(main)
