"""Does the page jump? `python -m benchmarks.speed.shifts [--slow]`.

Cumulative layout shift in a headless Chromium, as https://web.dev/articles/cls defines it (the largest sum within a
window of at most 5 s with gaps below 1 s; what follows an input within 500 ms is not counted): of a first visit to each
page, of a reload, of another sample and of another layer pair, at each width, with the elements that moved most. Below
0.1 is good. `--slow` is a processor of a quarter of the speed, behind a line of 1.6 Mbit/s.
"""

from itertools import chain, product
from typing import Annotated, Any

import typer
from playwright.sync_api import Browser, Page

from benchmarks.harness.app import PAGE_PATHS, chromium, new_page, served
from benchmarks.harness.command import print_table
from benchmarks.harness.layout_shift import GOOD_SHIFT, PROBE, cumulative

HEIGHTS = {1920: 1080, 1440: 900, 1024: 768, 390: 844}
PAIR_PAGES = ("", "build_p", "what_am_i_looking_at")
IMAGE_PAGES = (*PAIR_PAGES, "contributions")  # pages with a choice of image
QUIET_MILLISECONDS = 1200  # without a run of the script and without a shift, after which all is there
SLOW_LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}  # bytes/s
SLOW_PROCESSOR = 4  # times


def settled(page: Page) -> list[str]:
    """Wait until nothing happens any more: the shift since the last time, and what moved most."""
    page.get_by_test_id("stHeading").first.wait_for()
    count = -1
    while count != (count := page.evaluate("shifts.length")):
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(QUIET_MILLISECONDS)
        page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")
        page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    noted = page.evaluate("shifts.splice(0)")
    most: dict[str, Any] = max(noted, key=lambda shift: float(shift["value"]), default={"elements": []})
    value = cumulative(noted)
    return [f"{value:.3f}", "good" if value < GOOD_SHIFT else "JUMPS", ", ".join(dict.fromkeys(most["elements"]))]


def visit(browser: Browser, url: str, path: str, width: int, *, slow: bool) -> list[list[str]]:
    """Rows of what a visit to a page shifts."""
    page = new_page(browser, width, HEIGHTS[width])
    page.add_init_script(PROBE)
    if slow:
        tools = page.context.new_cdp_session(page)
        tools.send("Network.enable")
        tools.send("Network.emulateNetworkConditions", SLOW_LINE)
        tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_PROCESSOR})
    page.goto(f"{url}/{path}")
    shifts = {"first visit": settled(page)}
    page.reload()
    shifts["reload"] = settled(page)
    if path in IMAGE_PAGES:
        page.locator(".strip .tile").nth(1).click()
        shifts["another sample"] = settled(page)
    if path in PAIR_PAGES:
        if width < 768:
            page.get_by_test_id("stExpandSidebarButton").click()
            settled(page)
        page.get_by_role("listbox", name="Layer pair", exact=True).get_by_role("option").nth(2).click()
        shifts["another pair"] = settled(page)
    page.close()
    return [[f"/{path}", f"{width}", action, *columns] for action, columns in shifts.items()]


def main(
    pages: Annotated[list[str] | None, typer.Argument(help="Paths without a slash; all pages by default.")] = None,
    slow: Annotated[bool, typer.Option(help="On a slow processor, behind a slow line.")] = False,
) -> None:
    """Print the shifts of each page at each width."""
    with chromium() as browser, served() as server:
        visits = product(HEIGHTS, pages or PAGE_PATHS)
        rows = chain.from_iterable(visit(browser, server.url, path, width, slow=slow) for width, path in visits)
        print_table("cumulative layout shift", ["page", "px", "action", "shift", "", "what moved most"], [*rows])


if __name__ == "__main__":
    typer.run(main)
