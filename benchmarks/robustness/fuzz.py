"""Does anything that a stranger may send do harm? Thousands of damaged files are tried.

`python -m benchmarks.robustness.fuzz` judges each kind in a process of its own by what benchmarks/harness/fuzzing says
of it, pictures in the very workers that decode uploads: a case is taken, and what came of it is as it should be, or
refused with one clear sentence. The exit status is 1 after any fault: another exception, a crash, more than the limit
of seconds, or memory that grows. Faulty cases are written to a folder, and `--replay FILE` judges such a file again.
"""

import argparse
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

from benchmarks.harness.fuzzing.base import TAKEN, Kind
from crosspool.tables import Column, pipes

KINDS = {"images": 10_000, "zips": 1000, "urls": 1000, "models": 1000, "settings": 1000}
MODULES = {"urls": "links"}
SECONDS = 5.0  # longer than that is a hang: after 4 the server ends a decoder, and starts another one
WARM = 0.2  # of the cases come before memory is measured
GROWTH = 100  # MB that a process may grow by after that: what its allocator keeps of the largest case
MEGABYTE = 2**20


def kind_of(name: str) -> Kind:
    found: Kind = import_module(f"benchmarks.harness.fuzzing.{MODULES.get(name, name)}").KIND
    return found


# --- the process that judges


def serve(name: str, connection: Connection) -> None:
    """Judge cases until there are no more: (whether it is a fault, what is said of it, seconds, MB)."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries' warnings of damaged files
    kind = kind_of(name)
    kind.warm()
    connection.send((False, TAKEN, 0.0, megabytes()))
    while (data := connection.recv_bytes()) != b"end":
        start = time.monotonic()
        try:
            fault, said = False, kind.judge(data[1:])
        except BaseException:
            fault, said = True, traceback.format_exc()
        connection.send((fault, said, time.monotonic() - start, megabytes()))


def megabytes() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


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
        process.join(SECONDS)
        process.kill()
        process.join()


# --- what came of it


@dataclass
class Tally:
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
        return self.after - self.before > GROWTH

    @property
    def sound(self) -> bool:
        return not (self.faults or self.grown)


def tried(name: str, count: int, seed: int, folder: Path) -> Tally:
    """Try so many cases of one kind; whatever kills the judging process, the next case has another one."""
    kind, tally, start = kind_of(name), Tally(), 0
    while start < count:
        with judge_of(name) as (process, connection):
            for number in range(start, count):
                start = number + 1
                data = kind.case(seed, number)
                fault = _asked(process, connection, data, tally)
                if number == int(WARM * count):
                    tally.before = tally.after
                if fault:
                    tally.faults.append((number, fault))
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / f"{name}-{seed}-{number}").write_bytes(data)
                if not process.is_alive():
                    break
    return tally


def _asked(process: multiprocessing.process.BaseProcess, connection: Connection, data: bytes, tally: Tally) -> str:
    """Have one case judged; what is wrong, or ""."""
    tally.tried += 1
    try:
        connection.send_bytes(b" " + data)
        if not connection.poll(SECONDS):
            process.kill()
            process.join()
            tally.hangs += 1
            return f"It takes more than {SECONDS:g} s."
        fault, said, seconds, tally.after = connection.recv()
    except (EOFError, OSError):
        process.join()
        tally.crashes += 1
        return f"The process ended with {process.exitcode}."
    tally.slowest = max(tally.slowest, seconds)
    if fault:
        return str(said)
    if said == TAKEN:
        tally.taken += 1
    else:
        tally.refused[pattern(said)] += 1
    return ""


def pattern(sentence: str) -> str:
    """A sentence without what differs from case to case."""
    return re.sub(r"\(.*\)|`[^`]*`|'[^']*'|\d[\d,.]*", "…", sentence)


def report(tallies: dict[str, Tally]) -> str:
    found = list(tallies.values())
    return pipes([
        Column("kind", list(tallies)),
        Column("tried", [f"{tally.tried:,}" for tally in found], right=True),
        Column("taken", [f"{tally.taken:,}" for tally in found], right=True),
        Column("refused", [f"{tally.refused.total():,}" for tally in found], right=True),
        Column("faults", [f"{len(tally.faults)}" for tally in found], right=True),
        Column("crashes", [f"{tally.crashes}" for tally in found], right=True),
        Column("hangs", [f"{tally.hangs}" for tally in found], right=True),
        Column("slowest", [f"{tally.slowest:.2f} s" for tally in found], right=True),
        Column("memory, then and at the end", [f"{t.before:.0f} and {t.after:.0f} MB" for t in found], right=True),
        Column("said most often", ["; ".join(f"{n} × {said}" for said, n in t.refused.most_common(3)) for t in found]),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in KINDS.items():
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"how many (default: {count})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=Path, default=Path("fuzz-faults"), help="folder for cases that are faults")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="judge a file from that folder again")
    options = parser.parse_args()
    if options.replay:
        name, data = options.replay.name.split("-")[0], options.replay.read_bytes()
        print(kind_of(name).judge(data) or "It is taken.")
        return
    tallies = {}
    for name in KINDS:
        tallies[name] = tally = tried(name, getattr(options, name), options.seed, options.faults)
        for number, said in tally.faults:
            print(f"{name} {number}: {said}", file=sys.stderr, flush=True)
        print(f"{name}: {tally.tried:,} tried, {len(tally.faults)} faults", file=sys.stderr, flush=True)
    print(report(tallies))
    sys.exit(not all(tally.sound for tally in tallies.values()))


if __name__ == "__main__":
    main()
