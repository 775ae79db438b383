"""How long does a class wait that opens the app at the same moment? `python -m benchmarks.speed.openings`

A new server is asked as soon as it is ready: first by visitors one after the other, then by all at once. One page takes
one core, whoever asks for it; so the limit is as many times one page as there are visitors.
"""

import argparse
import asyncio
import tempfile
from http import HTTPStatus
from statistics import median

from benchmarks.harness.app import served
from benchmarks.harness.visitor import Visitor
from crosspool.tables import Column, pipes

ALONE = 8


async def _opened(url: str) -> float:
    visitor = Visitor(url)
    seconds = (await visitor.open()).seconds
    await visitor.close()
    return seconds


async def _measured(url: str, visitors: int) -> tuple[list[float], list[float]]:
    while Visitor(url).http("GET", "/ready")[0] != HTTPStatus.OK:
        await asyncio.sleep(0.2)
    await _opened(url)  # reads the page's libraries
    alone = [await _opened(url) for _ in range(ALONE)]
    return alone, await asyncio.gather(*(_opened(url) for _ in range(visitors)))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache, served(cache) as (url, _):
        alone, together = asyncio.run(_measured(url, options.visitors))
    limit = options.visitors * median(alone)
    print(pipes([
        Column("visitors", ["one after the other", f"{options.visitors} at once"]),
        Column("median", [f"{median(alone):.2f} s", f"{median(together):.2f} s"], right=True),
        Column("longest", [f"{max(alone):.2f} s", f"{max(together):.2f} s"], right=True),
        Column("longest over the limit", ["", f"{max(together) / limit:.2f}"], right=True),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
