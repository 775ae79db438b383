"""The images of README and docs: `python -m benchmarks.screenshots`.

Takes the screenshots again in a headless Chromium, at 1440 x 900 pixels, and draws the sheet of what 48 channels look
for. All of them are written where README and docs show them.
"""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page

from benchmarks.harness.app import ROOT, chromium, served, wait_until
from benchmarks.harness.visits import Visit
from benchmarks.speed.collection import arranged
from crosspool.cli import main as crosspool
from crosspool.sprites import included_sprite

README, DOCS = ROOT / "assets", ROOT / "docs" / "images"
WINDOW, WIDTH = (1440, 900), 1200  # of the browser, and of the files
QUALITY = 84
SHEET_ROWS, SHEET_COLUMNS = 4, 12


def as_it_opens(page: Page) -> None:
    """Leave the page as it opens."""


def play_for_a_while(page: Page) -> None:
    """Let the player build half of the feature."""
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_timeout(6000)


SHOTS: dict[Path, tuple[str, Callable[[Page], None]]] = {
    README / "screenshot.jpg": ("/", as_it_opens),
    DOCS / "lesson.jpg": ("/lesson", as_it_opens),
    DOCS / "build.jpg": ("/build_p", play_for_a_while),
    DOCS / "why.jpg": ("/contributions", as_it_opens),
    DOCS / "train.jpg": ("/train_and_compare", as_it_opens),
    DOCS / "channel.jpg": ("/channel?channel=899&size=448", as_it_opens),
}
COLLECTION = "/collection?by=map&place=312"


def take_screenshots() -> None:
    """Write all screenshots."""
    with chromium() as browser, served() as server:
        for path, (address, act) in SHOTS.items():
            _take(browser, server.url, path, address, act)


def take_collection() -> None:
    """Write the screenshot of a collection, whose store is extracted first."""
    with TemporaryDirectory() as folder, chromium() as browser:
        store = f"{folder}/store"
        if crosspool(["extract", "fieldguide:50", "--method", "cl@448", "--out", store]):
            raise SystemExit("The images could not be extracted.")
        with served(environment={"CROSSPOOL_FEATURES": store}) as server:
            if not wait_until(partial(arranged, server), 60):
                raise SystemExit("The collection was not arranged in time.")
            _take(browser, server.url, DOCS / "collection.jpg", COLLECTION, as_it_opens)


def _take(browser: Browser, url: str, path: Path, address: str, act: Callable[[Page], None]) -> None:
    width, height = WINDOW
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
    visit = Visit(page, url)
    page.goto(url + address)
    page.get_by_test_id("stHeading").first.wait_for()
    visit.settle()
    page.wait_for_timeout(2000)
    visit.settle()
    act(page)
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    image.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    image.save(path, "JPEG", quality=QUALITY, optimize=True)
    visit.expect_no_complaints()
    page.close()


def draw_sheet() -> None:
    """Write what 48 channels of the default pair look for, evenly spaced by number."""
    sprite = included_sprite("efficientnet_lite0", "conv_head")
    assert sprite is not None
    count, tile = SHEET_ROWS * SHEET_COLUMNS, sprite.tile
    chosen = [sprite.channels[len(sprite.channels) * place // count] for place in range(count)]
    sheet = Image.new("RGB", (SHEET_COLUMNS * tile, SHEET_ROWS * tile))
    for place, channel in enumerate(chosen):
        row, column = divmod(place, SHEET_COLUMNS)
        sheet.paste(sprite.image_of(channel), (column * tile, row * tile))
    sheet.save(README / "channels.webp", "WEBP", quality=QUALITY)


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    draw_sheet()
    take_screenshots()
    take_collection()
