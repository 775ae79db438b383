"""Does the page jump? `python -m benchmarks.speed.shifts`.

Cumulative layout shift in a headless Chromium, as https://web.dev/articles/cls defines it (the largest sum within a
window of at most 5 s with gaps below 1 s; what follows an input within 500 ms is not counted): of a first visit to each
page, of another sample and of another layer pair, at each width. With what moved most. Below 0.1 is good. What moves
before anything of a page is there is told apart: Streamlit's empty frame, which makes room for a side bar in any app.
"""

from itertools import chain
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.harness.app import chromium, new_page, served
from benchmarks.harness.command import options_of, print_table

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
        page.wait_for_timeout(QUIET_MILLISECONDS)
        page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")
        page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    noted = page.evaluate("shifts.splice(0)")
    shifts, frame = ([shift for shift in noted if shift["frame"] is its] for its in (False, True))
    most: dict[str, Any] = max(shifts, key=lambda shift: shift["value"], default={"what": []})
    return cumulative(shifts), cumulative(frame), ", ".join(dict.fromkeys(most["what"]))


def visited(browser: Browser, url: str, path: str, width: int) -> list[list[str]]:
    """Rows of what a visit to a page shifts."""
    page = new_page(browser, width, 900)
    page.add_init_script(PROBE)
    page.goto(f"{url}{path}")
    ready = ".strip .tile" if path in IMAGE_PAGES else '[data-testid="stForm"]'
    page.locator(ready).first.wait_for()
    shifts = {"first visit": settled(page)}
    if path in IMAGE_PAGES:
        page.locator(".strip .tile").nth(1).click()
        shifts["another sample"] = settled(page)
    if path in PAIR_PAGES:
        if width < 700:
            page.get_by_test_id("stExpandSidebarButton").click()
            settled(page)
        page.get_by_role("combobox", name="Layer pair").click()
        settled(page)  # the list opens over the page
        page.get_by_role("option").nth(2).click()
        shifts["another pair"] = settled(page)
    page.close()
    return [
        [path, f"{width}", action, f"{value:.3f}", "good" if value < GOOD_SHIFT else "JUMPS", f"{frame:.3f}", moved]
        for action, (value, frame, moved) in shifts.items()
    ]


def main() -> None:
    """Print a table."""
    options = options_of(__doc__, pages=([*PAGES], "paths (all)"), widths=([*WIDTHS], "of the window (1440 390)"))
    with chromium() as browser, served() as server:
        visits = [visited(browser, server.url, path, width) for width in options.widths for path in options.pages]
    header = ["page", "px", "what", "shift", "", "frame", "what moved most"]
    print_table("cumulative layout shift", header, [*chain.from_iterable(visits)])


if __name__ == "__main__":
    main()
