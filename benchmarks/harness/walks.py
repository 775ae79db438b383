"""Random walks through the app in a real browser: after each step, address, controls and page must agree."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Locator, Page

from benchmarks.harness.visits import Visit
from crosspool.backbones import backbone_specs
from crosspool.samples import samples
from crosspool.ui.visit.link import from_params

MAPS, EXPLAINED, LESSON, CHANNEL, TEACHERS = "/", "/contributions", "/lesson", "/channel", "/teachers"
PAGES = (MAPS, EXPLAINED, "/build_p", "/side_by_side", LESSON)  # in the menu
WITH_NETWORK = (MAPS, "/build_p", "/side_by_side", CHANNEL)
WITH_STRIP = (*WITH_NETWORK, EXPLAINED)
NETWORKS = ("efficientnet_lite0", "squeezenet1_1")
START = {"backbone": NETWORKS[1], "weights": "untrained", "size": "128"}
STEPS_OF_LESSON = 8
PATIENCE_SECONDS = 30.0
STABLE_MILLISECONDS = 400  # for which a view must stay as it is: a slider tells the server of a step after a while


@dataclass(frozen=True)
class View:
    """What the page shows: its address, its title, and what is selected in its controls; "" where there are none.

    `controls` is the text of the side bar with the values of its fields.
    """

    path: str
    query: str
    title: str
    sample: str
    channel: str
    step: str
    controls: str


class WalkError(AssertionError):
    """Address, controls and page disagree."""


def _value(locator: Locator, name: str) -> str:
    """An attribute of the first of these elements, read at once, as a page may be about to change."""
    return str(locator.evaluate_all("(elements, name) => elements[0]?.getAttribute(name) ?? ''", name))


def _text(locator: Locator) -> str:
    return str(locator.evaluate_all("elements => elements[0]?.innerText ?? ''"))


def view_of(page: Page) -> View:
    """What a page shows now."""
    address = urlsplit(page.url)
    texts = "elements => elements.map(element => element.value ?? element.innerText).join(' ')"
    controls = str(page.locator('[data-testid="stSidebar"] :is(p, input:not([type="file"]))').evaluate_all(texts))
    return View(
        address.path,
        address.query,
        page.title(),
        _value(page.locator('.strip [aria-pressed="true"]'), "data-id"),
        # A selected tile that is not in sight has no element: then the large map says which it is.
        _value(page.locator('.wall .tile[aria-selected="true"]'), "data-channel")
        or _text(page.locator(".lens .title b")).removeprefix("Map "),
        _value(page.locator('.steps [aria-current="step"]'), "href"),
        controls,
    )


def contradiction(view: View) -> str:
    """What in a view contradicts its address, or ""."""
    params = dict(parse_qsl(view.query))
    settings, notes = from_params(params, others=["step"])
    if notes:
        return f"the address has {notes}"
    if view.path in WITH_STRIP and view.sample != settings.sample:
        return f"the address says {settings.sample}, the strip {view.sample}"
    if view.path == MAPS and settings.channel >= 0 and view.channel != str(settings.channel):
        return f"the address says map {settings.channel}, the gallery {view.channel}"
    # Without the weights of the network there are no maps, and the page has its general title.
    name = f"Map {settings.channel} of " if settings.channel >= 0 else "About one map "
    if view.path == CHANNEL and not view.title.startswith(name):
        return f"the address says map {settings.channel}, the title {view.title}"
    if view.path == LESSON and dict(parse_qsl(view.step.lstrip("?"))).get("step") != params.get("step"):
        return f"the address says step {params.get('step')}, the page {view.step}"
    title = backbone_specs()[settings.backbone].title
    if view.path in WITH_NETWORK and title not in view.controls:
        return f"the address says {title}, the side bar {view.controls[:90]}"
    size = settings.size or backbone_specs()[settings.backbone].preprocessing.size
    if (
        view.path in WITH_NETWORK
        and f"{size} px" not in view.controls.partition("Input size")[2].split(" px")[0] + " px"
    ):
        return f"the address says {size} px, the side bar {view.controls[:300]}"
    return ""


class Walk:
    """One walk; `entries` are the views as they were left, in the order of the browser's history."""

    def __init__(self, visit: Visit, seed: int) -> None:
        self.visit, self.random = visit, random.Random(seed)
        self.entries: list[View] = []
        self.index, self.done = 0, list[str]()
        self._first_length = 0  # the length of the history at the first entry

    @property
    def page(self) -> Page:
        return self.visit.page

    @property
    def here(self) -> View:
        return self.entries[self.index]

    def start(self) -> None:
        """Open the first page."""
        self.visit.go(MAPS, **START)
        self.entries = [self._settled(contradiction)]
        self._first_length = self._history_length()

    def step(self) -> None:
        """Take one random step and check where it leads. Raises WalkError."""
        name, act = self.random.choice(self._choices())
        self.done.append(name)
        act()

    def _choices(self) -> list[tuple[str, Callable[[], None]]]:
        choices: list[tuple[str, Callable[[], None]]] = [("reload", self._reload), ("link", self._open_link)]
        choices += [("page", self._go_to_page)] * 2
        choices += [("back", lambda: self._move(-1))] * 3 if self.index else []
        choices += [("forward", lambda: self._move(1))] * 2 if self.index + 1 < len(self.entries) else []
        if self.here.path in WITH_STRIP:
            choices += [("sample", self._choose_sample)] * 3
        if self.here.path == MAPS and self.visit.tiles.count():
            choices += [("tile", self._choose_tile)] * 3
            choices += [("about a map", lambda: self._follow("All about map", CHANNEL))]
        if self.here.path == CHANNEL and self.here.title.startswith("Map "):
            choices += [("next map", self._choose_neighbour)] * 2
        if self.here.path in WITH_NETWORK:
            choices += [("network", self._choose_network), ("size", self._choose_size)]
        if self.here.path == LESSON:
            choices += [("step of the lesson", self._choose_step)] * 2
            choices += [("for teachers", lambda: self._follow("For teachers", TEACHERS))]
        return choices

    # --- steps

    def _choose_sample(self) -> None:
        sample = self.random.choice([each.id for each in samples()])
        tile = self.page.locator(f'.strip [data-id="{sample}"]')
        self._record(tile.click, lambda view: view.sample == sample)

    def _choose_tile(self) -> None:
        tile = self.visit.tile_at(self.random.randrange(4))
        channel = tile.get_attribute("data-channel")
        self._record(tile.click, lambda view: f"channel={channel}" in view.query)

    def _choose_network(self) -> None:
        title = backbone_specs()[self.random.choice(NETWORKS)].title
        box = self.page.get_by_role("combobox", name="Network").first

        def choose() -> None:
            box.click()
            box.fill(title)
            self.page.get_by_role("option").first.click()

        self._record(choose)

    def _choose_size(self) -> None:
        slider = self.page.get_by_role("slider", name="Input size")
        key = self.random.choice(("ArrowLeft", "ArrowRight"))
        self._record(lambda: slider.press(key))

    def _choose_step(self) -> None:
        step = self.random.randrange(STEPS_OF_LESSON)
        link = self.page.locator(".steps ol a").nth(step)
        self._record(link.click, lambda view: f"step={step + 1}" in view.query)

    def _go_to_page(self) -> None:
        path = self.random.choice([path for path in PAGES if path != self.here.path])
        link = self.page.locator(f'a[href$="{path}"]:visible').first
        self._record(link.click, lambda view: view.path == path)

    def _follow(self, name: str, path: str) -> None:
        """Follow a link of the page itself."""
        link = self.page.get_by_role("link", name=name).first
        self._record(link.click, lambda view: view.path == path)

    def _choose_neighbour(self) -> None:
        button = self.page.locator(".st-key-channel-after button:enabled, .st-key-channel-before button").first
        channel = _text(button).partition("Map ")[2]
        self._record(button.click, lambda view: f"channel={channel}" in view.query)

    def _record(self, act: Callable[[], None], arrived: Callable[[View], bool] = lambda view: True) -> None:
        """Take a step that may change the address: if it does, it is one new entry of the history."""
        before = self.here
        act()
        view = self._settled(lambda view: contradiction(view) or ("" if arrived(view) else "the page stays"))
        if (view.path, view.query) == (before.path, before.query):
            self.entries[self.index] = view
            return
        self.entries[self.index + 1 :] = [view]
        self.index += 1
        superfluous = self._history_length() - self._first_length - self.index
        if superfluous:
            raise WalkError(f"after {', '.join(self.done)}: {superfluous} more entries of history than steps")

    def _history_length(self) -> int:
        return int(self.page.evaluate("history.length"))

    def _move(self, by: int) -> None:
        """Go back or forward: what is seen is what was left there."""
        self.index += by
        (self.page.go_back if by < 0 else self.page.go_forward)(wait_until="commit")
        self._expect_same(self.page)

    def _reload(self) -> None:
        self.page.reload()
        self._expect_same(self.page)

    def _open_link(self) -> None:
        page = self.page.context.new_page()
        page.goto(self.page.url)
        self._expect_same(page)
        page.close()

    def _expect_same(self, page: Page) -> None:
        here = self.here
        self._settled(lambda view: "" if view == here else f"{view} instead of {here}", page)

    def _settled(self, problem: Callable[[View], str], page: Page | None = None) -> View:
        """The view, as soon as it has no problem. Raises WalkError if a problem stays."""
        visit = self.visit if page is None or page is self.page else Visit(page, self.visit.url)
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            visit.page.mouse.move(0, 0)  # the large map shows the tile that is pointed at
            visit.settle()
            view = view_of(visit.page)
            visit.page.wait_for_timeout(STABLE_MILLISECONDS)
            wrong = problem(view) or ("" if view == view_of(visit.page) else "the page is still changing")
            if not wrong:
                return view
            if monotonic() > deadline:
                raise WalkError(f"after {', '.join(self.done)}: {wrong}")
            visit.page.wait_for_timeout(200)
