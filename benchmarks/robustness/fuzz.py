"""Does anything that a stranger may send do harm? Thousands of damaged files are tried.

`python -m benchmarks.robustness.fuzz` judges each kind in a process of its own by the rules in
benchmarks/harness/fuzzing, images in the same workers that decode uploads: a case is accepted, and its result is as it
should be, or it is refused with one clear sentence. The exit status is 1 after any fault: another exception, a crash,
more than the limit of seconds, or memory that grows. Faulty cases are written to a folder, and `--replay FILE` judges
such a file again.
"""

import os
import re
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import psutil
import typer

from benchmarks.harness.command import print_markdown
from benchmarks.harness.confined import MEGABYTE
from benchmarks.harness.fuzzing import MODULES, kind_of
from benchmarks.harness.fuzzing.base import ACCEPTED
from crosspool.ui.runtime.server import Server, serve_with
from crosspool.ui.runtime.settings import ServerSettings

LIMIT_SECONDS = 5.0  # longer than that is a hang: after 4 the server ends a decoder, and starts another one
WARM_SHARE = 0.2  # of the cases come before memory is measured
GROWTH_MEGABYTES = 100  # that a process may grow by after that: what its allocator retains of the largest case
HEADER = [
    "kind", "tried", "accepted", "refused", "faults", "crashes", "hangs", "slowest", "memory, then and at the end",
    "most frequent sentences",
]  # fmt: skip

Verdict = tuple[str, float, float]  # the sentence, the seconds, and the megabytes of the process


def prepare(name: str) -> None:
    """Make this process ready to judge a kind of cases."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries' warnings about damaged files
    serve_with(Server(ServerSettings()))
    kind_of(name).warm()


def judged(name: str, data: bytes) -> Verdict:
    start = time.monotonic()
    sentence = kind_of(name).judge(data)
    return sentence, time.monotonic() - start, psutil.Process().memory_info().rss / MEGABYTE


@dataclass
class KindTally:
    """The results of one kind's cases."""

    tried: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str]] = field(default_factory=list)
    crashes: int = 0
    hangs: int = 0
    slowest: float = 0.0
    before: float = 0.0
    after: float = 0.0

    @property
    def sound(self) -> bool:
        return not self.faults and self.after - self.before <= GROWTH_MEGABYTES

    def fault(self, verdict: Future[Verdict]) -> str:
        """Count the verdict on one case; the fault, or ""."""
        self.tried += 1
        try:
            error = verdict.exception(LIMIT_SECONDS)
        except TimeoutError:
            self.hangs += 1
            return f"It takes more than {LIMIT_SECONDS:g} s."
        if isinstance(error, BrokenProcessPool):
            self.crashes += 1
            return "The process that judged it crashed."
        if error is not None:
            return "".join(traceback.format_exception(error))
        sentence, seconds, self.after = verdict.result()
        self.slowest = max(self.slowest, seconds)
        if sentence == ACCEPTED:
            self.accepted += 1
        else:
            self.refused[pattern(sentence)] += 1
        return ""


def try_cases(name: str, count: int, seed: int, folder: Path) -> KindTally:
    """Try the cases of one kind; after a hang or a crash, the next case gets another process."""
    kind, tally = kind_of(name), KindTally()
    while tally.tried < count:
        with ProcessPoolExecutor(1, get_context("spawn"), prepare, (name,)) as pool:
            process, lost = psutil.Process(pool.submit(os.getpid).result()), tally.hangs + tally.crashes
            while tally.tried < count and tally.hangs + tally.crashes == lost:
                number = tally.tried
                data = kind.case(seed, number)
                fault = tally.fault(pool.submit(judged, name, data))
                if number == int(WARM_SHARE * count):
                    tally.before = tally.after
                if fault:
                    tally.faults.append((number, fault))
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"{name}-{seed}-{number}").write_bytes(data)
            with suppress(psutil.NoSuchProcess):
                for member in (*process.children(recursive=True), process):  # its decoders would outlive it
                    member.kill()
    return tally


def pattern(sentence: str) -> str:
    """A sentence without what differs from case to case."""
    return re.sub(r"\(.*\)|`[^`]*`|'[^']*'|\d[\d,.]*", "…", sentence)


def row_of(name: str, tally: KindTally) -> list[str]:
    counts = [tally.tried, tally.accepted, tally.refused.total(), len(tally.faults), tally.crashes, tally.hangs]
    memory = f"{tally.before:.0f} and {tally.after:.0f} MB"
    sentences = "; ".join(f"{n} × {sentence}" for sentence, n in tally.refused.most_common(3))
    return [name, *(f"{count:,}" for count in counts), f"{tally.slowest:.2f} s", memory, sentences]


def main(
    images: int = 10_000,
    zips: int = 1000,
    urls: int = 1000,
    models: int = 1000,
    settings: int = 1000,
    seed: int = 0,
    faults: Annotated[Path, typer.Option(help="Folder for cases that are faults.")] = Path("fuzz-faults"),
    replay: Annotated[Path | None, typer.Option(help="Judge a file from that folder again.")] = None,
) -> None:
    """Try so many cases of each kind, and print the results."""
    if replay:
        kind = kind_of(replay.name.split("-")[0])
        print(kind.judge(replay.read_bytes()) or "It is accepted.")
        return
    tallies = {}
    for name, count in zip(MODULES, (images, zips, urls, models, settings), strict=True):
        tallies[name] = tally = try_cases(name, count, seed, faults)
        for number, fault in tally.faults:
            print(f"{name} {number}: {fault}", file=sys.stderr, flush=True)
        print(f"{name}: {tally.tried:,} tried, {len(tally.faults)} faults", file=sys.stderr, flush=True)
    print_markdown(HEADER, [row_of(name, tally) for name, tally in tallies.items()], words=HEADER[-1:])
    sys.exit(not all(tally.sound for tally in tallies.values()))


if __name__ == "__main__":
    typer.run(main)
