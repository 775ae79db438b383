"""Does anything that a stranger may send do harm? Thousands of damaged files are tried.

`python -m benchmarks.robustness.fuzz` judges each kind in a process of its own by what benchmarks/harness/fuzzing says
of it, images in the very workers that decode uploads: a case is taken, and what came of it is as it should be, or
refused with one clear sentence. The exit status is 1 after any fault: another exception, a crash, more than the limit
of seconds, or memory that grows. Faulty cases are written to a folder, and `--replay FILE` judges such a file again.
"""

import multiprocessing
import os
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from benchmarks.harness.command import parser_of, print_markdown
from benchmarks.harness.confined import MEGABYTE
from benchmarks.harness.fuzzing.base import TAKEN, Kind
from crosspool.ui.runtime.server import Server, serve_with
from crosspool.ui.runtime.settings import ServerSettings

CASES = {"images": 10_000, "zips": 1000, "urls": 1000, "models": 1000, "settings": 1000}
MODULES = {"urls": "links"}
LIMIT_SECONDS = 5.0  # longer than that is a hang: after 4 the server ends a decoder, and starts another one
WARM_SHARE = 0.2  # of the cases come before memory is measured
GROWTH_MEGABYTES = 100  # that a process may grow by after that: what its allocator keeps of the largest case


def kind_of(name: str) -> Kind:
    kind: Kind = import_module(f"benchmarks.harness.fuzzing.{MODULES.get(name, name)}").KIND
    return kind


# --- the process that judges


def serve(name: str, connection: Connection) -> None:
    """Judge cases until there are no more: (whether it is a fault, its sentence, seconds, MB)."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries' warnings of damaged files
    serve_with(Server(ServerSettings()))
    kind = kind_of(name)
    kind.warm()
    connection.send((False, TAKEN, 0.0, megabytes()))
    while (data := connection.recv_bytes()) != b"end":
        start = time.monotonic()
        try:
            fault, sentence = False, kind.judge(data[1:])
        except BaseException:
            fault, sentence = True, traceback.format_exc()
        connection.send((fault, sentence, time.monotonic() - start, megabytes()))


def megabytes() -> float:
    """Resident memory of this process."""
    return psutil.Process().memory_info().rss / MEGABYTE


@contextmanager
def judge_of(name: str) -> Iterator[tuple[multiprocessing.process.BaseProcess, Connection]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(name, theirs))
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield process, ours
        if process.is_alive():
            ours.send_bytes(b"end")
    finally:
        process.join(LIMIT_SECONDS)
        process.kill()
        process.join()


# --- what came of it


@dataclass
class KindTally:
    """What came of one kind's cases."""

    tried: int = 0
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str]] = field(default_factory=list)
    crashes: int = 0
    hangs: int = 0
    slowest: float = 0.0
    before: float = 0.0
    after: float = 0.0

    @property
    def grown(self) -> bool:
        return self.after - self.before > GROWTH_MEGABYTES

    @property
    def sound(self) -> bool:
        return not (self.faults or self.grown)


def try_cases(name: str, count: int, seed: int, folder: Path) -> KindTally:
    """Try this many cases of one kind; whatever kills the judging process, the next case has another one."""
    kind, tally, start = kind_of(name), KindTally(), 0
    while start < count:
        with judge_of(name) as (process, connection):
            for number in range(start, count):
                start = number + 1
                data = kind.case(seed, number)
                fault = _asked(process, connection, data, tally)
                if number == int(WARM_SHARE * count):
                    tally.before = tally.after
                if fault:
                    tally.faults.append((number, fault))
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"{name}-{seed}-{number}").write_bytes(data)
                if not process.is_alive():
                    break
    return tally


def _asked(process: multiprocessing.process.BaseProcess, connection: Connection, data: bytes, tally: KindTally) -> str:
    """Have one case judged; what is wrong, or ""."""
    tally.tried += 1
    try:
        connection.send_bytes(b" " + data)
        if not connection.poll(LIMIT_SECONDS):
            process.kill()
            process.join()
            tally.hangs += 1
            return f"It takes more than {LIMIT_SECONDS:g} s."
        fault, sentence, seconds, tally.after = connection.recv()
    except (EOFError, OSError):
        process.join()
        tally.crashes += 1
        return f"The process ended with {process.exitcode}."
    tally.slowest = max(tally.slowest, seconds)
    if fault:
        return str(sentence)
    if sentence == TAKEN:
        tally.taken += 1
    else:
        tally.refused[pattern(sentence)] += 1
    return ""


def pattern(sentence: str) -> str:
    """A sentence without what differs from case to case."""
    return re.sub(r"\(.*\)|`[^`]*`|'[^']*'|\d[\d,.]*", "…", sentence)


def print_report(tallies: dict[str, KindTally]) -> None:
    rows = [
        [
            name,
            *(f"{count:,}" for count in (tally.tried, tally.taken, tally.refused.total())),
            *(f"{count}" for count in (len(tally.faults), tally.crashes, tally.hangs)),
            f"{tally.slowest:.2f} s",
            f"{tally.before:.0f} and {tally.after:.0f} MB",
            "; ".join(f"{n} × {sentence}" for sentence, n in tally.refused.most_common(3)),
        ]
        for name, tally in tallies.items()
    ]
    header = [
        "kind", "tried", "taken", "refused", "faults", "crashes", "hangs", "slowest", "memory, then and at the end",
        "said most often",
    ]  # fmt: skip
    print_markdown(header, rows, words=header[-1:])


def main() -> None:
    counts = {name: (count, f"how many (default: {count})") for name, count in CASES.items()}
    parser = parser_of(__doc__, **counts, seed=0)
    parser.add_argument("--faults", type=Path, default=Path("fuzz-faults"), help="folder for cases that are faults")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="judge a file from that folder again")
    options = parser.parse_args()
    if options.replay:
        name, data = options.replay.name.split("-")[0], options.replay.read_bytes()
        print(kind_of(name).judge(data) or "It is taken.")
        return
    tallies = {}
    for name in CASES:
        tallies[name] = tally = try_cases(name, getattr(options, name), options.seed, options.faults)
        for number, fault in tally.faults:
            print(f"{name} {number}: {fault}", file=sys.stderr, flush=True)
        print(f"{name}: {tally.tried:,} tried, {len(tally.faults)} faults", file=sys.stderr, flush=True)
    print_report(tallies)
    sys.exit(not all(tally.sound for tally in tallies.values()))


if __name__ == "__main__":
    main()
