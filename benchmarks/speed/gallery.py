"""The gallery at work: `python -m benchmarks.speed.gallery`.

The page "Weighting maps" in a headless Chromium, with as many maps as it is made for: how soon they are drawn once they
have arrived, how smoothly their wall scrolls beside an empty box of the same size, how soon each control is answered,
and how much is sent. A time runs until the frame that shows the answer has ended, which the start of the next frame
tells: up to 17 ms too late. "nothing" is what that takes when nothing is done.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from benchmarks.harness.app import chromium, new_page, served
from benchmarks.harness.command import busyness, options_of, print_table
from crosspool.samples import samples

PROBE = Path(__file__).with_suffix(".js").with_stem("gallery_probe")
PAIRS = {
    "2,048 maps of 14x14": {"backbone": "resnet50", "weights": "untrained", "size": "448"},
    "512 maps of 28x28": {"backbone": "vgg16", "weights": "untrained", "size": "448"},
}
RAW_BYTES = 2048 * 14 * 14  # bytes of all maps, and 512 * 28 * 28
FIRST_PAINT_MS, ANSWER_MS, FRAMES_PER_SECOND, SENT_RATIO = 300.0, 50.0, 50.0, 1.2  # the last of the raw bytes
SCROLL_SPEEDS = (1500, 6000)  # pixels a second
TILES = {"104 px": 4, "64 px": 0}  # the usual and the smallest, and which act of the probe sets them
IMAGES_PER_VISIT = 5
REPETITIONS = 12
WEIGHED_REPETITIONS = 4  # of them, where the server's answers are
QUIET_MILLISECONDS = 900  # without a word from the server, after which it has no more to say

# In this order: some need what those before have done. A name of the probe's, and what it is in words.
CONTROLS = {
    "nothing": "nothing",
    "sort": "Sort by",
    "show": "Show",
    "search": "Channel",
    "colours": "Colours",
    "opacity": "Opacity",
    "scale": "Scale",
    "top": "Up to, with a fixed scale",
    "smooth": "Smooth",
    "tiles": "Tiles",
    "hover": "hand over a map",
    "arrow": "arrow keys",
    "ends": "End, Home",
    "pin": "pin, unpin",
    "click": "select by a click",
    "begin": "first cell of a box on the photo",
    "drag": "that box drawn larger",
    "end": "that box away",
}
# What they start from: an act of the probe's and its number.
STARTING_ACTS = {"top": ("scale", 1), "smooth": ("scale", 2), "hover": ("tiles", 4), "drag": ("begin", 0)}
WEIGHED_CONTROLS = {"colours": "a change of colours", "click": "a click"}  # whose answers from the server are weighed

Times = dict[str, list[dict[str, float]]]


def visit(browser: Browser, url: str, params: dict[str, str], seconds: float) -> Times:
    """Open the page, look at a few samples, scroll, and use every control."""
    times: Times = defaultdict(list)
    page = new_page(browser)
    page.add_init_script(f"globalThis.rawBytes = {RAW_BYTES};\n{PROBE.read_text(encoding='utf-8')}")
    page.goto(f"{url}?{urlencode(params)}")
    times["first"].append(arrival(page, 1))
    for number, sample in enumerate(samples()[1:IMAGES_PER_VISIT], start=2):
        page.locator(f'.strip .tile[data-id="{sample.id}"]').click()
        times["next"].append(arrival(page, number))
    page.evaluate("probe.time('show', 1)")
    for tile, act in TILES.items():
        page.evaluate("act => probe.time('tiles', act)", act)
        settle(page)
        for speed in SCROLL_SPEEDS:
            for _ in range(2):
                for what in ("scrollWall", "scrollNothing"):
                    scrolled = page.evaluate(f"([speed, seconds]) => probe.{what}(speed, seconds)", [speed, seconds])
                    times[f"{what} {tile} {speed}"].append(scrolled | {"tiles": page.evaluate("probe.tiles()")})
    page.evaluate("probe.time('tiles', 4)")
    settle(page)
    for control in CONTROLS:
        use(page, control, times)
    page.close()
    return times


def use(page: Page, control: str, times: Times) -> None:
    """One control again and again; the server answers in the end, or after each time while its answers are weighed."""
    if control in STARTING_ACTS:
        page.evaluate("([name, number]) => probe.time(name, number)", [*STARTING_ACTS[control]])
        settle(page)
    for number in range(REPETITIONS):
        if control == "end":
            page.evaluate("number => probe.time('begin', number)", number)
        times[control].append(page.evaluate("([name, number]) => probe.time(name, number)", [control, number]))
        if control in WEIGHED_CONTROLS and number < WEIGHED_REPETITIONS:
            times[f"{control} sent"].append(settle(page))
    settle(page)


def arrival(page: Page, number: int) -> dict[str, float]:
    """What the probe has noted of that many arrivals of maps: the bytes, and the time until they were shown."""
    page.wait_for_function("number => probe.arrivals.length >= number", arg=number)
    settle(page)
    noted: dict[str, float] = page.evaluate("probe.arrivals.at(-1)")
    return noted


def settle(page: Page) -> dict[str, float]:
    """Wait until the server has no more to say; bytes that it sent, and the longest task of the page meanwhile."""
    heard = page.evaluate("probe.heard.length")
    while True:
        page.wait_for_timeout(QUIET_MILLISECONDS)
        page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")
        before, heard = heard, page.evaluate("probe.heard.length")
        if before == heard:
            break
    answer: dict[str, float] = page.evaluate(
        """() => {
            const bytes = probe.heard.splice(0).reduce((sum, bytes) => sum + bytes, 0);
            return { bytes, longest: Math.max(0, ...probe.long.splice(0)) };
        }"""
    )
    return answer


def judged(values: Sequence[Any], limit: float, *, least: bool = False) -> list[str]:
    """Columns: the median, the worst, the limit and whether the median keeps it."""
    middle, worst = statistics.median(values), (min if least else max)(values)
    met = middle >= limit if least else middle <= limit
    places = 2 if limit < 10 else 1
    return [f"{middle:.{places}f}", f"{worst:.{places}f}", f"{'>=' if least else '<='} {limit:g}", verdict(met)]


def verdict(met: bool) -> str:
    """Met or missed."""
    return "met" if met else "MISSED"


def print_arrivals(name: str, times: Times) -> None:
    """How soon maps are drawn, and what is sent."""
    rows = [
        [f"{what}: ms from arrival to paint", *judged([noted["shown"] for noted in times[key]], FIRST_PAINT_MS)]
        for key, what in (("first", "first visit"), ("next", "another image"))
    ]
    arrived = [noted["bytes"] / RAW_BYTES for noted in (*times["first"], *times["next"])]
    rows.append([f"bytes sent over {RAW_BYTES:,} raw bytes", *judged(arrived, SENT_RATIO)])
    for control, what in WEIGHED_CONTROLS.items():
        for key, unit in (("bytes", "bytes that the server sends"), ("longest", "longest task then, ms")):
            values = [answer[key] for answer in times[f"{control} sent"]]
            rows.append([f"{what}: {unit}", f"{statistics.median(values):,.0f}", f"{max(values):,.0f}", "", ""])
    print_table(f"{name}: arriving", ["what", "median", "worst", "limit", ""], rows)


def print_scrolling(name: str, times: Times) -> None:
    """Frames a second, beside those of an empty box."""
    rows = []
    for tile in TILES:
        for speed in SCROLL_SPEEDS:
            runs = {what: times[f"{what} {tile} {speed}"] for what in ("scrollWall", "scrollNothing")}
            wall, nothing = ({key: statistics.median(run[key] for run in of) for key in of[0]} for of in runs.values())
            rows.append([
                f"{tile}, {wall['tiles']:.0f} drawn, {speed:,} px/s",
                *judged([run["rate"] for run in runs["scrollWall"]], FRAMES_PER_SECOND, least=True),
                f"{nothing['rate']:.1f}",
                f"{wall['rate'] / nothing['rate']:.2f}",
                f"{wall['interval']:.1f}",
                *(f"{100 * wall[key]:.1f} ({100 * nothing[key]:.1f})" for key in ("over20", "over33")),
                f"{100 * wall['bare']:.1f}",
            ])  # fmt: skip
    print_table(
        f"{name}: frames a second while the wall scrolls, and those of an empty box (which the brackets are too)",
        ["tiles", "median", "worst", "limit", "", "empty", "ratio", "ms a frame", "% > 20 ms", "% > 33 ms", "% bare"],
        rows,
    )


def print_controls(name: str, times: Times) -> None:
    """How soon each control is answered."""
    rows = []
    for control, what in CONTROLS.items():
        scripts, shown = ([answer[key] for answer in times[control]] for key in ("scripts", "shown"))
        within = sum(time <= ANSWER_MS for time in shown) / len(shown)
        spent = [f"{statistics.median(scripts):.1f}", f"{max(scripts):.1f}"]
        rows.append([what, *spent, *judged(shown, ANSWER_MS), f"{100 * within:.0f} %"])
    print_table(
        f"{name}: ms until a control is answered, of which in scripts",
        ["control", "scripts", "worst", "shown", "worst", "limit", "", "within it"],
        rows,
    )


def main() -> None:
    """Print tables for both pairs, and whether the targets were met."""
    options = options_of(
        __doc__,
        visits=(3, "visits of each pair, in turn (3)"),
        seconds=(3.0, "seconds that the wall scrolls each time (3)"),
    )
    print(busyness())
    runs: dict[str, Times] = {name: defaultdict(list) for name in PAIRS}
    with chromium() as browser, served() as server:
        for _ in range(options.visits):
            for name, params in PAIRS.items():
                for key, values in visit(browser, server.url, params, options.seconds).items():
                    runs[name][key].extend(values)
    tables: list[Callable[[str, Times], None]] = [print_arrivals, print_scrolling, print_controls]
    for show in tables:
        for name, times in runs.items():
            show(name, times)
    print(f"\n{options.visits} visits of each; {busyness()}")


if __name__ == "__main__":
    main()
