"""What the commands share: times that can be compared on a busy machine, the machine's load, and tables."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from time import perf_counter

import numpy as np
import torch

from crosspool.text import Column, markdown_table


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one competitor: the median, the quartiles and the best of all repetitions."""

    median: float
    lower: float
    upper: float
    best: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> "Timing":
        """Sum up the repetitions."""
        return cls(*np.percentile(milliseconds, (50, 25, 75, 0)).tolist())

    def per_image(self, images: int) -> "Timing":
        """The time for one image of a batch."""
        return Timing(*(value / images for value in astuple(self)))

    @property
    def spread(self) -> str:
        """The two quartiles, as text."""
        return f"{self.lower:.2f} to {self.upper:.2f}"


def interleaved(
    competitors: Mapping[str, Callable[[], object]], *, repetitions: int, seldom: Mapping[str, int], warm_up: int = 2
) -> dict[str, Timing]:
    """Time all competitors in turn, `repetitions` times over, so that noise hits all of them alike.

    A competitor in `seldom` takes part only in that many repetitions, spread evenly, and in one warm-up round.
    """
    for round_number in range(warm_up):
        for name, run in competitors.items():
            if name not in seldom or round_number == 0:
                run()
    times: dict[str, list[float]] = {name: [] for name in competitors}
    for repetition in range(repetitions):
        for name, run in competitors.items():
            if len(times[name]) * repetitions <= repetition * seldom.get(name, repetitions):
                times[name].append(milliseconds(run))
    return {name: Timing.of(values) for name, values in times.items()}


def milliseconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = perf_counter()
    run()
    return 1e3 * (perf_counter() - start)


def machine() -> str:
    """The machine that the numbers were measured on, and how busy it was."""
    threads = f"{torch.get_num_threads()} threads, waiting {os.environ['OMP_WAIT_POLICY']}"
    return f"torch {torch.__version__}, {threads}, {machine_load()}"


def machine_load() -> str:
    """How many cores there are, and how busy they are."""
    return f"{os.cpu_count()} cores, load {', '.join(f'{value:.1f}' for value in os.getloadavg())}"


def met_or_missed(met: bool) -> str:
    return "met" if met else "MISSED"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as they need to be; the first is aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print(f"\n{title}")
    for row in (header, ["-" * width for width in widths], *rows):
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        print("  ".join(cells).rstrip(), flush=True)


def print_markdown(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str] = ()) -> None:
    """Print a Markdown table; the first column and those named in `words` are aligned left, the others right."""
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    left = {header[0], *words}
    titled = zip(header, columns, strict=True)
    print(markdown_table([Column(title, cells, right=title not in left) for title, cells in titled]))
