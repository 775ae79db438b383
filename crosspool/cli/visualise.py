"""`visualise-channels`: what the channels of a layer pair look for, as images and one sprite of all of them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crosspool.cli import inputs, options
from crosspool.cli.options import option
from crosspool.cli.outputs import checked_folder, replacing
from crosspool.cli.progress import images_progress
from crosspool.errors import SettingError
from crosspool.strict_json import json_text
from crosspool.text import human_bytes, plural

if TYPE_CHECKING:
    from crosspool.backbones import Backbone
    from crosspool.layer_pairs import LayerPair
    from crosspool.visualisation import Recipe

BATCH = 16  # channels optimised together
MADE, SPRITE = "made.json", "sprite.webp"
CHANNELS = options.channels_option("Channels such as 0,5,12-20.", default="all")
FOLDER = option("FOLDER", "Where the images go; an interrupted run goes on there.", "--out", "-o")
SIZE = option("PIXELS", "Side of each image while it is optimised.", min=32, max=512)
STEPS = option("N", "Steps of the optimisation.", min=1, max=4096)
SEED = option("N", "The seed of the noise that it starts from, and of the moves.", min=0)


def visualise_channels_command(
    out: Annotated[str, FOLDER],
    backbone: options.BackboneName = options.DEFAULT_BACKBONE,
    pair: options.Pair = None,
    channels: Annotated[str | None, CHANNELS] = None,
    size: Annotated[int, SIZE] = 128,
    steps: Annotated[int, STEPS] = 96,
    seed: Annotated[int, SEED] = 0,
    weights: options.Weights = None,
    device: options.Device = "auto",
) -> None:
    """Make images that show what channels look for, by optimisation from noise (Olah et al., Distill 2017).

    The folder gets a PNG for each channel, and sprite.webp with sprite.json: all of them as small tiles. A run that was
    interrupted goes on where it ended.
    """
    folder = checked_folder(out)
    assert folder is not None
    from crosspool.backbones import UNTRAINED, load_backbone, spec_of
    from crosspool.sprites import description, write_sprite
    from crosspool.visualisation import Recipe

    recipe = Recipe(size, steps, seed=seed)
    network = load_backbone(backbone, weights, device)
    layer_pair = network.architecture.default_pair if pair is None else network.architecture.pair(pair)
    count = layer_pair.upper_channels
    chosen = list(range(count)) if channels is None else sorted(set(options.channel_list(channels, count)))
    checksum = spec_of(backbone).weights.checksum or None
    if weights is not None:
        checksum = None if weights == UNTRAINED else inputs.file_checksum(weights)
    made = description(backbone, checksum, layer_pair, recipe)
    _begin(folder, made)
    _write_missing(folder, network, layer_pair, chosen, recipe)
    sprite = write_sprite(folder / SPRITE, {channel: _read(folder, channel) for channel in chosen}, made)
    typer.echo(
        f"Wrote {plural(len(chosen), 'image')} and {SPRITE} ({human_bytes(sprite.path.stat().st_size)}) to {out}"
    )


def _begin(folder: Path, made: dict[str, Any]) -> None:
    """Write down what the folder is for. Raises SettingError where it holds the images of other settings."""
    folder.mkdir(exist_ok=True)
    path = folder / MADE
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(json_text(made, indent=2) + "\n", encoding="utf-8")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name in made if before.get(name) != made[name]]
    except (ValueError, AttributeError) as error:
        raise SettingError(f"{path} is damaged; choose another folder for --out.") from error
    if other:
        names = ", ".join(f"{name} {before.get(name)}" for name in other)
        raise SettingError(f"{folder} holds images made with {names}; choose another folder for --out.")


def _write_missing(folder: Path, network: "Backbone", pair: "LayerPair", channels: list[int], recipe: "Recipe") -> None:
    """Make the images that the folder lacks, a few at a time."""
    from crosspool.visualisation import visualise_channels

    missing = [channel for channel in channels if not _path(folder, channel).exists()]
    with images_progress() as progress:
        present = len(channels) - len(missing)
        task = progress.add_task("Optimising images", total=len(channels), completed=present)
        for start in range(0, len(missing), BATCH):
            batch, before = missing[start : start + BATCH], present + start

            def show(step: int, steps: int, batch: list[int] = batch, before: int = before) -> None:
                progress.update(task, completed=before + len(batch) * step / steps)

            for channel, image in zip(batch, visualise_channels(network, pair, batch, recipe, show), strict=True):
                with replacing(_path(folder, channel)) as temporary:
                    image.save(temporary, "PNG")
            progress.update(task, completed=before + len(batch))


def _path(folder: Path, channel: int) -> Path:
    return folder / f"channel-{channel:04d}.png"


def _read(folder: Path, channel: int) -> Any:
    from PIL import Image

    with Image.open(_path(folder, channel)) as image:
        return image.convert("RGB")
