"""The answers that all visitors of a class received, whether they were right, and the report."""

import hashlib
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, process_time

import numpy as np

from benchmarks.harness.answers import Fact, Library, MapsKey, agreement, is_thumbnail_of, sample_files
from benchmarks.harness.command import print_markdown
from benchmarks.harness.confined import MEGABYTE, ConfinedServer
from benchmarks.harness.people import Person
from crosspool.ui.widgets.text import as_it_is

LEVEL_SECONDS = 10.0  # between two measurements of the memory
WARM_SECONDS = 120.0  # from then on memory is to be flat


@dataclass
class ClassRecords:
    """The answers that all visitors received; maps are stored in the folder, by their SHA-256."""

    folder: Path
    times: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))  # by action and kind
    waits: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))  # of each visitor, uncached
    errors: list[str] = field(default_factory=list)
    shown: set[tuple[object, ...]] = field(default_factory=set)  # keys of what any visitor has seen
    maps: Counter[tuple[MapsKey, str]] = field(default_factory=Counter)
    facts: set[Fact] = field(default_factory=set)
    classes: set[tuple[str, int, str]] = field(default_factory=set)  # image, size, highest class
    thumbnails: set[tuple[str, str]] = field(default_factory=set)  # image, data URL as it was sent

    def store_maps(self, key: MapsKey, packed: bytes) -> None:
        name = hashlib.sha256(packed).hexdigest()
        if not self.maps[key, name]:
            (self.folder / name).write_bytes(packed)
        self.maps[key, name] += 1

    def times_of(self, kind: str) -> list[float]:
        """The times of all actions of a kind: cached, computed or job."""
        return [seconds for (_, other), times in self.times.items() if other == kind for seconds in times]


@dataclass
class Levels:
    """The memory and processor time of the server, every ten seconds."""

    server: ConfinedServer
    start: float
    rows: list[tuple[float, int, float, float]] = field(default_factory=list)  # seconds, bytes, its and our CPU seconds

    def measure(self) -> None:
        """Add a row."""
        seconds = monotonic() - self.start
        self.rows.append((seconds, self.server.memory(), self.server.cpu_seconds(), process_time()))

    def slope(self) -> float:
        """Megabytes a minute, after the first two minutes."""
        late = [(at / 60, memory / MEGABYTE) for at, memory, _, _ in self.rows if at >= WARM_SECONDS]
        return statistics.linear_regression(*zip(*late, strict=True)).slope

    def shares(self) -> tuple[float, float]:
        """The cores that the server used on average, and that this harness used."""
        first, last = self.rows[0], self.rows[-1]
        seconds = last[0] - first[0] or 1
        return (last[2] - first[2]) / seconds, (last[3] - first[3]) / seconds


def verify(records: ClassRecords, people: Sequence[Person]) -> tuple[Counter[str], list[str]]:
    """Compare everything that was shown with what the library computes: how maps agree, and the wrong answers."""
    uploads = (file for person in people for file in person.images)
    files = {file.key: file.data for file in (*uploads, *sample_files().values())}
    library, agreements, wrong = Library(files), Counter[str](), []
    for (key, name), count in sorted(records.maps.items(), key=str):
        verdict = agreement((records.folder / name).read_bytes(), library.packed(key))
        agreements[verdict] += count
        if verdict not in ("exactly", "within a step"):
            wrong.append(f"maps are {verdict}: {key}")
    facts = sorted(records.facts, key=lambda fact: str(fact.maps))
    wrong += [f"a number is wrong: {fact}" for fact in facts if not library.holds(fact)]
    for image, size, name in sorted(records.classes):
        if as_it_is(expected := library.predicted(image, size)) != name:
            wrong.append(f"the highest class is {name} instead of {expected}: {image} at {size} px")
    others = [key for key, url in records.thumbnails if not is_thumbnail_of(url, files[key])]
    wrong += [f"a thumbnail of {key} shows another image" for key in others]
    return agreements, wrong


def print_report(records: ClassRecords, levels: Levels, agreements: Counter[str], wrong: Sequence[str]) -> None:
    """Print everything as Markdown."""
    counts = {
        "actions": sum(map(len, records.times.values())),
        "errors": len(records.errors),
        "wrong answers": len(wrong),
        "maps right bit by bit": agreements["exactly"],
        "within a step of 8 bits": agreements["within a step"],
        "numbers": len(records.facts),
        "classes": len(records.classes),
    }
    print_markdown([*counts], [[f"{count:,}" for count in counts.values()]])
    cached, computed = records.times_of("cached"), records.times_of("computed")
    rows = [_row("**to cached actions**", cached), _row("**to actions that need computing**", computed)]
    rows += [_row(f"{name}, {kind}", times) for (name, kind), times in sorted(records.times.items())]
    print()
    print_markdown(["answers, in seconds", "how many", "median", "90 %", "99 %", "longest"], rows)
    if computed:
        means, mean = list(map(statistics.fmean, records.waits.values())), statistics.fmean(computed)
        waits = {
            "mean of all": mean,
            "the visitor who waited longest on average": max(means),
            "the one who waited least": min(means),
            "the longest wait": max(computed),
        }
        print()
        rows = [[name, f"{value:.2f}", f"{value / mean:.2f}"] for name, value in waits.items()]
        print_markdown(["waits for computing", "seconds", "over the mean of all"], rows)
    print()
    rows = [[f"{at:.0f}", f"{memory / MEGABYTE:,.0f}"] for at, memory, _, _ in levels.rows]
    print_markdown(["after, in seconds", "memory of the server and its workers, MB"], rows)
    server = levels.server
    print(f"\nMemory is limited to {server.enforced}; processes ended for lack of it: {server.killed()}.")
    if (peak := server.peak()) is not None:
        print(f"At most {peak / MEGABYTE:,.0f} MB, files included.")
    if levels.rows[-1][0] > WARM_SECONDS + LEVEL_SECONDS:
        print(f"After the first {WARM_SECONDS:.0f} s it grows by {levels.slope():+.1f} MB a minute.")
    cores, own = levels.shares()
    print(f"The server used {cores:.2f} cores on average, this harness {own:.2f} on the same ones.")


def _row(name: str, times: Sequence[float]) -> list[str]:
    if not times:
        return [name, "0", "", "", "", ""]
    return [name, f"{len(times):,}", *(f"{value:.3f}" for value in np.percentile(times, (50, 90, 99, 100)))]
