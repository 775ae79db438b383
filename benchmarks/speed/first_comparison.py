"""The first comparison of a new user: `python -m benchmarks.speed.first_comparison`.

A server is started with an empty cache, the page "Train & compare" is opened in a headless Chromium, and its button is
pressed as soon as it can be. Nothing else is touched. Seconds from opening the page.
"""

import argparse
import os
import statistics
import tempfile
import time

from playwright.sync_api import Browser

from benchmarks.harness.app import PATIENCE, chromium, served
from benchmarks.harness.timing import print_table

LOOK, TABLE = "examples of every class", "the table"
TARGETS = {LOOK: 5.0, TABLE: 60.0}  # seconds


def visit(browser: Browser, url: str) -> dict[str, float]:
    """Open the page, press the button, wait for the table; seconds until each of them was there."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(PATIENCE)
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
    page.get_by_text("Tested so far").wait_for()
    times["a first method's accuracy"] = time.monotonic() - start
    page.get_by_text("Compared on the same splits").first.wait_for()
    times[TABLE] = time.monotonic() - start
    page.get_by_text("Take it away").wait_for()
    times["everything, models included"] = time.monotonic() - start
    page.close()
    return times


def main() -> None:
    """Print a table of medians, and whether the targets were met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="visits, each to a new server (3)")
    options = parser.parse_args()
    runs = []
    with chromium() as browser:
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as cache, served(cache) as (url, _):
                runs.append(visit(browser, url))
    rows = []
    for name in runs[0]:
        seconds = [run[name] for run in runs]
        middle, target = statistics.median(seconds), TARGETS.get(name)
        judged = "" if target is None else f"target {target:.0f}: {'met' if middle <= target else 'MISSED'}"
        rows.append([name, f"{middle:.1f}", f"{min(seconds):.1f} to {max(seconds):.1f}", judged])
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print_table(
        f"{options.rounds} first visits on {os.cpu_count()} cores, load {load}: seconds from opening the page",
        ["until", "median", "range", ""],
        rows,
    )


if __name__ == "__main__":
    main()
