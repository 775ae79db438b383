"""Does any address do harm? `python -m benchmarks.robustness.addresses` opens a thousand odd ones in a served app.

The addresses are those of benchmarks/harness/fuzzing/links.py, each on a page by chance and in a visit of its own. Each
page has to be complete within the limit of seconds; what it says in a red box has to be a clear sentence, and not that
it failed. The exit status is 1 after any fault, or when the server's memory has grown.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from random import Random
from statistics import median

import psutil

from benchmarks.harness.app import served
from benchmarks.harness.fuzzing.base import clear
from benchmarks.harness.fuzzing.links import link
from benchmarks.harness.visitor import Visitor
from crosspool.tables import Column, pipes

PATHS = ("", "contributions", "build_p", "what_am_i_looking_at", "lesson", "train_and_compare")
SECONDS = 5.0
SETTLED = 300  # addresses, after which memory is measured first: what is kept for all has been filled by then
GROWTH = 100  # MB
MEGABYTE = 2**20
# Whatever is kept for long otherwise would look like a leak: visits that are over, and maps for others.
SHORT = {"STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": "5", "CROSSPOOL_CACHE_MEGABYTES": "64"}


@dataclass
class Opened:
    """What came of an address: its page, what was said in boxes, and what is wrong with it."""

    path: str
    query: str
    seconds: float = 0.0
    boxes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def address(seed: int, number: int) -> tuple[str, str]:
    """A page's path, and what stands behind the question mark."""
    random = Random(f"{seed} address {number}")
    return random.choice(PATHS), link(random).decode("utf-8", "replace")


async def opened(url: str, path: str, query: str) -> Opened:
    """Open it as a new visitor, and leave again."""
    found, visitor = Opened(path, query), Visitor(url)
    try:
        found.seconds = (await visitor.open_address(path, query)).seconds
    except TimeoutError as error:
        found.faults.append(str(error))
    found.boxes = [str(node.proto.body) for node in visitor.page.elements("alert")]
    if found.seconds > SECONDS:
        found.faults.append(f"It took {found.seconds:.1f} s.")
    if not any(visitor.page.elements("heading")):
        found.faults.append("The page has no heading.")
    found.faults += [f"It failed: {node.proto.message}" for node in visitor.page.elements("exception")]
    for text in visitor.errors:
        if "Something went wrong" in text:
            found.faults.append(text)
        else:
            try:
                clear(text)
            except AssertionError as error:
                found.faults.append(str(error))
    await visitor.close()
    return found


async def all_opened(url: str, count: int, seed: int) -> AsyncIterator[Opened]:
    """One after the other, as soon as the server is ready."""
    while Visitor(url).http("GET", "/ready")[0] != HTTPStatus.OK:
        await asyncio.sleep(0.2)
    for number in range(count):
        yield await opened(url, *address(seed, number))


async def _tell(url: str, server: psutil.Process, count: int, seed: int) -> bool:
    results: list[Opened] = []
    levels: list[float] = []
    async for found in all_opened(url, count, seed):
        results.append(found)
        levels.append(server.memory_info().rss / MEGABYTE)
        for fault in found.faults:
            print(f"/{found.path}?{found.query[:300]}: {fault}", file=sys.stderr, flush=True)
    print(_table(results))
    first = min(SETTLED, count)
    before, after = levels[first - 1], levels[-1]
    print(f"\nThe server's memory after {first} and after {count:,}: {before:.0f} and {after:.0f} MB; meanwhile")
    print(", ".join(f"{level:.0f}" for level in levels[:: max(count // 10, 1)]))
    return not any(found.faults for found in results) and after - before <= GROWTH


def _table(results: list[Opened]) -> str:
    by_path = [[found for found in results if found.path == path] for path in PATHS]
    said = [Counter(box[:60] for found in group for box in found.boxes).most_common(1) for group in by_path]
    return pipes([
        Column("page", [f"/{path}" for path in PATHS]),
        Column("opened", [f"{len(group):,}" for group in by_path], right=True),
        Column("with a note", [f"{sum(map(bool, (one.boxes for one in group))):,}" for group in by_path], right=True),
        Column("faults", [f"{sum(bool(one.faults) for one in group)}" for group in by_path], right=True),
        Column("median", [f"{median(one.seconds for one in group):.2f} s" for group in by_path], right=True),
        Column("slowest", [f"{max(one.seconds for one in group):.2f} s" for group in by_path], right=True),
        Column("said most often", ["; ".join(f"{n} × {box}" for box, n in one) for one in said]),
    ])  # fmt: skip


def main() -> None:
    """Open them in a new server's app."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        with served(str(Path(folder) / "cache"), log=log, **SHORT) as (url, process):
            sound = asyncio.run(_tell(url, psutil.Process(process.pid), options.count, options.seed))
        failed = [line for line in (Path(folder) / "log").read_text().splitlines() if " ERROR " in line]
    print("\n".join(failed), file=sys.stderr)
    sys.exit(not sound or bool(failed))


if __name__ == "__main__":
    main()
