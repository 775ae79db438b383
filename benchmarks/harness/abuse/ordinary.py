"""Ordinary visitors: they upload images, look at maps, go to pages; each of their answers is timed and checked."""

import asyncio
import hashlib
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import cycle
from time import monotonic

from benchmarks.harness.answers import Library, MapsKey, agreement, sample_files
from benchmarks.harness.mapsets import unpack
from benchmarks.harness.people import SMALL, LeakDetector, Person
from benchmarks.harness.tab import Tab
from crosspool.ui.widgets.text import as_it_is

IMAGES = 8  # of each visitor
PAIRS = ("conv_head", "blocks.15.project_conv")
SIZES = (224, 320)
FIRST_SIZE = 448  # of a visit that follows no link
CHANNELS = 300  # that both pairs have
MAPS, WHY, BESIDE = "Maps", "Why this class?", "Side by side"
HIGHEST = re.compile(r"^## Top class: \*\*(.+?)\*\* \(score ")
RIGHT_ANSWERS = ("exactly", "within a step")

Step = tuple[str, Callable[[], Awaitable[float]]]  # its name, and what returns the seconds of the answer


class WrongAnswerError(Exception):
    """A page that does not show what was asked for."""


@dataclass
class AnswerRecords:
    """What ordinary visitors got: when they asked and how long it took, what went wrong, and what was shown."""

    answers: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    maps: dict[tuple[MapsKey, str], bytes] = field(default_factory=dict)  # by what they are of, and their SHA-256
    classes: set[tuple[str, int, str]] = field(default_factory=set)  # image, size, highest class

    def seconds_between(self, start: float, end: float) -> list[float]:
        """What the answers took that were asked for in this time."""
        return [seconds for begun, seconds in self.answers if start <= begun < end]


