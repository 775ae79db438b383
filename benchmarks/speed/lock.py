"""What a pass takes beside threads that run Python: `python -m benchmarks.speed.lock`.

Justifies `SWITCH_SECONDS` in `crosspool.ui.serving.asgi`. A row is an interval after which a thread lets Python's lock
go, and a number of threads that write and read JSON all the time. Milliseconds are a median over passes, the ratio is
to a pass by itself, and rounds are what the other threads got done together in a second.
"""

import json
import sys
import threading
from statistics import median
from time import perf_counter
from typing import Annotated

import torch
import typer

from benchmarks.harness.command import machine, milliseconds, print_markdown
from crosspool.backbones import load_backbone
from crosspool.flow import available_cores
from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.ui.serving.asgi import SWITCH_SECONDS

INTERVALS = (0.005, 0.001, SWITCH_SECONDS)  # the first is Python's own
THREADS = (0, 1, 2, 4)


class BusyThreads:
    """Threads that run Python for the length of a block; `rounds` is what they have done."""

    def __init__(self, count: int) -> None:
        self.rounds = 0
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(count)]

    def _work(self) -> None:
        numbers = {str(number): [number] * 5 for number in range(200)}
        while not self._stopped.is_set():
            json.loads(json.dumps(numbers))
            self.rounds += 1

    def __enter__(self) -> "BusyThreads":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


def main(
    size: Annotated[int, typer.Option(help="Side of the input in pixels.")] = 224,
    passes: Annotated[int, typer.Option(help="For each row.")] = 12,
) -> None:
    """Print the milliseconds of a pass by interval and by the number of busy threads."""
    torch.set_num_threads(available_cores())
    backbone, image = load_backbone(), load_image(samples()[0].path)
    print(f"{passes} passes a row, {size} px; {machine()}\n")
    rows: list[list[str]] = []
    alone = 0.0
    for interval in INTERVALS:
        sys.setswitchinterval(interval)
        for count in THREADS:
            with BusyThreads(count) as others:
                start = perf_counter()
                taken = median(milliseconds(lambda: backbone.activations(image, size=size)) for _ in range(passes))
                rounds = others.rounds / (perf_counter() - start)
            alone = alone or taken
            row = f"{1000 * interval:g} ms", str(count), f"{taken:.0f}", f"{taken / alone:.1f}", f"{rounds:,.0f}"
            rows.append(list(row))
    print_markdown(["interval", "busy threads", "ms a pass", "ratio", "rounds a second"], rows)


if __name__ == "__main__":
    typer.run(main)
