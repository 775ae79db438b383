"""Memory while visitors come and go: `python -m benchmarks.load.sessions --sessions 500`.

Every visitor opens the app, uploads a picture that nobody else has, looks at its maps and one other page, and closes
the tab. Streamlit keeps a session for 120 seconds after its connection is gone; here it is told to keep it for 5
(STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL), so that those who left are gone when memory is read, after every 50. Ends
with status 1 where the last level is more than 10 % above that after the first 50, or a visitor saw an error.
"""

import argparse
import asyncio
import sys
import tempfile
from time import monotonic

from benchmarks.harness.confined import MEGABYTE, Room, confined
from benchmarks.harness.people import SMALL, Person
from benchmarks.harness.timing import machine
from benchmarks.harness.visitor import Visitor

KEPT_SECONDS = 5  # a session whose connection is gone
EVERY = 50
AT_ONCE = 4
MOST = 1.10


async def visit(url: str, person: Person) -> list[str]:
    """Come, upload, look, go; what was wrong."""
    tab = Visitor(url)
    await tab.open()
    await tab.choose("source", "Upload")
    file = person.pictures[0]
    await tab.upload((file.title, file.data))
    wrong = list(tab.errors)
    tab.packed_maps()
    await tab.go("What am I looking at?")
    wrong += tab.errors
    await tab.close()
    return wrong


def active(url: str) -> str:
    """How many sessions the server counts."""
    _, text = Visitor(url).http("GET", "/_stcore/metrics?families=active_sessions")
    lines = [line for line in text.decode().splitlines() if line.startswith("active_sessions")]
    return lines[0].split()[-1] if lines else "0"


async def come_and_go(room: Room, sessions: int) -> tuple[list[tuple[int, float]], list[str]]:
    """Let them come, a few at a time: megabytes after every 50, and what was wrong."""
    levels: list[tuple[int, float]] = []
    wrong: list[str] = []
    print("| sessions | memory, MB | threads | sessions that the server counts | seconds |\n|---|---|---|---|---|")
    start = monotonic()
    for first in range(0, sessions, EVERY):
        people = [Person(number, 2, SMALL) for number in range(first, min(first + EVERY, sessions))]
        for one in range(0, len(people), AT_ONCE):
            found = await asyncio.gather(*(visit(room.url, person) for person in people[one : one + AT_ONCE]))
            wrong += [text for texts in found for text in texts]
        await asyncio.sleep(2 * KEPT_SECONDS)
        # A closed session is let go when the next one closes: its time is looked at only then.
        wrong += await visit(room.url, people[-1])
        await asyncio.sleep(2)
        levels.append((first + len(people), room.memory() / MEGABYTE))
        count, held = levels[-1]
        print(
            f"| {count} | {held:,.0f} | {room.threads()} | {active(room.url)} | {monotonic() - start:.0f} |", flush=True
        )
    return levels, wrong


def main() -> None:
    """Run it against a new server, and print memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", type=int, default=4096, help="megabytes for the server (4096)")
    options = parser.parse_args()
    print(f"{machine()}\n")
    kept = {"STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL": str(KEPT_SECONDS)}
    with tempfile.TemporaryDirectory() as name, open(f"{name}/log", "wb") as log:
        room_of = confined(f"{name}/cache", memory=options.memory * MEGABYTE, cores=options.cores, log=log, **kept)
        with room_of as room:
            levels, wrong = asyncio.run(come_and_go(room, options.sessions))
            print(f"\nMemory is limited to {room.enforced}; processes ended for want of it: {room.killed()}.")
    ratio = levels[-1][1] / levels[0][1]
    print(f"The last level is {ratio:.2f} of that after the first {levels[0][0]} sessions (at most {MOST}).")
    for text in wrong:
        print(f"- {text}", file=sys.stderr)
    sys.exit(bool(wrong) or ratio > MOST)


if __name__ == "__main__":
    main()
