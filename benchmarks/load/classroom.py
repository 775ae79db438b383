"""A class at once: `python -m benchmarks.load.classroom --users 40 --minutes 10`.

The app runs with so many cores and so much memory as a small machine has, and that many visitors open it, each in a
WebSocket session as a browser's, with pictures of their own. They upload, press, choose, go to every page, look at
other images, train, close the tab and come back, and leave while something is computed; between two actions they think.
One visitor has seen every page before them, so that the server has read its libraries.

Every answer is checked. At once: no red box, no exception, the visitor's own titles and classes, the channel that was
asked for, and nowhere among all bytes sent a name or a picture's SHA-256 of somebody else. After the run, so that it
takes no time from the server: all maps, bit by bit or within one step of their 8 bits, the pooled facts, the weights
and classes on the other pages, and the small pictures, against what the library computes in this process. Anything
wrong ends with status 1.

"Cached" are actions that need nothing that was not shown to anybody before; if the server has dropped it since, they
are slow cached actions. Waiting for a look at other images or for a training is a row of its own.
"""

import argparse
import asyncio
import hashlib
import random
import re
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, process_time

from benchmarks.harness.answers import Asked, Fact, Library, MapSet, agree, same_picture, sample_files
from benchmarks.harness.confined import MEGABYTE, Room, confined
from benchmarks.harness.people import Person, Watch
from benchmarks.harness.timing import machine
from benchmarks.harness.visitor import Answer, Visitor
from crosspool.ui.widgets.text import as_it_is

PAIRS = ("conv_head", "blocks.15.project_conv", "blocks.15.expand_conv")
SIZES = (160, 192, 224, 288, 320)
OWN_SIZE, TRAINED_ON = 224, "ShuffleNet V2 X0 5, untrained"
MAPS, WHY, BUILD, WHAT, LESSON, TRAIN = (
    "Weighting maps", "Contributions", "Build P", "What am I looking at?", "Guided lesson", "Train & compare",
)  # fmt: skip
WITH_MAPS = (MAPS, BUILD, WHAT)
NUMBER = r"\*\*(−?[\d.,e+−-]+)\*\*"
PEAK = re.compile(rf"Peak \| {NUMBER} at")
SHARE = re.compile(r"energy \| \*\*([\d.e+-]+) %\*\*")
CHANNEL = re.compile(r"^\*\*Map (\d+)\*\*$")
WEIGHT = re.compile(rf"At row (\d+), column (\d+), map (\d+) has the weight {NUMBER}")
HIGHEST = re.compile(rf"^## The highest score is that of \*\*(.+?)\*\*: {NUMBER}")
EVERY = 10.0  # seconds between two looks at the memory
LEVEL_FROM = 120.0  # seconds: from then on memory is to be flat
PATIENCE = 300.0  # seconds


@dataclass
class Records:
    """What all visitors met with."""

    folder: Path
    times: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))  # kind, cached or not
    waits: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))  # of each visitor, uncached
    errors: list[str] = field(default_factory=list)
    known: set[tuple[object, ...]] = field(default_factory=set)  # what was shown to anybody before
    maps: Counter[tuple[Asked, str]] = field(default_factory=Counter)  # by the SHA-256 of what was sent
    facts: set[Fact] = field(default_factory=set)
    classes: set[tuple[str, int, str]] = field(default_factory=set)  # picture, size, highest class
    small: set[tuple[str, str]] = field(default_factory=set)  # picture, thumbnail as it was sent
    places: Counter[str] = field(default_factory=Counter)  # what a spinner said of the queue

    def keep_maps(self, asked: Asked, packed: bytes) -> None:
        name = hashlib.sha256(packed).hexdigest()
        if not self.maps[asked, name]:
            (self.folder / name).write_bytes(packed)
        self.maps[asked, name] += 1

    @property
    def actions(self) -> int:
        return sum(map(len, self.times.values()))


class WrongAnswerError(Exception):
    """A page that does not show what was asked for."""


