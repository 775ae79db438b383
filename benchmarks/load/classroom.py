"""A class at once: `python -m benchmarks.load.classroom --users 40 --minutes 10`.

The app runs with so many cores and so much memory as a small machine has, and that many visitors open it, each in a
WebSocket session as a browser's, with images of their own. They upload, press, choose, go to every page, look at
other images, train, close the tab and come back, and leave while something is computed; between two actions they think.
One visitor has seen every page before them, so that the server has read its libraries.

Every answer is checked. At once: no red box, no exception, the visitor's own titles and classes, the channel that was
asked for, and nowhere among all bytes sent a name or an image's SHA-256 of somebody else. After the run, so that it
takes no time from the server: all maps, bit by bit or within one step of their 8 bits, the pooled facts, the weights
and classes on the other pages, and the thumbnails, against what the library computes in this process. Anything
wrong ends with status 1.

"Cached" are actions that need nothing that was not shown to anybody before; if the server has dropped it since, they
are slow cached actions. Waiting for a look at other images or for a training is a row of its own.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import monotonic

from benchmarks.harness.answers import sample_files
from benchmarks.harness.command import options_of
from benchmarks.harness.confined import ConfinedServer, confined
from benchmarks.harness.people import LeakDetector, Person
from benchmarks.harness.tab import Tab
from benchmarks.harness.timing import machine
from benchmarks.load.pupil import Pupil
from benchmarks.load.records import LEVEL_SECONDS, ClassRecords, Levels, print_report, verify


async def hold_class(
    server: ConfinedServer, people: Sequence[Person], records: ClassRecords, seconds: float, think: float
) -> Levels:
    """Let everybody in, and out at the end."""
    samples, owners = sample_files(), {key: person.number for person in people for key in person.keys}
    url = server.app.url
    pupils = [Pupil(url, person, LeakDetector(person, owners), samples, records) for person in people]

    def pause(random: Random) -> float:
        return random.lognormvariate(0, 0.8) * think / 1.377  # so that its mean is `think`

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
    await asyncio.gather(*(pupil.live(levels.start + seconds, pause) for pupil in pupils))
    measuring.cancel()
    return levels


def main() -> None:
    """Run, verify and print."""
    options = options_of(
        __doc__,
        users=40,
        minutes=10.0,
        think=(15.0, "seconds between two actions, on average (15)"),
        seed=0,
        cores=2,
        memory=(4096, "megabytes for the server (4096)"),
    )
    people = [Person(number, options.seed) for number in range(options.users)]
    for person in people:
        assert person.keys
        assert person.zipped.data  # drawn before the time starts
    print(f"{len(people)} users, {options.minutes:g} minutes, seed {options.seed}; {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        records = ClassRecords(Path(name))
        with confined(Path(name), megabytes=options.memory, cores=options.cores) as server:
            levels = asyncio.run(hold_class(server, people, records, options.minutes * 60, options.think))
            agreements, wrong = verify(records, people)
            print_report(records, levels, agreements, wrong)
        wrong += [f"the server's log: {line}" for line in server.app.faults]
    for text in (*records.errors, *wrong):
        print(f"- {text}", file=sys.stderr)
    sys.exit(bool(records.errors or wrong))


if __name__ == "__main__":
    main()
