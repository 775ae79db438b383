"""One attack on one new server while ordinary visitors work: what they waited, and what it cost."""

import asyncio
import json
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

import psutil
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.harness.abuse.base import END_SECONDS, OPERATOR_KEY, Attack
from benchmarks.harness.abuse.ordinary import AnswerRecords, Judge, OrdinaryVisitor
from benchmarks.harness.app import ROOT
from benchmarks.harness.confined import MEGABYTE, ConfinedServer
from benchmarks.harness.people import Person
from benchmarks.harness.tab import Tab

SETTINGS = {
    "CROSSPOOL_OPERATOR_KEY": OPERATOR_KEY,
    "CROSSPOOL_KEPT_SECONDS": "5",
    "HTTPS_PROXY": "http://127.0.0.1:9",  # nothing answers there: no weights are downloaded
}
TIMES, MORE = 3.0, 1.0  # an answer may take so many times the undisturbed median, and so many seconds more
KEPT_MEGABYTES = 100  # that the server may have more than before, once its caches are empty and all have left
WARM_SECONDS = 6.0  # after which the visitors have all opened the app
LEVEL_SECONDS = 0.5
RANDOM = re.compile(r"\b[0-9a-f]{6,8}\b")  # what differs between equal lines of the log
SETTLE_SECONDS = 45.0  # the server gives free memory back every half minute


@dataclass
class Outcome:
    """What an attack did; `seconds` and megabytes, and everything that should not have been."""

    name: str
    answers: Counter[str]
    median: float
    slowest_before: float
    slowest: float
    limit: float
    peak: float
    kept: float
    others: float
    visitor_answers: int
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return asdict(self) | {"answers": dict(self.answers.most_common()), "passed": self.passed}


@dataclass
class MachineLoad:
    """How many cores were busy on average since this was made, without those of the server and of this harness."""

    server: ConfinedServer
    start: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        self._busy, self._own = _busy_seconds(), self._own_seconds()

    def cores(self) -> float:
        """The cores that others used, those that a hypervisor took included."""
        busy = _busy_seconds() - self._busy - (self._own_seconds() - self._own)
        return max(busy, 0.0) / (monotonic() - self.start)

    def _own_seconds(self) -> float:
        harness = psutil.Process()
        children = [each for each in harness.children() if each.pid != self.server.process.pid]
        return self.server.cpu_seconds() + sum(sum(each.cpu_times()[:4]) for each in (harness, *children))


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


async def try_attack(
    attack: Attack, server: ConfinedServer, people: Sequence[Person], judge: Judge, seconds: float, think: float
) -> Outcome:
    """Let visitors work undisturbed for some seconds, and then as long while it is attacked."""
    url, records, load = server.app.url, AnswerRecords(), MachineLoad(server)
    with attacker(attack, url, seconds) as attacking:
        await _show_every_page(url)
        async with _at_work([OrdinaryVisitor(url, each, people, records, think) for each in people]):
            await asyncio.sleep(WARM_SECONDS)
            start = monotonic()
            await asyncio.sleep(seconds)
            before, middle = server.memory(), monotonic()
            answers, peak = await _attacked(attacking, server, seconds)
            end = monotonic()
    kept = await _settled(server, before)
    undisturbed, disturbed = records.seconds_between(start, middle), records.seconds_between(middle, end)
    median = statistics.median(undisturbed)
    outcome = Outcome(
        attack.name, answers, median, max(undisturbed), max(disturbed, default=0.0), TIMES * median + MORE,
        peak / MEGABYTE, (kept - before) / MEGABYTE, load.cores(), len(disturbed),
    )  # fmt: skip
    outcome.problems = _problems(outcome, server) + judge.wrong(records)
    if records.errors:
        outcome.problems.append(f"{len(records.errors)} errors, such as: {records.errors[0]}")
    if unexpected := attack.unexpected(answers):
        outcome.problems.append(f"answered: {'; '.join(unexpected)}")
    return outcome


def _problems(outcome: Outcome, server: ConfinedServer) -> list[str]:
    problems = []
    if server.app.process.poll() is not None:
        problems.append("the server has ended")
    if killed := server.killed():
        problems.append(f"{killed} processes were killed for lack of memory")
    if server.group is None and outcome.peak > server.limit / MEGABYTE:
        problems.append("it took more memory than there is")
    if outcome.slowest > outcome.limit:
        undisturbed = f"undisturbed up to {outcome.slowest_before:.1f} s"
        problems.append(f"an answer took {outcome.slowest:.1f} s ({undisturbed})")
    if outcome.kept > KEPT_MEGABYTES:
        problems.append(f"{outcome.kept:,.0f} MB stay")
    faults = Counter(RANDOM.sub("…", line.partition(" ")[2]) for line in server.app.faults)
    return problems + [f"{count} × in the server's log: {line[:200]}" for line, count in faults.most_common(2)]


@asynccontextmanager
async def _at_work(visitors: Sequence[OrdinaryVisitor]) -> AsyncIterator[None]:
    stopped = asyncio.Event()
    tasks = [asyncio.create_task(visitor.live(stopped)) for visitor in visitors]
    try:
        yield
    finally:
        stopped.set()
        await asyncio.gather(*tasks)


async def _show_every_page(url: str) -> None:
    """Let the server read its libraries, as the first visitor of a day does."""
    tab = Tab(url)
    await tab.open()
    for page in tab.pages:
        await tab.go(page)
    await tab.close()


async def _empty_caches(url: str) -> None:
    """What the operator's button does: then memory is not that of results that anybody may need again."""
    tab = Tab(url)
    await tab.open("/operator")
    field_, button = tab.page.widget("Key", "text_input"), tab.page.widget("Open", "button")
    await tab.run_with(
        WidgetState(id=field_.id, string_value=OPERATOR_KEY), WidgetState(id=button.id, trigger_value=True)
    )
    await tab.press("Empty the caches")
    await tab.close()


async def _settled(server: ConfinedServer, before: float) -> float:
    """The memory once everything has been given back, or after some time."""
    if server.app.process.poll() is not None:
        return server.memory()
    await _empty_caches(server.app.url)
    deadline = monotonic() + SETTLE_SECONDS
    while (level := server.memory()) > before + KEPT_MEGABYTES * MEGABYTE / 2 and monotonic() < deadline:
        await asyncio.sleep(1)
    return level


# --- the attacker, in a process of its own


@contextmanager
def attacker(attack: Attack, url: str, seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has read its libraries, and attacks once it is sent a line; it answers with another one."""
    command = (sys.executable, "-m", "benchmarks.harness.abuse.attacker", attack.name, url, f"{seconds}")
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def _attacked(
    attacking: "subprocess.Popen[bytes]", server: ConfinedServer, seconds: float
) -> tuple[Counter[str], float]:
    """Attack the server: what it answered, and the most memory that it held."""
    results = asyncio.create_task(asyncio.to_thread(attacking.communicate, b"go\n", seconds + 2 * END_SECONDS))
    peak = server.memory()
    while not results.done():
        peak = max(peak, server.memory())
        await asyncio.sleep(LEVEL_SECONDS)
    try:
        answers = Counter(json.loads((await results)[0] or '{"the attacker itself failed": 1}'))
    except subprocess.TimeoutExpired:
        answers = Counter({"the attacker did not end": 1})
    return answers, max(peak, server.memory())
