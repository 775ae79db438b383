"""The first comparison of a new user: `python -m benchmarks.speed.first_comparison`.

A server is started with an empty cache, the page "Train & compare" is opened in a headless Chromium, and its button is
pressed as soon as possible. Nothing else is touched. Seconds are counted from opening the page.
"""

import time
from statistics import median
from typing import Annotated

import typer
from playwright.sync_api import Browser

from benchmarks.harness.app import chromium, new_page, served
from benchmarks.harness.command import machine_load, met_or_missed, print_table

EXAMPLES, TABLE = "examples of every class", "the table"
TARGETS = {EXAMPLES: 5.0, TABLE: 60.0}  # seconds


def visit(browser: Browser, url: str) -> dict[str, float]:
    """Open the page, press the button, wait for the table: the seconds until each of them."""
    page, start = new_page(browser), time.monotonic()
    times: dict[str, float] = {}

    def note(step: str) -> None:
        times[step] = time.monotonic() - start

    page.goto(f"{url}/train_and_compare")
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.classes img')];"
        " return all.length > 0 && all.every(image => image.complete && image.naturalWidth > 0); }"
    )
    note(EXAMPLES)
    page.get_by_role("button", name="Train and compare").click()  # waits until it can be pressed
    note("the button, pressed")
    steps = {
        "a first method's accuracy": "Results so far",
        TABLE: "Differences on the same splits",
        "everything, models included": "Download and share",
    }
    for step, text in steps.items():
        page.get_by_text(text).first.wait_for()
        note(step)
    page.close()
    return times


def main(rounds: Annotated[int, typer.Option(help="Visits, each to a new server.")] = 3) -> None:
    """Print medians, and whether the targets were met."""
    runs = []
    with chromium() as browser:
        for _ in range(rounds):
            with served() as server:
                runs.append(visit(browser, server.url))
    rows = []
    for step in runs[0]:
        seconds, target = [run[step] for run in runs], TARGETS.get(step)
        verdict = f"target {target:.0f}: {met_or_missed(median(seconds) <= target)}" if target else ""
        rows.append([step, f"{median(seconds):.1f}", f"{min(seconds):.1f} to {max(seconds):.1f}", verdict])
    title = f"{rounds} first visits on {machine_load()}: seconds from opening the page"
    print_table(title, ["until", "median", "range", ""], rows)


if __name__ == "__main__":
    typer.run(main)
