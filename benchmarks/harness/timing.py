"""Times that can be compared on a busy machine: all competitors in turn within each repetition, and medians."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from benchmarks.harness.command import busyness


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
        lower, middle, upper = (
            statistics.quantiles(milliseconds, n=4, method="inclusive")
            if len(milliseconds) > 1
            else 3 * [*milliseconds]
        )
        return cls(middle, lower, upper, min(milliseconds))

    def shared_by(self, images: int) -> "Timing":
        """The time for one of that many images."""
        return Timing(self.median / images, self.lower / images, self.upper / images, self.best / images)

    @property
    def spread(self) -> str:
        """The two quartiles, as text."""
        return f"{self.lower:.2f} to {self.upper:.2f}"


def interleaved(
    competitors: Mapping[str, Callable[[], object]],
    *,
    repetitions: int,
    seldom: Mapping[str, int] | None = None,
    warm_up: int = 2,
) -> dict[str, Timing]:
    """Time all competitors in turn, `repetitions` times over, so that noise hits all of them alike.

    A competitor in `seldom` takes part only in that many repetitions, spread evenly, and in one warm-up round.
    """
    seldom = seldom or {}
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


def repetitions_within(
    seconds: float, competitors: Mapping[str, Callable[[], object]], most: int, least: int = 3
) -> int:
    """How many repetitions of all competitors fit into a budget; runs each once, which also warms up."""
    once = sum(milliseconds(run) for run in competitors.values()) / 1e3
    return max(least, min(most, int(seconds / once)))


def machine() -> str:
    """What the numbers were measured on, and how busy it was."""
    threads = f"{torch.get_num_threads()} threads, waiting {os.environ['OMP_WAIT_POLICY']}"
    return f"torch {torch.__version__}, {threads}, {busyness()}"
