"""Does the page jump? `python -m benchmarks.speed.shifts`.

Cumulative layout shift in a headless Chromium, as https://web.dev/articles/cls defines it (the largest sum within a
window of at most 5 s with gaps below 1 s; what follows an input within 500 ms is not counted): of a first visit to each
page, of another sample and of another layer pair, at each width, with the elements that moved most. Below 0.1 is good.
What moves before the page itself is there is listed apart: Streamlit's empty frame, which makes room for a side bar in
any app.
"""

from itertools import chain, product
from typing import Annotated, Any

import typer
from playwright.sync_api import Browser, Page

from benchmarks.harness.app import chromium, new_page, served
from benchmarks.harness.command import print_table

GOOD_SHIFT = 0.1
WIDTHS = (1440, 390)
IMAGE_PAGES = ("/", "/contributions", "/build_p", "/what_am_i_looking_at")  # pages with a choice of image
PAIR_PAGES = ("/", "/build_p", "/what_am_i_looking_at")
PAGES = (*IMAGE_PAGES, "/train_and_compare")
QUIET_MILLISECONDS = 1200  # without a run of the script and without a shift, after which all is there

PROBE = """
globalThis.shifts = [];
let begun = Infinity; // when the page's first words were there; the frame that shows them may still make room
new MutationObserver((_, self) => {
  if (!document.querySelector('[data-testid="stHeading"]')) return;
  begun = performance.now() + 200;
  self.disconnect();
}).observe(document, { childList: true, subtree: true });
const name = (node) => {
  const element = node?.nodeType === 1 ? node : node?.parentElement;
  if (!element) return "?";
  const near = element.closest?.("[data-testid], [class*=st-key-]");
  const key = near?.className?.match?.(/st-key-([\\w-]+)/)?.[1];
  return `${element.tagName.toLowerCase()} in ${key ?? near?.dataset.testid ?? "a component"}`;
};
new PerformanceObserver((list) => {
  for (const { value, startTime, hadRecentInput, sources } of list.getEntries()) {
    const elements = sources.map(({ node }) => name(node));
    if (!hadRecentInput) shifts.push({ value, at: startTime, frame: startTime < begun, elements });
  }
}).observe({ type: "layout-shift", buffered: true });
"""


def cumulative(shifts: list[dict[str, Any]]) -> float:
    """The largest sum over a window: shifts less than 1 s apart, and 5 s from the first to the last at most."""
    worst = total = 0.0
    first = last = -1e9
    for shift in shifts:
        if shift["at"] - last > 1000 or shift["at"] - first > 5000:
            first, total = shift["at"], 0.0
        last, total = shift["at"], total + shift["value"]
        worst = max(worst, total)
    return worst


def settled(page: Page) -> list[str]:
    """Wait until nothing happens any more: the shift since the last time, that of the frame, and what moved most."""
    count = -1
    while count != (count := page.evaluate("shifts.length")):
        page.wait_for_timeout(QUIET_MILLISECONDS)
        page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")
        page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    noted = page.evaluate("shifts.splice(0)")
    shifts, of_frame = ([shift for shift in noted if shift["frame"] is in_frame] for in_frame in (False, True))
    most: dict[str, Any] = max(shifts, key=lambda shift: float(shift["value"]), default={"elements": []})
    value, verdict = cumulative(shifts), "good" if cumulative(shifts) < GOOD_SHIFT else "JUMPS"
    return [f"{value:.3f}", verdict, f"{cumulative(of_frame):.3f}", ", ".join(dict.fromkeys(most["elements"]))]


def visit(browser: Browser, url: str, path: str, width: int) -> list[list[str]]:
    """Rows of what a visit to a page shifts."""
    page = new_page(browser, width, 900)
    page.add_init_script(PROBE)
    page.goto(f"{url}{path}")
    page.locator(".strip .tile" if path in IMAGE_PAGES else '[data-testid="stForm"]').first.wait_for()
    shifts = {"first visit": settled(page)}
    if path in IMAGE_PAGES:
        page.locator(".strip .tile").nth(1).click()
        shifts["another sample"] = settled(page)
    if path in PAIR_PAGES:
        if width < 700:
            page.get_by_test_id("stExpandSidebarButton").click()
            settled(page)
        page.get_by_role("listbox", name="Layer pair", exact=True).get_by_role("option").nth(2).click()
        shifts["another pair"] = settled(page)
    page.close()
    return [[path, f"{width}", action, *columns] for action, columns in shifts.items()]


def main(
    pages: Annotated[list[str] | None, typer.Argument(help="Paths; all pages by default.")] = None,
    widths: Annotated[tuple[int, int], typer.Option(help="Widths of the window.")] = WIDTHS,
) -> None:
    """Print the shifts of each page at each width."""
    with chromium() as browser, served() as server:
        visits = product(widths, pages or PAGES)
        rows = chain.from_iterable(visit(browser, server.url, path, width) for width, path in visits)
        header = ["page", "px", "action", "shift", "", "frame", "what moved most"]
        print_table("cumulative layout shift", header, [*rows])


if __name__ == "__main__":
    typer.run(main)
