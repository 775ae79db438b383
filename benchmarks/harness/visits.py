"""A visit to the app in a real browser."""

from __future__ import annotations

import re
from mimetypes import guess_type
from urllib.parse import urlencode, urlparse

from playwright.sync_api import ConsoleMessage, FilePayload, Locator, Page, expect

WIDTHS = (1920, 1440, 1024, 390)
PATIENCE_MILLISECONDS = 90_000  # the machine may be small and busy
NOTICE_MILLISECONDS = 100  # until the page has told the server of an event, where the browser is not busy
# A busy browser has not sent anything yet; one that is never idle has by then.
IS_IDLE = "() => new Promise((done) => requestIdleCallback(() => done(true), { timeout: 2000 }))"
expect.set_options(timeout=PATIENCE_MILLISECONDS)


class Visit:
    """A new session in a browser window, and all complaints and requests of the browser."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url')})")

    def go(self, path: str = "/", **params: object) -> Visit:
        """Open an address and wait for the maps."""
        self.page.goto(f"{self.url}{path}{'?' + urlencode(params) if params else ''}")
        expect(self.page.locator(".frame img, .wall .tile").first).to_be_visible()
        self.settle()
        return self

    def settle(self) -> None:
        """Wait until the server has answered and everything is drawn."""
        self.page.wait_for_timeout(NOTICE_MILLISECONDS)
        self.page.wait_for_function(IS_IDLE)
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        expect(self.page.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0)
        expect(self.page.locator('[data-stale="true"]')).to_have_count(0)

    @property
    def tiles(self) -> Locator:
        return self.page.locator(".wall .tile")

    def tile(self, channel: int) -> Locator:
        return self.page.locator(f'.wall .tile[data-channel="{channel}"]')

    def tile_at(self, index: int) -> Locator:
        """A tile by its index in the gallery's order."""
        return self.page.locator(f'.wall .tile[aria-posinset="{index + 1}"]')

    @property
    def large(self) -> Locator:
        """The name of the enlarged map: "Map 5", or "Preview: map 5"."""
        return self.page.locator(".lens .title b")

    @property
    def chosen_image(self) -> Locator:
        return self.page.locator('.strip .tile[aria-pressed="true"]')

    def open(self, drawer: str) -> None:
        """Open a drawer below the gallery by the first words of its title."""
        self.page.locator("summary", has_text=drawer).click()
        self.settle()

    def whole_tiles(self) -> int:
        """How many tiles are on the screen, each of them whole."""
        return int(
            self.page.locator(".wall").evaluate(
                """wall => {
                    const { top, bottom } = wall.getBoundingClientRect();
                    const boxes = [...wall.querySelectorAll(".tile")].map((tile) => tile.getBoundingClientRect());
                    return boxes.filter((box) => box.top >= top && box.bottom <= Math.min(bottom, innerHeight)).length;
                }"""
            )
        )

    def control(self, name: str) -> Locator:
        """A control of the gallery; the panel that holds it is opened."""
        look = self.page.locator(".toolbar .look:not([open])")
        if look.locator(f'[aria-label="{name}"]').count():
            look.locator("summary").click()
        return self.page.locator(f'.toolbar [aria-label="{name}"]')

    @property
    def pinned(self) -> Locator:
        return self.page.locator(".gallery .pins figure")

    def choose(self, label: str, option: str | re.Pattern[str]) -> None:
        """Choose an option of a select box."""
        box = self.page.get_by_role("combobox", name=label)
        box.scroll_into_view_if_needed()  # scrolling closes the list
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        box.click()
        self.page.get_by_role("option", name=option).click()
        self.settle()

    def pick(self, group: str, option: str) -> None:
        """Press a button of a segmented control."""
        self.page.get_by_role("radiogroup", name=group).get_by_role("radio", name=option).click()
        self.settle()

    def press(self, key: str) -> None:
        """Press a key that the whole page listens to, once it does."""
        self.page.wait_for_function("[...document.querySelectorAll('*')].some(element => element.shadowRoot?.stop)")
        self.page.keyboard.press(key)

    def upload(self, *files: tuple[str, bytes]) -> None:
        """Add files at once to the strip of images, or else to the page's uploader; each a name and its bytes."""
        chooser = self.page.locator("input.added-files")
        if not chooser.count():
            chooser = self.page.get_by_test_id("stFileUploaderDropzoneInput")
        expect(chooser).to_be_enabled()
        payloads = [FilePayload(name=name, mimeType=guess_type(name)[0] or "", buffer=data) for name, data in files]
        chooser.set_input_files(payloads)

    def expect_to_fit_every_width(self) -> None:
        """Check that nothing is wider than the window of a phone, a tablet, a desktop and a projector."""
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.wait_for_function("width => innerWidth === width", arg=width)
            self.settle()
            self.page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
            for box in [self.page.get_by_test_id("stMain"), *self.page.locator(".bars").all()]:
                needed, available = box.evaluate("box => [box.scrollWidth, box.clientWidth]")
                assert needed <= available, f"at {width} px"

    def expect_no_complaints(self) -> None:
        assert self.complaints == []
        foreign = [url for url in self.requests if urlparse(url).hostname not in ("localhost", None)]
        assert foreign == []  # data: and blob: have no host
