"""One visitor of a class, who does one thing after the other and checks every page."""

import asyncio
import base64
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import numpy as np

from benchmarks.harness.answers import Fact, MapsKey, sample_files
from benchmarks.harness.mapsets import unpack
from benchmarks.harness.people import LeakDetector, Person, start_training
from benchmarks.harness.tab import Tab
from benchmarks.load.records import ClassRecords
from crosspool.ui.widgets.text import as_it_is

PAIRS = ("conv_head", "blocks.15.project_conv", "blocks.15.expand_conv")
SIZES = (160, 192, 224, 288, 320)
FIRST_SIZE = 448  # of a visit that follows no link
MAPS, WHY, BUILD, LESSON, TRAIN = (
    "Maps", "Why this class?", "Build the feature", "Guided lesson", "Train & compare",
)  # fmt: skip
WITH_MAPS = (MAPS, BUILD)
HIGHEST = re.compile(r"^## Top class: \*\*(.+?)\*\* \(score ")
PATIENCE_SECONDS = 300.0
MEAN_PAUSE = 1.377  # of lognormvariate(0, 0.8)

Action = Callable[[], Awaitable[float | None]]  # returns the seconds of the answer


class WrongAnswerError(Exception):
    """A page that does not show what was asked for."""


class Pupil:
    """One visitor, who does one thing after the other."""

    def __init__(self, url: str, person: Person, owners: dict[bytes, int], records: ClassRecords, think: float) -> None:
        self.url, self.person, self.records, self.think = url, person, records, think
        self.detector = LeakDetector(person, owners)
        self.random = random.Random(f"{person.seed} {person.number}")
        self.samples = sample_files()
        self.keys = {name: file.key for name, file in self.samples.items()}
        self._new_tab()

    def _new_tab(self) -> None:
        self.tab = Tab(self.url, self.detector)
        self.on_page, self.image, self.title = MAPS, self.keys["cat"], self.samples["cat"].title
        self.pair, self.size, self.channel = PAIRS[0], FIRST_SIZE, -1
        self.uploaded: list[str] = []  # keys

    async def live(self, until: float) -> None:
        """Open the app, use it, and close it."""
        await asyncio.sleep(self.random.uniform(0, 5))
        await self.act("open the app", self.open)
        while (pause := self.random.lognormvariate(0, 0.8) * self.think / MEAN_PAUSE) < until - monotonic():
            await asyncio.sleep(pause)
            await self.act(*self._next())
        await self.tab.close()

    async def act(self, name: str, action: Action) -> None:
        """Do something; whatever goes wrong is an error, and the visitor starts again in a new tab."""
        records, start = self.records, monotonic()
        try:
            seconds = await asyncio.wait_for(action(), PATIENCE_SECONDS)
            needs = self._needs()
            kind = "cached" if needs in records.shown else "computed"
            if name in ("look at other images", "train"):
                kind = "job"
            self._check()
            if seconds is not None:
                records.times[name, kind].append(seconds)
                if kind == "computed":
                    records.waits[self.person.number].append(seconds)
            records.shown.add(needs)
        except Exception as error:  # any error is counted and printed
            text = " ".join(str(error).split())[:300]
            records.errors.append(f"{name}, after {monotonic() - start:.1f} s: {type(error).__name__}: {text}")
            await self.tab.close()
            self._new_tab()
            await self._open()

    def _next(self) -> tuple[str, Action]:
        """The next action, which depends on the page."""
        if self.on_page not in WITH_MAPS:
            return "go to a page", lambda: self.go(MAPS)
        choices: list[tuple[float, str, Action]] = [
            (3, "choose a pair", self.choose_pair),
            (3, "choose an input size", self.choose_size),
            (3, "choose a sample", self.choose_sample),
            (4, "go to a page", self.go_anywhere),
        ]
        if self.on_page == MAPS:
            choices += [
                (6, "choose a channel", self.choose_channel),
                (3, "choose a position", self.choose_position),
                (1, "look at other images", self.look),
                (0.7, "leave in the middle", self.leave),
            ]
        if len(self.uploaded) < len(self.person.images):
            choices.append((3, "upload an image", self.upload))
        if self.uploaded:
            choices.append((3, "choose an uploaded image", self.choose_own))
        choices += [(0.3, "train", self.train), (0.4, "open the app", self.open), (0.4, "come back", self.come_back)]
        ((_, name, action),) = self.random.choices(choices, [weight for weight, _, _ in choices])
        return name, action

    # --- actions

    async def open(self) -> float:
        """Open the app in a new tab; the old one, with everything that was uploaded there, is closed."""
        await self.tab.close()
        self._new_tab()
        if self.random.random() < 0.5:
            return await self._open()
        sample = self._other_sample()
        self.pair, self.size = self.random.choice(PAIRS), self.random.choice(SIZES)
        return await self._open(sample=sample, pair=self.pair, size=self.size)

    async def _open(self, **params: str | int) -> float:
        """Open the app, with a cookie as a browser has, which waits for its own turns."""
        await self.tab.ask_for_cookie()
        return await self.tab.open("/", **params)

    async def come_back(self) -> float:
        """Come back after the network was gone for a moment."""
        await self.tab.lose_connection()
        await asyncio.sleep(self.random.uniform(0.5, 3))
        return await self.tab.come_back()

    async def upload(self) -> float:
        file = self.person.images[len(self.uploaded)]
        self.uploaded.append(file.key)
        self.image, self.title = file.key, file.title
        return await self.tab.upload(file)

    async def choose_sample(self) -> float:
        return await self.tab.tell("image-strip", "chosen", self._other_sample())

    def _other_sample(self) -> str:
        sample = self.random.choice(list(self.samples))
        self.image, self.title = self.keys[sample], self.samples[sample].title
        return sample

    async def choose_own(self) -> float:
        self.image = self.random.choice(self.uploaded)
        self.title = next(file.title for file in self.person.images if file.key == self.image)
        return await self.tab.tell("image-strip", "chosen", self.image)

    async def choose_pair(self) -> float:
        self.pair, self.channel = self.random.choice([pair for pair in PAIRS if pair != self.pair]), -1
        return await self.tab.tell("network", "chosen", self.pair)

    async def choose_size(self) -> float:
        self.size = self.random.choice([size for size in SIZES if size != self.size])
        return await self.tab.choose("Input size", f"{self.size} px")

    async def choose_channel(self) -> float:
        self.channel = self.random.randrange(300)
        return await self.tab.tell_gallery(selected=self.channel)

    async def choose_position(self) -> float:
        channel = self.tab.page.component("gallery")["selected"]
        return await self.tab.tell_gallery(selected=[channel, self.random.randrange(5), self.random.randrange(5)])

    async def go_anywhere(self) -> float:
        return await self.go(self.random.choice([page for page in self.tab.pages if page != self.on_page]))

    async def go(self, page: str) -> float:
        self.on_page = page
        return await self.tab.go(page)

    async def leave(self) -> float:
        """Ask for one size, and for another before the answer has come."""
        other = self.random.choice(SIZES)
        await self.tab.leave(self.tab.choose("Input size", f"{other} px"), self.random.uniform(0.02, 0.3))
        self.size = self.random.choice([size for size in SIZES if size != other])
        return await self.tab.choose("Input size", f"{self.size} px")

    async def look(self) -> float | None:
        """Look at all other images, and wait until they are there."""
        if not self.tab.has("button", "across-look"):
            await self.tab.open_drawer("The same maps on other images")
        buttons = [node.label for node in self.tab.page.elements("button") if node.key == "across-look"]
        if not buttons or buttons[0].startswith("All"):
            return None
        start = monotonic()
        await self.tab.press("across-look")
        await self.tab.settle_until(lambda: self.tab.has("button", "across-look"))
        return monotonic() - start

    async def train(self) -> float:
        """Train on the visitor's ZIP, with the quickest method."""
        await self.go(TRAIN)
        await self.person.upload_labelled(self.tab)
        start = monotonic()
        await start_training(self.tab)
        await self.tab.settle_until(lambda: not self.tab.has("button", "cancel"))
        if not any(text.startswith(f"Result: {self.person.name}, 8 images") for text in self.tab.page.texts):
            raise WrongAnswerError("A training ended without a result on the visitor's own images")
        return monotonic() - start

    # --- checks

    @property
    def _maps_key(self) -> MapsKey:
        return MapsKey(self.image, self.pair, self.size)

    def _needs(self) -> tuple[object, ...]:
        """A key of what may have to be computed for the page."""
        if self.on_page == WHY:
            return "why", self.image, self.size
        return "maps" if self.on_page in WITH_MAPS else self.on_page, self._maps_key

    def _check(self) -> None:
        page, records = self.tab.page, self.records
        if page.errors:
            raise WrongAnswerError(f"The page {self.on_page} shows: {page.errors}")
        if self.detector.leaks:
            leaks, self.detector.leaks = self.detector.leaks, set()
            raise WrongAnswerError(f"On {self.on_page}, a message contains what belongs to others: {leaks}")
        texts = page.texts
        if self.on_page in (*WITH_MAPS, WHY) and not any(as_it_is(self.title) in text for text in texts):
            raise WrongAnswerError(f"{self.on_page} does not name the image {self.title}")
        if self.on_page in WITH_MAPS and not any(f"→ {as_it_is(self.pair)} " in text for text in texts):
            raise WrongAnswerError(f"{self.on_page} does not name the pair {self.pair}")
        if self.on_page in (*WITH_MAPS, WHY):
            self._check_strip()
        if self.on_page == MAPS:
            self._check_maps()
        elif self.on_page == BUILD:
            player = self.tab.page.component("player")
            row, column = player["cell"]
            weights = np.frombuffer(base64.b64decode(player["weights"]), np.float32)
            weight = float(weights[row * player["columns"] + column])
            records.facts.add(Fact(self._maps_key, "weight", player["channel"], weight, (row, column)))
        elif self.on_page == WHY:
            (name,) = _groups(HIGHEST, texts)
            records.classes.add((self.image, self.size, name))

    def _check_strip(self) -> None:
        """Check that the thumbnails are the visitor's, all of them and in their order."""
        expected, items = [*self.samples, *self.uploaded], self.tab.page.component("image-strip")["items"]
        ids = [item["id"] for item in items]
        if ids != expected:
            raise WrongAnswerError(f"The thumbnails are {ids} instead of {expected}")
        self.records.thumbnails |= {(self.keys.get(item["id"], item["id"]), item["image"]) for item in items}

    def _check_maps(self) -> None:
        packed = self.tab.packed_maps()
        maps = unpack(packed)
        gallery = self.tab.page.component("gallery")
        if gallery["maps"] != maps.id:
            raise WrongAnswerError("The gallery expects other maps than those that were sent")
        if self.channel not in (-1, gallery["selected"]):
            raise WrongAnswerError(f"Map {gallery['selected']} is shown instead of {self.channel}")
        self.records.store_maps(self._maps_key, packed)


def _groups(pattern: re.Pattern[str], texts: Sequence[str]) -> tuple[str, ...]:
    for text in texts:
        if match := pattern.search(text):
            return match.groups()
    raise WrongAnswerError(f"Nothing on the page looks like {pattern.pattern}")