class User:
    """One visitor, who does one thing after the other."""

    def __init__(self, url: str, person: Person, watch: Watch, samples: dict[str, tuple[str, bytes]], records: Records):
        self.url, self.person, self.watch, self.samples, self.records = url, person, watch, samples, records
        self.random = random.Random(f"{person.seed} {person.number}")
        self.keys = {name: hashlib.sha256(data).hexdigest() for name, (_, data) in samples.items()}
        self.tab = Visitor(url, watch)
        self._in_new_tab()

    def _in_new_tab(self) -> None:
        self.on, self.picture, self.title = MAPS, self.keys["cat"], self.samples["cat"][0]
        self.pair, self.size, self.channel = PAIRS[0], OWN_SIZE, -1
        self.uploaded: list[str] = []  # keys
        self.source = "Samples"

    async def live(self, until: float, think: Callable[[random.Random], float]) -> None:
        """Open the app, do things, and close it."""
        await asyncio.sleep(self.random.uniform(0, 5))
        await self.act("open the app", self.open)
        while (pause := think(self.random)) < until - monotonic():
            await asyncio.sleep(pause)
            name, action = self._next()
            await self.act(name, action)
        await self.tab.close()

    async def act(self, name: str, action: Callable[[], Awaitable[Answer | None]]) -> None:
        """Do something; whatever goes wrong is an error, and the visitor starts anew."""
        records, start = self.records, monotonic()
        try:
            answer = await asyncio.wait_for(action(), PATIENCE)
            needs = self._needs()
            cached = "cached" if needs <= records.known else "computed"
            if name in ("look at other images", "train"):
                cached = "job"
            self._check(needs)
            if answer is not None:
                records.times[name, cached].append(answer.seconds)
                records.places.update(told for told in answer.told)
                if cached == "computed":
                    records.waits[self.person.number].append(answer.seconds)
            records.known |= needs
        except Exception as error:  # whatever it is, it is counted and told
            text = " ".join(str(error).split())[:300]
            records.errors.append(f"{name}, after {monotonic() - start:.1f} s: {type(error).__name__}: {text}")
            await self._start_anew()

    async def _start_anew(self) -> None:
        await self.tab.close()
        self.tab = Visitor(self.url, self.watch)
        self._in_new_tab()
        await self.tab.open()

    def _next(self) -> tuple[str, Callable[[], Awaitable[Answer | None]]]:
        """What to do next, which depends on the page."""
        if self.on in (LESSON, TRAIN, WHY):
            return "go to a page", lambda: self.go(MAPS)
        choices: list[tuple[float, str, Callable[[], Awaitable[Answer | None]]]] = [
            (3, "choose a pair", self.choose_pair),
            (3, "choose an input size", self.choose_size),
            (3, "choose a sample", self.choose_sample),
            (4, "go to a page", self.go_anywhere),
        ]
        if self.on == MAPS:
            choices += [
                (6, "choose a channel", self.choose_channel),
                (3, "choose a position", self.choose_position),
                (1, "look at other images", self.look),
                (0.7, "leave in the middle", self.leave),
            ]
        if len(self.uploaded) < len(self.person.pictures):
            choices.append((3, "upload a picture", self.upload))
        if self.uploaded:
            choices.append((3, "choose a picture of one's own", self.choose_own))
        choices += [(0.3, "train", self.train), (0.4, "open the app", self.open), (0.4, "come back", self.come_back)]
        weights = [weight for weight, _, _ in choices]
        ((_, name, action),) = self.random.choices(choices, weights)
        return name, action

    # --- actions

    async def open(self) -> Answer:
        """In a new tab; the old one, with all that was uploaded there, is closed."""
        await self.tab.close()
        self.tab = Visitor(self.url, self.watch)
        self._in_new_tab()
        if self.random.random() < 0.5:
            return await self.tab.open()
        sample = self.random.choice(list(self.samples))
        self.pair, self.size = self.random.choice(PAIRS), self.random.choice(SIZES)
        self.picture, self.title = self.keys[sample], self.samples[sample][0]
        return await self.tab.open("/", sample=sample, pair=self.pair, size=self.size)

    async def come_back(self) -> Answer:
        """After the network was gone for a moment."""
        await self.tab.lose_connection()
        await asyncio.sleep(self.random.uniform(0.5, 3))
        return await self.tab.come_back()

    async def upload(self) -> Answer:
        await self._show("Upload")
        file = self.person.pictures[len(self.uploaded)]
        self.uploaded.append(file.key)
        self.picture, self.title = file.key, file.title
        return await self.tab.upload((file.title, file.data))

    async def choose_sample(self) -> Answer:
        await self._show("Samples")
        sample = self.random.choice(list(self.samples))
        self.picture, self.title = self.keys[sample], self.samples[sample][0]
        return await self.tab.tell("sample-strip", "chosen", sample)

    async def choose_own(self) -> Answer:
        await self._show("Upload")
        self.picture = self.random.choice(self.uploaded)
        self.title = next(file.title for file in self.person.pictures if file.key == self.picture)
        return await self.tab.tell("upload-strip", "chosen", self.picture)

    async def _show(self, source: str) -> None:
        if self.source != source:
            self.source = source
            await self.tab.choose("source", source)

    async def choose_pair(self) -> Answer:
        self.pair, self.channel = self.random.choice([pair for pair in PAIRS if pair != self.pair]), -1
        label = next(option for option in self.tab.options("Layer pair") if f"→ {self.pair} " in option)
        return await self.tab.choose("Layer pair", label)

    async def choose_size(self) -> Answer:
        self.size = self.random.choice([size for size in SIZES if size != self.size])
        return await self.tab.choose("Input size", f"{self.size} px")

    async def choose_channel(self) -> Answer:
        self.channel = self.random.randrange(300)
        return await self.tab.tell("gallery", "channel", self.channel)

    async def choose_position(self) -> Answer:
        cell = [self.random.randrange(5), self.random.randrange(5)]
        return await self.tab.tell(self.random.choice(["seen", "over"]), "cell", cell)

    async def go_anywhere(self) -> Answer:
        return await self.go(self.random.choice([page for page in self.tab.pages if page != self.on]))

    async def go(self, page: str) -> Answer:
        self.on = page
        return await self.tab.go(page)

    async def leave(self) -> Answer:
        """Ask for one size, and for another before the answer is there."""
        other = self.random.choice(SIZES)
        await self.tab.leave(self.tab.choose("Input size", f"{other} px"), self.random.uniform(0.02, 0.3))
        self.size = self.random.choice([size for size in SIZES if size != other])
        return await self.tab.choose("Input size", f"{self.size} px")

    async def look(self) -> Answer | None:
        """At all other images, until they are there."""
        buttons = [node.label for node in self.tab.page.elements("button") if node.key == "across-look"]
        if not buttons or buttons[0].startswith("All"):
            return None
        start = monotonic()
        await self.tab.press("across-look")
        while not any(node.key == "across-look" for node in self.tab.page.elements("button")):
            await asyncio.sleep(0.1)
            await self.tab.settle()
        return Answer(monotonic() - start, ())

    async def train(self) -> Answer:
        """On a ZIP of one's own, with the quickest method there is."""
        await self.go(TRAIN)
        tab, zipped = self.tab, self.person.zipped
        await tab.choose("labelled_source", "ZIP")
        await tab.upload((zipped.title, zipped.data), name="A ZIP with a folder")
        await tab.choose("Network", TRAINED_ON)
        await tab.type("Random splits", 2)
        await tab.choose_all("Methods", [one for one in tab.options("Methods") if one.startswith("global@224")])
        start = monotonic()
        await tab.press("train")
        while any(node.key == "cancel" for node in tab.page.elements("button")):
            await asyncio.sleep(0.1)
            await tab.settle()
        if not any(text.startswith(f"Result: {self.person.name}, 8 images") for text in tab.texts):
            raise WrongAnswerError("A training ended without a result on the visitor's own pictures")
        return Answer(monotonic() - start, ())

    # --- checks

    @property
    def _asked(self) -> Asked:
        return Asked(self.picture, self.pair, self.size)

    def _needs(self) -> set[tuple[object, ...]]:
        """What the page needs that may have to be computed."""
        if self.on in WITH_MAPS:
            return {("maps", self._asked)}
        if self.on == WHY:
            return {("why", self.picture, self.size)}
        return {(self.on, self._asked)}

    def _check(self, needs: set[tuple[object, ...]]) -> None:
        page, records = self.tab.page, self.records
        if page.errors:
            raise WrongAnswerError(f"The page {self.on} says: {page.errors}")
        if self.watch.foreign:
            found, self.watch.foreign = self.watch.foreign, set()
            raise WrongAnswerError(f"On {self.on}, a message carries what belongs to others: {found}")
        texts = page.texts
        if self.on in (*WITH_MAPS, WHY) and not any(as_it_is(self.title) in text for text in texts):
            raise WrongAnswerError(f"{self.on} does not name the picture {self.title}")
        if self.on in WITH_MAPS and not any(f"→ {as_it_is(self.pair)} " in text for text in texts):
            raise WrongAnswerError(f"{self.on} does not name the pair {self.pair}")
        if self.on in (*WITH_MAPS, WHY):
            self._check_strip()
        if self.on == MAPS:
            self._check_maps(texts)
        elif self.on == WHAT:
            row, column, channel, weight = _found(WEIGHT, texts)
            place = (int(row), int(column))
            records.facts.add(Fact(self._asked, "weight", int(channel), _float(weight), place))
        elif self.on == WHY:
            name, _ = _found(HIGHEST, texts)
            records.classes.add((self.picture, self.size, name))

    def _check_strip(self) -> None:
        """The small pictures are the visitor's own, all of them and in their order."""
        kind = "sample" if self.source == "Samples" else "upload"
        if kind == "upload" and not self.uploaded:
            return
        strip = self.tab.page.component(f"{kind}-strip")
        shown = [item["id"] for item in strip["items"]]
        right = list(self.samples) if kind == "sample" else self.uploaded
        if shown != right:
            raise WrongAnswerError(f"The small pictures are {shown} instead of {right}")
        for item in strip["items"]:
            self.records.small.add((self.keys.get(item["id"], item["id"]), item["picture"]))

    def _check_maps(self, texts: list[str]) -> None:
        packed = self.tab.packed_maps()
        shown = MapSet.of(packed)
        if self.tab.page.component("gallery")["maps"] != shown.header["id"]:
            raise WrongAnswerError("The gallery waits for other maps than those that were sent")
        channel = int(_found(CHANNEL, texts)[0])
        if self.channel not in (-1, channel):
            raise WrongAnswerError(f"Map {channel} is shown instead of {self.channel}")
        records, asked = self.records, self._asked
        records.keep_maps(asked, packed)
        records.facts.add(Fact(asked, "peak", channel, _float(_found(PEAK, texts)[0])))
        records.facts.add(Fact(asked, "share", channel, _float(_found(SHARE, texts)[0]) / 100))


