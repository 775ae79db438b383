"""The first comparison of a new user: `python -m benchmarks.speed.first_comparison`.

A server is started with an empty cache, the page "Train & compare" is opened in a headless Chromium, and its button is
pressed as soon as it can be. Nothing else is touched. Seconds from opening the page.
"""

import statistics
import time

from playwright.sync_api import Browser

from benchmarks.harness.app import chromium, new_page, served
from benchmarks.harness.command import busyness, options_of, print_table

LOOK, TABLE = "examples of every class", "the table"
TARGETS = {LOOK: 5.0, TABLE: 60.0}  # seconds


def visit(browser: Browser, url: str) -> dict[str, float]:
    """Open the page, press the button, wait for the table; seconds until each of them was there."""
    page = new_page(browser)
    times = {}
    start = time.monotonic()
    page.goto(f"{url}/train_and_compare")
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.classes img')];"
        " return all.length > 0 && all.every(image => image.complete && image.naturalWidth > 0); }"
    )
    times[LOOK] = time.monotonic() - start
    page.get_by_role("button", name="Train and compare").click()  # waits until it can be pressed
    times["the button, pressed"] = time.monotonic() - start
    page.get_by_text("Results so far").wait_for()
    times["a first method's accuracy"] = time.monotonic() - start
    page.get_by_text("Differences on the same splits").first.wait_for()
    times[TABLE] = time.monotonic() - start
    page.get_by_text("Download and share").wait_for()
    times["everything, models included"] = time.monotonic() - start
    page.close()
    return times


def main() -> None:
    """Print a table of medians, and whether the targets were met."""
    options = options_of(__doc__, rounds=(3, "visits, each to a new server (3)"))
    runs = []
    with chromium() as browser:
        for _ in range(options.rounds):
            with served() as server:
                runs.append(visit(browser, server.url))
    rows = []
    for name in runs[0]:
        seconds = [run[name] for run in runs]
        middle, target = statistics.median(seconds), TARGETS.get(name)
        judged = "" if target is None else f"target {target:.0f}: {'met' if middle <= target else 'MISSED'}"
        rows.append([name, f"{middle:.1f}", f"{min(seconds):.1f} to {max(seconds):.1f}", judged])
    print_table(
        f"{options.rounds} first visits on {busyness()}: seconds from opening the page",
        ["until", "median", "range", ""],
        rows,
    )


if __name__ == "__main__":
    main()
