"""What a visitor of a large collection waits for, and what the server keeps: `python -m benchmarks.speed.collection`.

A generated store of small pictures, random codes and sparse peaks, served with its page in a headless Chromium on the
same machine, once the server has prepared its network. Measured are: the first wall, from a new tab with an empty cache
to all of its pictures in sight; from a press on a map to the pictures on which it is strongest; and the server's memory
before and after many presses of all kinds, both what it holds by itself and with the files that it has mapped.
"""

import random
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Annotated

import psutil
import typer
from playwright.sync_api import Browser, Page

from benchmarks.harness.app import AppServer, chromium, new_page, served, wait_until
from benchmarks.harness.command import Timing, machine_load, met_or_missed, print_table
from benchmarks.harness.confined import MEGABYTE
from benchmarks.harness.generated_store import generated_store
from benchmarks.harness.visits import Visit

PROBE = Path(__file__).with_name("collection_probe.js")
FIRST_WALL_MS, PRESS_MS = 2000.0, 300.0
GROWTH_MEGABYTES = 32.0
IS_SHOWN, POLL_MS = "walls.shown > 0", 50
WARM_UP = 40  # presses before memory is measured
SECTIONS = ("Images", "By likeness", "Channels by classes")


def opened(browser: Browser, url: str) -> Page:
    """A new tab on the page, its first wall shown; in a context with an empty cache."""
    page = new_page(browser)
    page.add_init_script(path=PROBE)
    page.goto(url)
    page.wait_for_function(IS_SHOWN, polling=POLL_MS)
    return page


def first_walls(browser: Browser, url: str, visits: int) -> Timing:
    """Milliseconds from the beginning of a visit to its first wall, after one that is not counted."""
    taken = []
    for _ in range(1 + visits):
        page = opened(browser, url)
        taken.append(page.evaluate("walls.shown"))
        Visit(page, url).settle()
        page.close()
    return Timing.of(taken[1:])


def map_presses(page: Page, url: str, presses: int) -> Timing:
    """Milliseconds from a press on one of an image's strongest maps to the wall that it sorts."""
    visit, taken = Visit(page, url), []
    for number in range(presses):
        _press_tile(page, number)
        visit.settle()
        page.locator('.bars .tile[aria-pressed="false"]').nth(number % 5).click()
        page.wait_for_function(IS_SHOWN, polling=POLL_MS)
        taken.append(page.evaluate("walls.shown - walls.pressed"))
        visit.settle()
    return Timing.of(taken)


def _press_tile(page: Page, number: int) -> None:
    tiles = page.locator(".strip.small .tile")
    if count := tiles.count():
        tiles.nth(number % count).click()


def wander(page: Page, url: str, actions: int) -> None:
    """Press whatever there is, at random."""
    drawn, visit = random.Random(0), Visit(page, url)

    def press(place: str) -> None:
        found = page.locator(place)
        if count := found.count():
            found.nth(drawn.randrange(count)).click()

    def press_cell() -> None:
        frame = page.locator(".frame")
        if frame.count() and (box := frame.bounding_box()) is not None:
            frame.click(position={"x": drawn.random() * (box["width"] - 2), "y": drawn.random() * (box["height"] - 2)})

    def show() -> None:
        page.get_by_role("radio", name=drawn.choice(SECTIONS), exact=True).click()

    def turn() -> None:
        button = page.get_by_role("button", name=re.compile("Later|Earlier|Images like this$|Only this label"))
        enabled = [each for each in button.all() if each.is_enabled()]
        if enabled:
            drawn.choice(enabled).click()

    kinds: list[Callable[[], None]] = [
        lambda: press(".strip.small .tile"), lambda: press(".bars .tile"), press_cell, show, turn,
    ]  # fmt: skip
    for _ in range(actions):
        drawn.choice(kinds)()
        visit.settle()


def memory(server: AppServer) -> tuple[float, float]:
    """Megabytes that the server holds by itself, and with the parts of files that it has mapped."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8").splitlines()
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    own, all_of_it = (1024 * int(sizes[name].split()[0]) / MEGABYTE for name in ("RssAnon", "VmRSS"))
    return own, all_of_it


def arranged(server: AppServer) -> bool:
    """Whether the server has arranged the collection."""
    return any("collection_arranged" in line for line in server.log_lines)


def converts(server: AppServer) -> bool:
    """Whether a process of the server converts its network, as once after its start: a core is then not free."""
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "crosspool.engines.conversion" in child.cmdline():
                return True
    return False


def row(what: str, timing: Timing, limit: float) -> list[str]:
    """A row of the table of times."""
    return [what, f"{timing.median:.0f}", timing.spread, f"{limit:.0f}", met_or_missed(timing.median < limit)]


def main(
    images: Annotated[int, typer.Option(min=100, help="In the store.")] = 20_000,
    visits: Annotated[int, typer.Option(min=1, help="First walls.")] = 7,
    presses: Annotated[int, typer.Option(min=1, help="On maps.")] = 25,
    actions: Annotated[int, typer.Option(min=1, help="Before memory is measured again.")] = 200,
    store: Annotated[Path | None, typer.Option(help="A folder to keep the store in.")] = None,
) -> None:
    """Print medians, and whether the targets were met."""
    print(machine_load())
    with tempfile.TemporaryDirectory() as temporary:
        folder = store or Path(temporary) / "store"
        if not (folder / "plan.json").exists():
            generated_store(str(folder), images)
        with chromium() as browser, served(environment={"CROSSPOOL_FEATURES": str(folder)}) as server:
            start = perf_counter()
            if not (wait_until(lambda: arranged(server), 600) and wait_until(server.is_ready)):
                raise SystemExit("The collection was not arranged in time.")
            waited, url = perf_counter() - start, f"{server.url}/collection"
            opened(browser, url).close()
            if not wait_until(lambda: not converts(server), 600):
                raise SystemExit("The network was not prepared in time.")
            walls = first_walls(browser, url, visits)
            page = opened(browser, url)
            maps = map_presses(page, url, presses)
            wander(page, url, WARM_UP)
            before = memory(server)
            wander(page, url, actions)
            after = memory(server)
    rows = [
        row("first wall", walls, FIRST_WALL_MS),
        row("press on a map to its images", maps, PRESS_MS),
    ]
    print_table(
        f"{images:,} images, arranged in {waited:.0f} s", ["what", "median ms", "quartiles", "less than", ""], rows
    )
    grown = after[0] - before[0]
    print_table(
        f"Memory over {actions} presses; target: {GROWTH_MEGABYTES:.0f} MB more at most: "
        f"{met_or_missed(grown <= GROWTH_MEGABYTES)}",
        ["MB", "before", "after"],
        [
            [name, f"{one:.0f}", f"{two:.0f}"]
            for name, one, two in zip(("its own", "with mapped files"), before, after, strict=True)
        ],
    )
    print(f"\n{machine_load()}")


if __name__ == "__main__":
    typer.run(main)
