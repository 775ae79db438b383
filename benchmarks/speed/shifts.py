"""Does the page jump? `python -m benchmarks.speed.shifts`.

Cumulative layout shift in a headless Chromium, as https://web.dev/articles/cls defines it (the largest sum within a
window of at most 5 s with gaps below 1 s; what follows an input within 500 ms is not counted): of a first visit to each
page, of another sample and of another layer pair, at each width. With what moved most. Below 0.1 is good. What moves
before anything of a page is there is told apart: Streamlit's empty frame, which makes room for a side bar in any app.
"""

import argparse
import tempfile
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.harness.app import PATIENCE, chromium, served
from benchmarks.harness.timing import print_table

GOOD = 0.1
WIDTHS = (1440, 390)
IMAGE = ("/", "/contributions", "/build_p", "/what_am_i_looking_at")  # pages with a choice of image
PAIR = ("/", "/build_p", "/what_am_i_looking_at")
PAGES = (*IMAGE, "/train_and_compare")
QUIET = 1200  # milliseconds without a run of the script and without a shift, after which all is there

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
    const what = sources.map(({ node }) => name(node));
    if (!hadRecentInput) shifts.push({ value, at: startTime, frame: startTime < begun, what });
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


def settled(page: Page) -> tuple[float, float, str]:
    """Wait until nothing happens any more: the shift since the last time, that of the frame, and what moved most."""
    count = -1
    while count != (count := page.evaluate("shifts.length")):
        page.wait_for_timeout(QUIET)
        page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")
        page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    noted = page.evaluate("shifts.splice(0)")
    shifts, frame = ([shift for shift in noted if shift["frame"] is its] for its in (False, True))
    most: dict[str, Any] = max(shifts, key=lambda shift: shift["value"], default={"what": []})
    return cumulative(shifts), cumulative(frame), ", ".join(dict.fromkeys(most["what"]))


def visited(browser: Browser, url: str, path: str, width: int) -> list[list[str]]:
    """Rows of what a visit to a page shifts."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(PROBE)
    page.goto(f"{url}{path}")
    ready = ".strip .tile" if path in IMAGE else '[data-testid="stForm"]'
    page.locator(ready).first.wait_for()
    found = {"first visit": settled(page)}
    if path in IMAGE:
        page.locator(".strip .tile").nth(1).click()
        found["another sample"] = settled(page)
    if path in PAIR:
        if width < 700:
            page.get_by_test_id("stExpandSidebarButton").click()
            settled(page)
        page.get_by_role("combobox", name="Layer pair").click()
        settled(page)  # the list opens over the page
        page.get_by_role("option").nth(2).click()
        found["another pair"] = settled(page)
    context.close()
    return [
        [path, f"{width}", what, f"{value:.3f}", "good" if value < GOOD else "JUMPS", f"{frame:.3f}", moved]
        for what, (value, frame, moved) in found.items()
    ]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", nargs="*", default=PAGES, help="paths of pages (all)")
    parser.add_argument("--widths", nargs="*", type=int, default=WIDTHS, help="of the window (1440 390)")
    options = parser.parse_args()
    with chromium() as browser, tempfile.TemporaryDirectory() as cache, served(cache) as (url, _):
        rows = [row for width in options.widths for path in options.pages for row in visited(browser, url, path, width)]
    print_table("cumulative layout shift", ["page", "px", "what", "shift", "", "frame", "what moved most"], rows)


if __name__ == "__main__":
    main()