class OrdinaryVisitor:
    """One who does one thing after the other, and thinks for some seconds in between."""

    def __init__(self, url: str, person: Person, people: Sequence[Person], records: AnswerRecords, think: float):
        self.url, self.person, self.records, self.think = url, person, records, think
        owners = {key: each.number for each in people for key in each.keys}
        self._leaks = LeakDetector(person, owners)
        self._random = random.Random(person.number)
        self._steps = self._all_steps()
        self._begin_anew()

    def _begin_anew(self) -> None:
        cat = sample_files()["cat"]
        self.tab = Tab(self.url, self._leaks)
        self._page, self._image, self._title = MAPS, cat.key, cat.title
        self._pair, self._size, self._channel = PAIRS[0], FIRST_SIZE, -1
        self._uploaded: set[str] = set()
        self._is_open = False

    async def live(self, stopped: asyncio.Event) -> None:
        """Open the app and use it until this is set."""
        await asyncio.sleep(self._random.uniform(0, self.think))
        while not stopped.is_set():
            await self._step()
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * self.think)
        await self.tab.close()

    async def work(self, steps: int) -> None:
        """Open the app, and take so many steps without a pause."""
        for _ in range(1 + steps):
            await self._step()
        await self.tab.close()

    async def _step(self) -> None:
        """Do the next thing; after anything that goes wrong the visitor begins again in a new tab."""
        name, act = next(self._steps) if self._is_open else ("open", self.tab.open)
        begun = monotonic()
        try:
            if not self.tab.browser:
                await self.tab.ask_for_cookie()
            self.records.answers.append((begun, await act()))
            self._is_open = True
            self._check()
        except Exception as error:  # any is recorded, and the attack has not passed
            seconds = monotonic() - begun
            self.records.answers.append((begun, seconds))
            text = " ".join(str(error).split())[:300]
            self.records.errors.append(f"{name}, after {seconds:.1f} s: {type(error).__name__}: {text}")
            await self.tab.close()
            self._begin_anew()

    def _all_steps(self) -> Iterator[Step]:
        for number in cycle(range(IMAGES)):
            yield "upload", partial(self._upload, number)
            yield "channel", self._choose_channel
            yield "pair", self._choose_pair
            yield BESIDE, partial(self._go, BESIDE)
            yield MAPS, partial(self._go, MAPS)
            yield "size", self._choose_size
            yield WHY, partial(self._go, WHY)
            yield MAPS, partial(self._go, MAPS)

    # --- steps

    async def _upload(self, number: int) -> float:
        file = self.person.images[number]
        self._image, self._title = file.key, file.title
        if file.key in self._uploaded:
            return await self.tab.tell("image-strip", "chosen", file.key)
        self._uploaded.add(file.key)
        return await self.tab.upload(file)

    async def _choose_channel(self) -> float:
        self._channel = self._random.randrange(CHANNELS)
        return await self.tab.tell_gallery(selected=self._channel)

    async def _choose_pair(self) -> float:
        (self._pair,), self._channel = [pair for pair in PAIRS if pair != self._pair], -1
        return await self.tab.tell("network", "chosen", self._pair)

    async def _choose_size(self) -> float:
        self._size = self._random.choice([size for size in SIZES if size != self._size])
        return await self.tab.choose("Input size", f"{self._size} px")

    async def _go(self, page: str) -> float:
        self._page = page
        return await self.tab.go(page)

    # --- checks

    def _check(self) -> None:
        page = self.tab.page
        if page.errors:
            raise WrongAnswerError(f"The page {self._page} shows: {page.errors}")
        if self._leaks.leaks:
            leaks, self._leaks.leaks = self._leaks.leaks, set()
            raise WrongAnswerError(f"A message contains what belongs to others: {leaks}")
        if self._page == MAPS:
            self._check_maps()
        elif self._page == WHY:
            matches = (HIGHEST.search(text) for text in page.texts)
            names = [match[1] for match in matches if match]
            if len(names) != 1:
                raise WrongAnswerError(f"The page names {len(names)} highest classes")
            self.records.classes.add((self._image, self._size, names[0]))
        elif as_it_is(self._title) not in as_it_is(str(page.component("panes")["left"]["title"])):
            raise WrongAnswerError(f"The left pane does not show {self._title}")

    def _check_maps(self) -> None:
        packed = self.tab.packed_maps()
        selected = self.tab.page.component("gallery")["selected"]
        if self._channel not in (-1, selected):
            raise WrongAnswerError(f"Map {selected} is shown instead of {self._channel}")
        key = MapsKey(self._image, self._pair, self._size)
        self.records.maps.setdefault((key, hashlib.sha256(packed).hexdigest()), packed)
        if self.tab.page.component("gallery")["maps"] != unpack(packed).id:
            raise WrongAnswerError("The gallery expects other maps than those that were sent")


def ordinary_people(count: int, seed: int = 5) -> list[Person]:
    """So many visitors, with images that nobody else has."""
    return [Person(number, seed, SMALL * (IMAGES // len(SMALL))) for number in range(count)]


class Judge:
    """Compares answers with what the library computes, each only once."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        self._agreements: dict[tuple[MapsKey, str], str] = {}
        self._predicted: dict[tuple[str, int], str] = {}

    @cached_property
    def _library(self) -> Library:
        uploads = (file for person in self._people for file in person.images)
        return Library({file.key: file.data for file in (*uploads, *sample_files().values())})

    def wrong(self, records: AnswerRecords) -> list[str]:
        """The answers that are wrong, each in a sentence."""
        wrong = []
        for (key, name), packed in records.maps.items():
            if (key, name) not in self._agreements:
                self._agreements[key, name] = agreement(packed, self._library.packed(key))
            if self._agreements[key, name] not in RIGHT_ANSWERS:
                wrong.append(f"maps are {self._agreements[key, name]}: {key}")
        for image, size, name in sorted(records.classes):
            if (image, size) not in self._predicted:
                self._predicted[image, size] = as_it_is(self._library.predicted(image, size))
            if self._predicted[image, size] != name:
                wrong.append(f"the highest class is {name} instead of {self._predicted[image, size]}")
        return wrong
