"""A store of features without a network: small pictures, codes and channels of images that nobody has taken.

Images of a class share their colour, some of their channels and most of their code's bits; one in a hundred is nearly
the same as the one before it.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from safetensors.numpy import save

from crosspool.shards.place import Place
from crosspool.shards.plan import LEARNED, PLAN, Plan
from crosspool.shards.rows import Row, Shape, ShardWriter
from crosspool.shards.store import Store

CHANNELS = 1280  # of the last layer pair of EfficientNet-Lite0
CELLS = 49  # of its maps, at an input of 224 pixels
ACTIVE, OWN_CHANNELS = 60, 6  # channels of an image, and of them those of its class
BITS, FLIPPED, FLIPPED_IN_COPY = 1024, 250, 6  # of a code
COPY_EVERY = 100
LONGER, SHORTER = 160, (90, 160)  # pixels of a small picture's sides
SHARD = 1000
NOTHING = save({})  # is learned


@dataclass(frozen=True)
class GeneratedImages:
    """Images by their numbers; `unread` ones could not be read."""

    images: int
    classes: int
    unread: Sequence[int] = ()

    def row(self, number: int) -> Row:
        """What a store keeps of an image."""
        label = label_of(number % self.classes) if self.classes else None
        path = f"{label or 'images'}/image {number:07}.jpg"
        if number in self.unread:
            return Row(path, label, None, f"{path} is not an image.")
        original = number - 1 if number % COPY_EVERY == COPY_EVERY - 1 else number
        kind, drawn = original % max(self.classes, 1), np.random.default_rng([1, original])
        peak = np.zeros(CHANNELS, np.float16)
        active = np.concatenate([_channels_of(kind), drawn.choice(CHANNELS, ACTIVE - OWN_CHANNELS, replace=False)])
        peak[active] = drawn.gamma(2.0, 1.0, ACTIVE)
        peak[active[:OWN_CHANNELS]] += 2
        return Row(
            path, label, None, sha256=number.to_bytes(32), vector=np.zeros(1, np.float32),
            code=_code(kind, original, number), peak=peak, energy=(3 * peak).astype(np.float16),
            cell=drawn.integers(0, CELLS, CHANNELS).astype(np.uint16), thumbnail=_picture(kind, drawn),
        )  # fmt: skip


def generated_store(
    folder: str, images: int, *, classes: int = 50, unread: Sequence[int] = (), fingerprint: str = ""
) -> Store:
    """A store in a new folder, of so many images; `fingerprint` is that of the network that seems to have made it."""
    plan, place = plan_of_generated(images, classes, fingerprint), Place(folder)
    generated = GeneratedImages(images, classes, unread)
    place.prepare()
    place.write_once(LEARNED, NOTHING)
    learned = hashlib.sha256(NOTHING).hexdigest()
    for number in range(plan.shards):
        shape = Shape(4, BITS // 8, CHANNELS)
        origin = plan.origin(number, learned)
        with place.new_file(plan.shard_name(number)) as path, ShardWriter(path, shape, origin) as writer:
            for each in plan.places(number):
                writer.append(generated.row(each))
    place.write_once(PLAN, plan.model_dump_json().encode())
    return Store.opened(folder)


def label_of(number: int) -> str:
    """The name of a class."""
    return f"{number:03}.Kind_{number}"


def plan_of_generated(images: int, classes: int, fingerprint: str) -> Plan:
    """A plan that the included network could have."""
    return Plan(
        name="generated", layout="Generated.", problems=[], images=images, listing="", shard=SHARD, method="gem@224",
        framing="crop", backbone="efficientnet_lite0", weights="pretrained", fingerprint=fingerprint, others={},
        engine="torch", device="cpu", seed=0, sample=1, versions={},
        classes=[label_of(number) for number in range(classes)], outputs=1000,
    )  # fmt: skip


def _channels_of(kind: int) -> NDArray[np.intp]:
    return np.random.default_rng([2, kind]).choice(CHANNELS, OWN_CHANNELS, replace=False)


def _code(kind: int, original: int, number: int) -> NDArray[np.uint64]:
    bits = np.random.default_rng([3, kind]).integers(0, 2, BITS, np.uint8)
    for seed, count in ((original, FLIPPED), (number, FLIPPED_IN_COPY if number != original else 0)):
        bits[np.random.default_rng([4, seed]).choice(BITS, count, replace=False)] ^= 1
    return np.packbits(bits, bitorder="little").view(np.uint64)


def _picture(kind: int, drawn: np.random.Generator) -> bytes:
    """A coloured ground with a few discs, as JPEG."""
    sides = [LONGER, int(drawn.integers(*SHORTER))]
    colour = np.random.default_rng([5, kind]).integers(40, 216, 3)
    image = Image.new("RGB", tuple(drawn.permuted(sides).tolist()), tuple(colour.tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, radius = (int(drawn.integers(low, high)) for low, high in ((0, LONGER), (0, LONGER), (6, 40)))
        fill = tuple(np.clip(colour + drawn.integers(-90, 90, 3), 0, 255).tolist())
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    noisy = np.asarray(image, np.int16) + drawn.integers(-12, 12, (image.height, image.width, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=80)
    return file.getvalue()
