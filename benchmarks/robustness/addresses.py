"""Does any address do harm? `python -m benchmarks.robustness.addresses` opens a thousand odd ones in a served app.

The addresses are those of benchmarks/harness/fuzzing/links.py, each on a random page and as a new visit. Each page has
to be complete within the limit of seconds; what it shows in a red box has to be a clear sentence, and not that it
failed. The exit status is 1 after any fault, or when the server's memory has grown.
"""

import asyncio
import sys
from collections import Counter
from statistics import median

import psutil
import typer

from benchmarks.harness.addresses import OpenedAddress, open_addresses
from benchmarks.harness.app import PAGE_PATHS, AppServer, served, wait_until
from benchmarks.harness.command import print_markdown
from benchmarks.harness.confined import MEGABYTE

LIMIT_SECONDS = 5.0
SETTLED_COUNT = 300  # addresses, after which memory is first measured: the shared cache has been filled by then
GROWTH_MEGABYTES = 100
# Finished visits, and maps in the cache, would look like a leak if they were kept for long.
SHORT_LIVED = {"STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": "5", "CROSSPOOL_CACHE_MEGABYTES": "64"}


async def _open_all(server: AppServer, count: int, seed: int) -> bool:
    """Open the addresses and print the results; whether nothing was wrong."""
    results: list[OpenedAddress] = []
    levels: list[float] = []
    process = psutil.Process(server.process.pid)
    async for opened in open_addresses(server.url, count, seed, LIMIT_SECONDS):
        results.append(opened)
        levels.append(process.memory_info().rss / MEGABYTE)
        for fault in opened.faults:
            print(f"/{opened.path}?{opened.query[:300]}: {fault}", file=sys.stderr, flush=True)
    _print_results(results)
    first = min(SETTLED_COUNT, count)
    before, after = levels[first - 1], levels[-1]
    print(f"\nThe server's memory after {first} and after {count:,}: {before:.0f} and {after:.0f} MB; meanwhile")
    print(", ".join(f"{level:.0f}" for level in levels[:: max(count // 10, 1)]))
    return not any(opened.faults for opened in results) and after - before <= GROWTH_MEGABYTES


def _print_results(results: list[OpenedAddress]) -> None:
    rows = []
    for path in PAGE_PATHS:
        group = [opened for opened in results if opened.path == path]
        seconds = [opened.seconds for opened in group] or [0.0]
        boxes = Counter(box[:60] for opened in group for box in opened.boxes).most_common(1)
        noted, faulty = sum(bool(opened.boxes) for opened in group), sum(bool(opened.faults) for opened in group)
        counts = [f"{count:,}" for count in (len(group), noted, faulty)]
        note = "; ".join(f"{n} × {box}" for box, n in boxes)
        rows.append([f"/{path}", *counts, f"{median(seconds):.2f} s", f"{max(seconds):.2f} s", note])
    header = ["page", "opened", "with a note", "faults", "median", "slowest", "most frequent note"]
    print_markdown(header, rows, words=header[-1:])


def main(count: int = 1000, seed: int = 0) -> None:
    """Open the addresses in a new server's app, and print the results."""
    with served(environment=SHORT_LIVED) as server:
        wait_until(server.is_ready)
        sound = asyncio.run(_open_all(server, count, seed))
        faults = server.faults
    print("\n".join(faults), file=sys.stderr)
    sys.exit(not sound or bool(faults))


if __name__ == "__main__":
    typer.run(main)
