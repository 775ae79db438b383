"""The images that channels look for, as one file: tiles side by side, and beside them how they were made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from crosspool import __version__
from crosspool.backbones import PRETRAINED, spec_of
from crosspool.layer_pairs import LayerPair
from crosspool.strict_json import json_text
from crosspool.visualisation import Recipe
from crosspool.whole_files import whole_file

TILE = 64  # pixels a side
COLUMNS = 40
QUALITY = 80  # of WebP
INCLUDED = Path(__file__).with_name("gallery") / "visualisations"


@dataclass(frozen=True)
class Sprite:
    """Tiles of all channels of one layer pair, in rows from the left: an image, and its description beside it.

    Attributes:
        path: The WebP file.
        tile: The side of a tile in pixels.
        columns: Tiles in a row.
        channels: The channels shown, in order.
        made: The network, pair and recipe, and crosspool's version.

    Example:
        >>> from crosspool.sprites import included_sprite
        >>> sprite = included_sprite("efficientnet_lite0", "conv_head")
        >>> len(sprite.channels), sprite.image_of(899).size
        (1280, (64, 64))
    """

    path: Path
    tile: int
    columns: int
    channels: tuple[int, ...]
    made: Mapping[str, Any]

    @cached_property
    def image(self) -> Image.Image:
        """All tiles, decoded once."""
        return Image.open(self.path).convert("RGB")

    def image_of(self, channel: int) -> Image.Image:
        """The tile of a channel. Raises ValueError for a channel without one."""
        row, column = divmod(self.channels.index(channel), self.columns)
        left, top = column * self.tile, row * self.tile
        return self.image.crop((left, top, left + self.tile, top + self.tile))


def write_sprite(path: Path, images: Mapping[int, Image.Image], made: Mapping[str, Any]) -> Sprite:
    """Write the images of channels as a sprite, and its description beside it. Raises OSError."""
    channels = sorted(images)
    rows = -(-len(channels) // COLUMNS)
    sheet = Image.new("RGB", (min(len(channels), COLUMNS) * TILE, rows * TILE))
    for place, channel in enumerate(channels):
        row, column = divmod(place, COLUMNS)
        sheet.paste(images[channel].resize((TILE, TILE), Image.Resampling.LANCZOS), (column * TILE, row * TILE))
    with whole_file(path) as temporary:
        sheet.save(temporary, "WEBP", quality=QUALITY, method=6)
    sprite = Sprite(path, TILE, COLUMNS, tuple(channels), made)
    with whole_file(path.with_suffix(".json")) as temporary:
        temporary.write_text(json_text(_description(sprite), indent=2) + "\n", encoding="utf-8")
    return sprite


def _description(sprite: Sprite) -> dict[str, Any]:
    return {**sprite.made, "tile": sprite.tile, "columns": sprite.columns, "channels": list_text(sprite.channels)}


def read_sprite(path: Path) -> Sprite:
    """The sprite at a path, whose description lies beside it. Raises OSError and ValueError."""
    made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    tile, columns, channels = made.pop("tile"), made.pop("columns"), made.pop("channels")
    return Sprite(path, tile, columns, channels_of(channels), made)


def included_sprite(backbone: str, pair: str, weights: str = PRETRAINED) -> Sprite | None:
    """The sprite of a layer pair that comes with crosspool; None where there is none, or for other weights.

    Args:
        backbone: The network's name.
        pair: The id of the pair.
        weights: "pretrained", or anything else, for which there is none.

    Returns:
        Sprite: Its tiles and how they were made, or None.
    """
    sprite = _included_sprites().get(f"{backbone}-{pair}")
    if sprite is None or weights != PRETRAINED:
        return None
    return sprite if sprite.made["weights_checksum"] == spec_of(backbone).weights.checksum else None


@cache
def _included_sprites() -> dict[str, Sprite]:
    """The sprites that come with crosspool by network and pair, so that none is read or decoded twice."""
    return {path.stem: read_sprite(path) for path in INCLUDED.glob("*.webp")}


def description(backbone: str, weights_checksum: str | None, pair: LayerPair, recipe: Recipe) -> dict[str, Any]:
    """What decides which images come out, as JSON."""
    network = {"backbone": backbone, "weights_checksum": weights_checksum, "pair": pair.id}
    return {**network, **asdict(recipe), "version": __version__}


# --- channels as text: 0-5,7


def list_text(channels: Sequence[int]) -> str:
    """Ascending channels as text, with runs joined: (0, 1, 2, 5) as "0-2,5"."""
    runs: list[list[int]] = []
    for channel in channels:
        if runs and channel == runs[-1][1] + 1:
            runs[-1][1] = channel
        else:
            runs.append([channel, channel])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)


def channels_of(text: str) -> tuple[int, ...]:
    """The channels of such a text. Raises ValueError."""
    ends = [part.split("-") for part in text.split(",")]
    return tuple(channel for end in ends for channel in range(int(end[0]), int(end[-1]) + 1))
