"""A class at once: `python -m benchmarks.load.classroom --users 40 --minutes 10`.

The app runs with the cores and the memory of a small machine, and many visitors open it, each in a WebSocket session
like a browser's, with images that nobody else has. They upload, press, choose, go to every page, look at other images,
train, close the tab and come back, and leave while something is computed; between two actions they think. One visitor
has seen every page before them, so that the server has read its libraries.

Every answer is checked. At once: no red box, no exception, the visitor's own titles and classes, the channel that was
asked for, and nowhere among all bytes sent the name of another visitor or the SHA-256 of another's image. After the
run, so that it takes no time from the server: all maps, bit by bit or within one step of their 8 bits, the pooled
facts, the weights and classes on the other pages, and the thumbnails, against what the library computes in this
process. Any error ends with status 1.

"Cached" are actions that need only what some visitor has been shown before; if the server has dropped it since, they
are slow cached actions. Waiting for a look at other images or for a training is a separate row.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from benchmarks.harness.command import machine
from benchmarks.harness.confined import ConfinedServer, confined
from benchmarks.harness.people import Person
from benchmarks.harness.tab import Tab
from benchmarks.load.pupil import Pupil
from benchmarks.load.records import LEVEL_SECONDS, ClassRecords, Levels, print_report, verify


async def hold_class(
    server: ConfinedServer, people: Sequence[Person], records: ClassRecords, seconds: float, think: float
) -> Levels:
    """Let all visitors use the app for some time, and measure the server meanwhile."""
    url, owners = server.app.url, {key: person.number for person in people for key in person.keys}
    pupils = [Pupil(url, person, owners, records, think) for person in people]
    first = Tab(url)  # the server has read its libraries and its network before the others come
    await first.open()
    for page in first.pages:
        await first.go(page)
    await first.close()
    levels = Levels(server, monotonic())

    async def measure() -> None:
        while True:
            levels.measure()
            await asyncio.sleep(LEVEL_SECONDS)

    measuring = asyncio.create_task(measure())
    await asyncio.gather(*(pupil.live(levels.start + seconds) for pupil in pupils))
    measuring.cancel()
    return levels


def main(
    users: int = 40,
    minutes: float = 10.0,
    think: Annotated[float, typer.Option(help="Seconds between two actions, on average.")] = 15.0,
    seed: int = 0,
    cores: int = 2,
    memory: Annotated[int, typer.Option(help="Megabytes for the server.")] = 4096,
) -> None:
    """Hold a class, check its answers, and print a report."""
    people = [Person(number, seed) for number in range(users)]
    assert all(person.keys and person.zipped.data for person in people)  # generated before the time starts
    print(f"{users} users, {minutes:g} minutes, seed {seed}; {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        records = ClassRecords(Path(name))
        with confined(Path(name), megabytes=memory, cores=cores) as server:
            levels = asyncio.run(hold_class(server, people, records, minutes * 60, think))
            agreements, wrong = verify(records, people)
            print_report(records, levels, agreements, wrong)
        wrong += [f"the server's log: {line}" for line in server.app.faults]
    for text in (*records.errors, *wrong):
        print(f"- {text}", file=sys.stderr)
    sys.exit(bool(records.errors or wrong))


if __name__ == "__main__":
    typer.run(main)
