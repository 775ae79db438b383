"""How many forward passes at a time, each of how many threads, yield the most: `python -m benchmarks.speed.at_once`.

Justifies `CORES_PER_COMPUTATION` in `crosspool.ui.runtime.server`. A row is a width of the queue with the threads of
each pass; images a second are a median over rounds in which all rows take turns, and the ratio is to the first row's.
"""

import threading
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.harness.command import options_of, print_table
from benchmarks.harness.timing import machine
from crosspool.backbones import load_backbone
from crosspool.images import load_image
from crosspool.pooling import cross_layer_pool
from crosspool.samples import samples
from crosspool.ui.runtime.server import available_cores

PASSES = 12  # in a round


def together(compute: Callable[[], None], width: int, threads: int) -> tuple[float, float]:
    """Passes a second, and the median seconds of one."""
    took: list[float] = []

    def some() -> None:
        for _ in range(PASSES // width):
            start = time.perf_counter()
            compute()
            took.append(time.perf_counter() - start)

    torch.set_num_threads(threads)
    workers = [threading.Thread(target=some) for _ in range(width)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(took) / (time.perf_counter() - start), median(took)


def main() -> None:
    """Print the table."""
    options = options_of(__doc__, size=(224, "side of the input in pixels"), rounds=9)
    backbone, image = load_backbone(), load_image(samples()[0].path)
    pair = backbone.architecture.default_pair

    def compute() -> None:
        maps = backbone.activations(image, pair, options.size)
        cross_layer_pool(maps.lower, maps.upper, **pair.geometry)

    cores = available_cores()
    widths = [(1, cores), (1, 1), (2, max(cores // 2, 1)), (cores, 1)]
    found: dict[tuple[int, int], list[tuple[float, float]]] = {width: [] for width in dict.fromkeys(widths)}
    for _ in range(options.rounds):
        for (width, threads), rounds in found.items():
            rounds.append(together(compute, width, threads))
    first = median(rate for rate, _ in found[widths[0]])
    rows = []
    for (width, threads), rounds in found.items():
        rate = median(rate for rate, _ in rounds)
        each = 1000 * median(seconds for _, seconds in rounds)
        rows.append([str(width), str(threads), f"{rate:.1f}", f"{rate / first:.2f}", f"{each:.0f}"])
    print(machine())
    header = ["passes at a time", "threads each", "images a second", "ratio", "ms each"]
    print_table(f"{backbone.title}, {options.size} px, maps and pooling", header, rows)


if __name__ == "__main__":
    main()
