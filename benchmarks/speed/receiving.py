"""What it costs to receive a picture: in the server itself, and in a worker as the app does it.

python -m benchmarks.speed.receiving
"""

import statistics
import time
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image

from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.tables import Column, pipes
from crosspool.ui.runtime.decode_worker import keep
from crosspool.ui.runtime.decoder_pool import Workers
from crosspool.ui.visit.pictures import STORAGE_FORMAT

ROUNDS = 9
SIZES = {"1 MP": (1155, 866), "12 MP": (4000, 3000), "50 MP": (8160, 6120)}


def photograph(size: tuple[int, int], quality: int = 90) -> bytes:
    """A JPEG of a sample at that size, with grain, so that it has the bytes of a photograph."""
    picture = Image.open(samples()[0].path).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    grain = np.random.default_rng(0).normal(0, 4, (size[1], size[0], 1))
    noisy = (np.asarray(picture) + grain).clip(0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=quality)
    return file.getvalue()


def milliseconds(work: Callable[[], object]) -> float:
    """The median of some rounds; the first, in which a worker is started, does not count."""
    work()
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return statistics.median(found)


def main() -> None:
    workers = Workers(1)
    cells: list[list[str]] = []
    for name, size in SIZES.items():
        data = photograph(size)
        kept = keep(data, name, STORAGE_FORMAT)
        decoded = load_image(kept.file)
        cells.append(
            [
                f"{name}, {len(data) / 2**20:.1f} MB",
                f"{milliseconds(lambda data=data: load_image(data)):.0f}",  # type: ignore[misc]
                f"{milliseconds(lambda data=data: keep(data, '', STORAGE_FORMAT)):.0f}",  # type: ignore[misc]
                f"{milliseconds(lambda data=data: workers.keep(data, '', STORAGE_FORMAT)):.0f}",  # type: ignore[misc]
                f"{milliseconds(lambda file=kept.file: load_image(file)):.0f}",  # type: ignore[misc]
                f"{3 * decoded.width * decoded.height / 1000:,.0f}",
                f"{len(kept.file) / 1000:,.0f}",
            ]
        )
    workers.close()
    titles = [
        "JPEG", "decoded, ms", "received in the server, ms", "received in a worker, ms", "decoded when looked at, ms",
        "its pixels, kB", "kept, kB",
    ]  # fmt: skip
    columns = [
        Column(title, column, right=place > 0)
        for place, (title, column) in enumerate(zip(titles, zip(*cells, strict=True), strict=True))
    ]
    print(pipes(columns))


if __name__ == "__main__":
    main()