def _found(pattern: re.Pattern[str], texts: Sequence[str]) -> tuple[str, ...]:
    for text in texts:
        if found := pattern.search(text):
            return found.groups()
    raise WrongAnswerError(f"Nothing on the page looks like {pattern.pattern}")


def _float(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


# --- the run


@dataclass
class Levels:
    """Memory and processor time, every ten seconds."""

    room: Room
    start: float
    rows: list[tuple[float, int, float, float]] = field(default_factory=list)  # seconds, bytes, its and our CPU seconds

    async def watch(self) -> None:
        while True:
            took = self.room.cpu_seconds(), process_time()
            self.rows.append((monotonic() - self.start, self.room.memory(), *took))
            await asyncio.sleep(EVERY)

    def slope(self) -> float:
        """Megabytes a minute, after the first two minutes."""
        late = [(at / 60, held / MEGABYTE) for at, held, _, _ in self.rows if at >= LEVEL_FROM]
        return statistics.linear_regression(*zip(*late, strict=True)).slope

    def shares(self) -> tuple[float, float]:
        """Cores that the server was using on average, and that this harness was."""
        first, last = self.rows[0], self.rows[-1]
        seconds = last[0] - first[0] or 1
        return (last[2] - first[2]) / seconds, (last[3] - first[3]) / seconds


async def crowd(room: Room, people: Sequence[Person], records: Records, seconds: float, think: float) -> Levels:
    """Let everybody in, and out at the end."""
    samples, keys = sample_files(), {key: person.number for person in people for key in person.keys}
    users = [User(room.url, person, Watch(person, keys), samples, records) for person in people]

    def pause(own: random.Random) -> float:
        return own.lognormvariate(0, 0.8) * think / 1.377  # so that its mean is `think`

    first = Visitor(room.url)  # the server has read its libraries and its network before the others come
    await first.open()
    for page in first.pages:
        await first.go(page)
    await first.close()
    levels = Levels(room, monotonic())
    watching = asyncio.create_task(levels.watch())
    await asyncio.gather(*(user.live(levels.start + seconds, pause) for user in users))
    watching.cancel()
    return levels


def verify(records: Records, people: Sequence[Person]) -> tuple[Counter[str], list[str]]:
    """Compare everything that was shown with what the library computes: how maps agree, and what is wrong."""
    files = {file.key: file.data for person in people for file in person.pictures}
    files |= {hashlib.sha256(data).hexdigest(): data for _, data in sample_files().values()}
    library, agreement, wrong = Library(files), Counter[str](), []
    for (asked, name), count in sorted(records.maps.items(), key=lambda one: str(one[0])):
        how = agree((records.folder / name).read_bytes(), library.packed(asked))
        agreement[how] += count
        if how not in ("exactly", "within a step"):
            wrong.append(f"maps are {how}: {asked}")
    facts = sorted(records.facts, key=lambda fact: str(fact.asked))
    wrong += [f"a number is wrong: {fact}" for fact in facts if not library.holds(fact)]
    for picture, size, name in sorted(records.classes):
        if as_it_is(right := library.predicted(picture, size)) != name:
            wrong.append(f"the highest class is {name} instead of {right}: {picture} at {size} px")
    wrong += [
        f"a small picture of {key} shows another" for key, url in records.small if not same_picture(url, files[key])
    ]
    return agreement, wrong


def report(records: Records, levels: Levels, agreement: Counter[str], wrong: Sequence[str], room: Room) -> None:
    """Print all of it as Markdown."""
    cached, computed = (
        [t for (_, how), ts in records.times.items() if how == one for t in ts] for one in ("cached", "computed")
    )
    print("| actions | errors | wrong answers | maps right bit by bit | within a step of 8 bits | numbers | classes |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {records.actions:,} | {len(records.errors)} | {len(wrong)} | {agreement['exactly']:,} | "
        f"{agreement['within a step']:,} | {len(records.facts):,} | {len(records.classes):,} |"
    )
    print("\n| answers, in seconds | how many | median | 90 % | 99 % | longest |\n|---|---|---|---|---|---|")
    print(_row("**to cached actions**", cached))
    print(_row("**to actions that need computing**", computed))
    for (name, how), times in sorted(records.times.items()):
        print(_row(f"{name}, {how}", times))
    means = {number: statistics.fmean(waits) for number, waits in records.waits.items()}
    if computed:
        mean = statistics.fmean(computed)
        print("\n| waits for computing | seconds | over the mean of all |\n|---|---|---|")
        for name, value in (
            ("mean of all", mean), ("the visitor who waited longest on average", max(means.values())),
            ("the one who waited least", min(means.values())), ("the longest wait", max(computed)),
        ):  # fmt: skip
            print(f"| {name} | {value:.2f} | {value / mean:.2f} |")
    if records.places:
        print("\nThe page said meanwhile: " + "; ".join(f"{text} ({n})" for text, n in records.places.most_common(6)))
    print("\n| after, in seconds | memory of the server and its workers, MB |\n|---|---|")
    for at, held, _, _ in levels.rows:
        print(f"| {at:.0f} | {held / MEGABYTE:,.0f} |")
    server, own = levels.shares()
    peak = room.peak()
    print(f"\nMemory is limited to {room.enforced}; processes ended for want of it: {room.killed()}.")
    print(f"At most {peak / MEGABYTE:,.0f} MB, files included." if peak is not None else "")
    if levels.rows[-1][0] > LEVEL_FROM + EVERY:
        print(f"After the first {LEVEL_FROM:.0f} s it grows by {levels.slope():+.1f} MB a minute.")
    print(f"The server used {server:.2f} cores on average, this harness {own:.2f} on the same ones.")


def _row(name: str, times: Sequence[float]) -> str:
    if not times:
        return f"| {name} | 0 | | | | |"
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [times[0]] * 99
    return f"| {name} | {len(times):,} | {cuts[49]:.3f} | {cuts[89]:.3f} | {cuts[98]:.3f} | {max(times):.3f} |"


def main() -> None:
    """Run, verify and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--think", type=float, default=15, help="seconds between two actions, on average (15)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", type=int, default=4096, help="megabytes for the server (4096)")
    options = parser.parse_args()
    people = [Person(number, options.seed) for number in range(options.users)]
    drawn = [(person.keys, person.zipped) for person in people]  # before the time starts
    print(f"{len(drawn)} users, {options.minutes:g} minutes, seed {options.seed}; {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as name, open(Path(name) / "log", "w+b") as log:
        records = Records(Path(name))
        memory = options.memory * MEGABYTE
        with confined(f"{name}/cache", memory=memory, cores=options.cores, log=log) as room:
            levels = asyncio.run(crowd(room, people, records, options.minutes * 60, options.think))
            agreement, wrong = verify(records, people)
            report(records, levels, agreement, wrong, room)
        log.seek(0)
        said = log.read().decode(errors="replace")
    wrong += [f"the server's log: {line}" for line in said.splitlines() if " ERROR " in line or "Traceback" in line]
    for text in (*records.errors, *wrong):
        print(f"- {text}", file=sys.stderr)
    sys.exit(bool(records.errors or wrong))


if __name__ == "__main__":
    main()
