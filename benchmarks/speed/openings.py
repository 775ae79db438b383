"""How long visitors wait who open the app at the same moment: `python -m benchmarks.speed.openings`.

A new server is asked as soon as it is ready: first by visitors one after the other, then by all at once. Each page
takes one core, so the limit is the time of one page times the number of visitors.
"""

import asyncio
from statistics import median

import typer

from benchmarks.harness.app import served, wait_until
from benchmarks.harness.command import print_markdown
from benchmarks.harness.tab import Tab

VISITS_ALONE = 8


async def _opened(url: str) -> float:
    tab = Tab(url)
    seconds = await tab.open()
    await tab.close()
    return seconds


async def _measured(url: str, visitors: int) -> tuple[list[float], list[float]]:
    await _opened(url)  # reads the page's libraries
    alone = [await _opened(url) for _ in range(VISITS_ALONE)]
    return alone, await asyncio.gather(*(_opened(url) for _ in range(visitors)))


def main(visitors: int = 40) -> None:
    """Print the waits of visitors who come alone, and of all at once."""
    with served() as server:
        wait_until(server.is_ready)
        alone, together = asyncio.run(_measured(server.url, visitors))
    limit = visitors * median(alone)
    rows = [
        ["one after the other", f"{median(alone):.2f} s", f"{max(alone):.2f} s", ""],
        [f"{visitors} at once", f"{median(together):.2f} s", f"{max(together):.2f} s", f"{max(together) / limit:.2f}"],
    ]
    print_markdown(["visitors", "median", "longest", "longest over the limit"], rows)


if __name__ == "__main__":
    typer.run(main)
