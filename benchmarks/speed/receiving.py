"""What it costs to receive an image: in the server itself, and in a worker as the app does it.

python -m benchmarks.speed.receiving
"""

from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import typer
from PIL import Image

from benchmarks.harness.command import milliseconds, print_markdown
from benchmarks.harness.images import encoded
from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.ui.runtime.decode_worker import stored_image
from crosspool.ui.runtime.decoder_pool import DecoderPool
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.images import STORAGE_FORMAT

ROUNDS = 9
IMAGE_SIZES = {"1 MP": (1155, 866), "12 MP": (4000, 3000), "50 MP": (8160, 6120)}
HEADER = [
    "JPEG", "decoded, ms", "received in the server, ms", "received in a worker, ms", "decoded when looked at, ms",
    "its pixels, kB", "stored, kB",
]  # fmt: skip


def photograph(size: tuple[int, int]) -> bytes:
    """A JPEG of a sample at that size, with grain, so that it has the bytes of a photograph."""
    image = Image.open(samples()[0].path).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, 4, (size[1], size[0], 1))
    return encoded(Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8)), "JPEG", quality=90)


def median_ms(work: Callable[[], object]) -> str:
    """The median of some rounds; the first, in which a worker is started, does not count."""
    work()
    return f"{median(milliseconds(work) for _ in range(ROUNDS)):.0f}"


def main() -> None:
    """Print a row for each size."""
    decoders, rows = DecoderPool(ServerSettings(), width=1), []
    for name, size in IMAGE_SIZES.items():
        data = photograph(size)
        stored = stored_image(data, name, STORAGE_FORMAT).file
        decoded = load_image(stored)
        ways: tuple[Callable[[], object], ...] = (
            partial(load_image, data),
            partial(stored_image, data, "", STORAGE_FORMAT),
            partial(decoders.store, data, "", STORAGE_FORMAT),
            partial(load_image, stored),
        )
        kilobytes = [f"{count / 1000:,.0f}" for count in (3 * decoded.width * decoded.height, len(stored))]
        rows.append([f"{name}, {len(data) / 2**20:.1f} MB", *map(median_ms, ways), *kilobytes])
    decoders.close()
    print_markdown(HEADER, rows)


if __name__ == "__main__":
    typer.run(main)
