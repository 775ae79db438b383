"""How many forward passes at a time, each of how many threads, yield the most: `python -m benchmarks.speed.at_once`.

Justifies `CORES_PER_COMPUTATION` in `crosspool.ui.runtime.server`. A row is a number of passes at a time with the
threads of each pass; images a second are a median over rounds in which all rows take turns, and the ratio is to the
first row's.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Annotated

import torch
import typer

from benchmarks.harness.command import machine, milliseconds, print_table
from crosspool.backbones import load_backbone
from crosspool.flow import available_cores
from crosspool.images import load_image
from crosspool.pooling import cross_layer_pool
from crosspool.samples import samples

PASSES = 12  # in a round


def round_of_passes(compute: Callable[[], None], width: int, threads: int) -> tuple[float, float]:
    """Passes a second, and the median milliseconds of one."""
    torch.set_num_threads(threads)
    times: list[float] = []
    with ThreadPoolExecutor(width) as pool:
        whole = milliseconds(lambda: times.extend(pool.map(milliseconds, [compute] * PASSES)))
    return 1000 * PASSES / whole, median(times)


def main(size: Annotated[int, typer.Option(help="Side of the input in pixels.")] = 224, rounds: int = 9) -> None:
    """Print images a second by how many passes run at a time."""
    backbone, image = load_backbone(), load_image(samples()[0].path)
    pair = backbone.architecture.default_pair

    def compute() -> None:
        maps = backbone.activations(image, pair, size)
        cross_layer_pool(maps.lower, maps.upper, **pair.geometry)

    cores = available_cores()
    widths = dict.fromkeys([(1, cores), (1, 1), (2, max(cores // 2, 1)), (cores, 1)])
    results: dict[tuple[int, int], list[tuple[float, float]]] = {width: [] for width in widths}
    for _ in range(rounds):
        for (width, threads), measured in results.items():
            measured.append(round_of_passes(compute, width, threads))
    rows: list[list[str]] = []
    first = median(rate for rate, _ in results[1, cores])
    for (width, threads), measured in results.items():
        rate, each = (median(values) for values in zip(*measured, strict=True))
        rows.append([str(width), str(threads), f"{rate:.1f}", f"{rate / first:.2f}", f"{each:.0f}"])
    print(machine())
    header = ["passes at a time", "threads each", "images a second", "ratio", "ms each"]
    print_table(f"{backbone.title}, {size} px, maps and pooling", header, rows)


if __name__ == "__main__":
    typer.run(main)
