"""From a press on a sample to all its maps: `python -m benchmarks.speed.press`.

The page "Weighting maps" in a headless Chromium, at 224 pixels: samples are pressed one after the other, whose maps are
not in the cache, and the time runs until the wall of 1,280 maps is painted (the rows in sight; others are painted as
they are scrolled to), by parts that add up to it. Browser and server share the machine, so that the page's work makes
the server's parts longer. The end of the painting is told by the start of the next frame, which is late by up to 17 ms.
"""

import json
import sys
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from playwright.sync_api import Page

from benchmarks.harness import timed_app
from benchmarks.harness.app import chromium, new_page, served, wait_until
from benchmarks.harness.command import Timing, machine_load, met_or_missed, print_table
from crosspool.samples import samples

PROBE = Path(__file__).with_name("press_probe.js")
SIZE = 224
MAX_MS = 250.0
WARM_UP = 8  # presses, one of each sample
QUIET_MILLISECONDS = 700  # between two presses

COMPUTED = (
    timed_app.DECODING, timed_app.FRAMING, timed_app.ACTIVATIONS, timed_app.ENERGIES, timed_app.STATISTICS,
    timed_app.PACKING,
)  # fmt: skip
WORDS = {timed_app.ACTIVATIONS: "pass through the network"}
Span = tuple[float, float]  # start and end, in milliseconds of the system's clock


def press(page: Page, sample: str) -> dict[str, Any]:
    """Press a sample, and wait until its maps are painted: the moments in the browser, and the bytes received."""
    page.locator(f'.strip .tile[data-id="{sample}"]').click()
    page.wait_for_function("lastPress().painted")
    page.wait_for_timeout(QUIET_MILLISECONDS)
    noted: dict[str, Any] = page.evaluate("lastPress()")
    return noted


def parts(noted: dict[str, Any], spans: list[tuple[str, Span]]) -> dict[str, float]:
    """The milliseconds of each part of a press, in their order."""
    pressed, painted = noted["pressed"], noted["painted"]
    of_press = {name: span for name, span in spans if pressed <= span[0] <= painted}
    missing = {timed_app.MESSAGE, timed_app.GALLERY, *COMPUTED} - of_press.keys()
    if missing:
        raise RuntimeError(f"A press did without {', '.join(sorted(missing))}")
    computed = {name: of_press[name][1] - of_press[name][0] for name in COMPUTED}
    computed[timed_app.ACTIVATIONS] -= computed[timed_app.FRAMING]  # which is a part of it
    asked, decoding, drawn = of_press[timed_app.MESSAGE][0], of_press[COMPUTED[0]][0], of_press[timed_app.GALLERY][1]
    return {
        "page: sending the press": noted["sent"] - pressed,
        "server: receiving it": asked - noted["sent"],
        "server: script before the maps": decoding - asked,
        **{f"server: {WORDS.get(name, name)}": spent for name, spent in computed.items()},
        "server: script with the maps": drawn - decoding - sum(computed.values()),
        "sending, and Streamlit's page": noted["received"] - drawn,
        "page: inflating": noted["read"] - noted["received"],
        "page: drawing": noted["drawn"] - noted["read"],
        "page: painting": painted - noted["drawn"],
    }


def main(presses: Annotated[int, typer.Option(help="How many are measured.")] = 20) -> None:
    """Print where the time goes, and whether the target was met."""
    print(machine_load())
    with TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        command = (sys.executable, "-m", timed_app.__name__, str(notes))
        with chromium() as browser, served(command=command) as server:
            wait_until(server.is_ready)
            page = new_page(browser)
            page.add_init_script(path=PROBE)
            page.goto(f"{server.url}?size={SIZE}")
            page.wait_for_function("shownMaps().tiles > 0")
            ids = [sample.id for sample in samples()]
            order = islice(cycle([*ids[1:], ids[0]]), WARM_UP + presses)
            runs = [press(page, sample) for sample in order][WARM_UP:]
            shown = page.evaluate("shownMaps()")
        lines = map(json.loads, notes.read_text(encoding="utf-8").splitlines())
        spans = [(name, (start, end)) for name, start, end in lines]
    whole = [run["painted"] - run["pressed"] for run in runs]
    by_part = [parts(run, spans) for run in runs]
    mean = sum(whole) / len(whole)
    rows = []
    for name in by_part[0]:
        spent = [part[name] for part in by_part]
        time = Timing.of(spent)
        rows.append([name, f"{time.median:.1f}", time.spread, f"{100 * sum(spent) / len(spent) / mean:.0f} %"])
    time = Timing.of(whole)
    rows.append(["press to paint", f"{time.median:.1f}", time.spread, ""])
    verdict = met_or_missed(time.median <= MAX_MS)
    print_table(
        f"{shown['channels']:,} maps at input {SIZE}, of which {shown['tiles']} drawn; {presses} presses; "
        f"target {MAX_MS:.0f} ms: {verdict}",
        ["part", "median ms", "quartiles", "share of the mean"],
        rows,
    )
    print(f"\n{median(run['bytes'] for run in runs):,.0f} bytes sent for a press; {machine_load()}")


if __name__ == "__main__":
    typer.run(main)
