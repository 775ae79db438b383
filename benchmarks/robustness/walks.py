"""Random walks by clicks, Back, Forward, reloads and links in new tabs: `python -m benchmarks.robustness.walks`.

After each step, the address, the controls and the page must agree, one step must be one entry of the browser's history,
and a view to which the walk returns must be as it was left. The exit status is 1 where a walk fails.
"""

import sys
from typing import Annotated

import typer

from benchmarks.harness.app import chromium, served
from benchmarks.harness.visits import Visit
from benchmarks.harness.walks import Walk, WalkError


def main(
    walks: Annotated[int, typer.Option(help="How many walks.")] = 20,
    steps: Annotated[int, typer.Option(help="How many steps each has.")] = 30,
    seed: Annotated[int, typer.Option(help="The first walk's seed; each next walk has the next number.")] = 0,
) -> None:
    """Take the walks, each in a new profile of the browser, and print how far each got."""
    failed = 0
    with served() as server, chromium() as browser:
        for number in range(seed, seed + walks):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            visit = Visit(page, server.url)
            walk = Walk(visit, number)
            try:
                walk.start()
                for _ in range(steps):
                    walk.step()
                visit.expect_no_complaints()
            except WalkError as error:
                failed += 1
                print(f"walk {number}: step {len(walk.done)} of {steps}: {error}", flush=True)
            else:
                print(f"walk {number}: all {steps} steps, {len(walk.entries)} entries of history", flush=True)
            page.context.close()
    print(f"{walks - failed} of {walks} walks of {steps} steps: address, controls and page agreed after each step")
    sys.exit(failed > 0)


if __name__ == "__main__":
    typer.run(main)
