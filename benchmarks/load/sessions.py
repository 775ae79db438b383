"""Memory while visitors come and go: `python -m benchmarks.load.sessions --sessions 500`.

Every visitor opens the app, uploads an image that nobody else has, looks at its maps and one other page, and closes
the tab. A visit is kept for 600 seconds after its page was closed, here for 5 (CROSSPOOL_KEPT_SECONDS), so that those
who left are gone when memory is read, after every 50. Ends with status 1 where the last level is more than 10 % above
that after the first 50, or a visitor saw an error.
"""

import asyncio
import sys
from itertools import chain
from time import monotonic
from typing import Annotated

import typer

from benchmarks.harness.command import machine
from benchmarks.harness.confined import MEGABYTE, ConfinedServer, confined
from benchmarks.harness.people import SMALL, Person
from benchmarks.harness.tab import Tab

CLOSED_SESSION_SECONDS = 5  # that a session is kept after its connection is gone
SESSIONS_PER_LEVEL = 50
VISITORS_AT_ONCE = 4
MAX_GROWTH = 1.10


async def visit(url: str, person: Person) -> list[str]:
    """Come, upload an image, look, and leave; the errors on the pages."""
    tab = Tab(url)
    await tab.ask_for_cookie()
    await tab.open()
    await tab.upload(person.images[0])
    faults = list(tab.page.errors)
    tab.packed_maps()
    await tab.go("Build the feature")
    await tab.close()
    return faults + tab.page.errors


def active_sessions(server: ConfinedServer) -> str:
    """How many sessions the server counts."""
    _, text = server.app.get("/_stcore/metrics?families=active_sessions")
    lines = [line for line in text.decode().splitlines() if line.startswith("active_sessions")]
    return lines[0].split()[-1] if lines else "0"


async def come_and_go(server: ConfinedServer, sessions: int) -> tuple[list[tuple[int, float]], list[str]]:
    """Let visitors come, a few at a time: megabytes after every 50, and the errors on the pages."""
    levels: list[tuple[int, float]] = []
    faults: list[str] = []
    url, start = server.app.url, monotonic()
    print("| sessions | memory, MB | threads | sessions that the server counts | seconds |\n|---|---|---|---|---|")
    for first in range(0, sessions, SESSIONS_PER_LEVEL):
        people = [Person(number, 2, SMALL) for number in range(first, min(first + SESSIONS_PER_LEVEL, sessions))]
        for at in range(0, len(people), VISITORS_AT_ONCE):
            group = people[at : at + VISITORS_AT_ONCE]
            faults += chain.from_iterable(await asyncio.gather(*(visit(url, person) for person in group)))
        await asyncio.sleep(2 * CLOSED_SESSION_SECONDS)
        # A closed session is let go when the next one closes: its time is looked at only then.
        faults += await visit(url, people[-1])
        await asyncio.sleep(2)
        count, megabytes = first + len(people), server.memory() / MEGABYTE
        levels.append((count, megabytes))
        row = f"{count} | {megabytes:,.0f} | {server.threads()} | {active_sessions(server)} | {monotonic() - start:.0f}"
        print(f"| {row} |", flush=True)
    return levels, faults


def main(
    sessions: int = 500, cores: int = 2, memory: Annotated[int, typer.Option(help="Megabytes for the server.")] = 4096
) -> None:
    """Let visitors come to a new server, and print its memory."""
    print(f"{machine()}\n")
    short = {"CROSSPOOL_KEPT_SECONDS": str(CLOSED_SESSION_SECONDS)}
    with confined(megabytes=memory, cores=cores, environment=short) as server:
        levels, faults = asyncio.run(come_and_go(server, sessions))
        print(f"\nMemory is limited to {server.enforced}; processes ended for lack of it: {server.killed()}.")
    ratio = levels[-1][1] / levels[0][1]
    print(f"The last level is {ratio:.2f} of that after the first {levels[0][0]} sessions (at most {MAX_GROWTH}).")
    for text in faults:
        print(f"- {text}", file=sys.stderr)
    sys.exit(bool(faults) or ratio > MAX_GROWTH)


if __name__ == "__main__":
    typer.run(main)
