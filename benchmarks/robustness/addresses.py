"""Does any address do harm? `python -m benchmarks.robustness.addresses` opens a thousand odd ones in a served app.

The addresses are those of benchmarks/harness/fuzzing/links.py, each on a page by chance and in a visit of its own. Each
page has to be complete within the limit of seconds; what it says in a red box has to be a clear sentence, and not that
it failed. The exit status is 1 after any fault, or when the server's memory has grown.
"""

import asyncio
import sys
from collections import Counter
from statistics import median

import psutil

from benchmarks.harness.addresses import PATHS, OpenedAddress, open_addresses
from benchmarks.harness.app import AppServer, served, wait_until
from benchmarks.harness.command import options_of, print_markdown
from benchmarks.harness.confined import MEGABYTE

LIMIT_SECONDS = 5.0
SETTLED_COUNT = 300  # addresses, after which memory is measured first: what is kept for all has been filled by then
GROWTH_MEGABYTES = 100
# Whatever is kept for long otherwise would look like a leak: visits that are over, and maps for others.
SHORT_LIVED = {"STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": "5", "CROSSPOOL_CACHE_MEGABYTES": "64"}


async def _open_all(server: AppServer, count: int, seed: int) -> bool:
    """Open them and print what came of it: whether nothing was wrong."""
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
    for path in PATHS:
        group = [opened for opened in results if opened.path == path]
        seconds = [opened.seconds for opened in group] or [0.0]
        boxes = Counter(box[:60] for opened in group for box in opened.boxes).most_common(1)
        rows.append([
            f"/{path}",
            f"{len(group):,}",
            f"{sum(bool(opened.boxes) for opened in group):,}",
            f"{sum(bool(opened.faults) for opened in group)}",
            f"{median(seconds):.2f} s",
            f"{max(seconds):.2f} s",
            "; ".join(f"{n} × {box}" for box, n in boxes),
        ])  # fmt: skip
    header = ["page", "opened", "with a note", "faults", "median", "slowest", "said most often"]
    print_markdown(header, rows, words=header[-1:])


def main() -> None:
    """Open them in a new server's app."""
    options = options_of(__doc__, count=1000, seed=0)
    with served(environment=SHORT_LIVED) as server:
        wait_until(server.is_ready)
        sound = asyncio.run(_open_all(server, options.count, options.seed))
        faults = server.faults
    print("\n".join(faults), file=sys.stderr)
    sys.exit(not sound or bool(faults))


if __name__ == "__main__":
    main()
