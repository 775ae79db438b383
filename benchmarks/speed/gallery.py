"""The gallery at work: `python -m benchmarks.speed.gallery`.

The page "Weighting maps" in a headless Chromium, with as many maps as it is made for: how soon they are drawn once they
have arrived, how smoothly their wall scrolls beside an empty box of the same size, how soon each control is answered,
and how much is sent. A time runs until the frame that shows the answer has ended, which the start of the next frame
tells: up to 17 ms too late. "nothing" is what that takes when nothing is done.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from playwright.sync_api import Browser, Page

from benchmarks.harness.app import chromium, new_page, served
from benchmarks.harness.command import machine_load, met_or_missed, print_table
from crosspool.samples import samples

PROBE = Path(__file__).with_suffix(".js").with_stem("gallery_probe")
PAIRS = {
    "2,048 maps of 14x14": {"backbone": "resnet50", "weights": "untrained", "size": "448"},
    "512 maps of 28x28": {"backbone": "vgg16", "weights": "untrained", "size": "448"},
}
RAW_BYTES = 2 * 2048 * 14 * 14  # bytes of all maps, which have 16 bits a weight, and of 512 with 28 x 28
FIRST_PAINT_MS, ANSWER_MS, FRAMES_PER_SECOND, SENT_RATIO = 300.0, 50.0, 50.0, 1.2  # the last of the raw bytes
SCROLL_SPEEDS = (1500, 6000)  # pixels a second
TILES = {"104 px": 4, "64 px": 0}  # the usual and the smallest, and which act of the probe sets them
IMAGES_PER_VISIT = 5
REPETITIONS = 12
WEIGHED_REPETITIONS = 4  # of them, where the server's answers are
QUIET_MILLISECONDS = 900  # without a message from the server, after which it has no more to send

# In this order: some need what those before have done. The name of an act of the probe, and what it is in words.
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
    "hover": "pointer over a map",
    "arrow": "arrow keys",
    "ends": "End, Home",
    "pin": "pin, unpin",
    "click": "select by a click",
    "begin": "first cell of a box on the photo",
    "drag": "that box enlarged",
    "end": "that box removed",
}
# What they start from: an act of the probe and its number.
STARTING_ACTS = {"top": ("scale", 1), "smooth": ("scale", 2), "hover": ("tiles", 4), "drag": ("begin", 0)}
WEIGHED_CONTROLS = {"colours": "a change of colours", "click": "a click"}  # whose answers from the server are weighed

Times = dict[str, list[dict[str, float]]]


def act(page: Page, name: str, number: int) -> dict[str, float]:
    """Have the probe do something for the n-th time; the milliseconds of the scripts, and until it was shown."""
    times: dict[str, float] = page.evaluate("([name, number]) => probe.time(name, number)", [name, number])
    return times


def visit(browser: Browser, url: str, params: dict[str, str], seconds: float, times: Times) -> None:
    """Open the page, look at a few samples, scroll, and use every control."""
    page = new_page(browser)
    page.add_init_script(f"globalThis.leastBytes = {RAW_BYTES // 2};\n{PROBE.read_text(encoding='utf-8')}")
    page.goto(f"{url}?{urlencode(params)}")
    times["first"].append(arrival(page, 1))
    for number, sample in enumerate(samples()[1:IMAGES_PER_VISIT], start=2):
        page.locator(f'.strip .tile[data-id="{sample.id}"]').click()
        times["next"].append(arrival(page, number))
    act(page, "show", 1)
    for tile, number in TILES.items():
        act(page, "tiles", number)
        settle(page)
        for speed in SCROLL_SPEEDS:
            for scroll in 2 * ("scrollWall", "scrollNothing"):
                frames = page.evaluate(f"([speed, seconds]) => probe.{scroll}(speed, seconds)", [speed, seconds])
                times[f"{scroll} {tile} {speed}"].append(frames | {"tiles": page.evaluate("probe.tiles()")})
    act(page, "tiles", 4)
    settle(page)
    for control in CONTROLS:
        use(page, control, times)
    page.close()


def use(page: Page, control: str, times: Times) -> None:
    """One control again and again; the server answers in the end, or after each time while its answers are weighed."""
    if control in STARTING_ACTS:
        act(page, *STARTING_ACTS[control])
        settle(page)
    for number in range(REPETITIONS):
        if control == "end":
            act(page, "begin", number)
        times[control].append(act(page, control, number))
        if control in WEIGHED_CONTROLS and number < WEIGHED_REPETITIONS:
            times[f"{control} sent"].append(settle(page))
    settle(page)


def arrival(page: Page, number: int) -> dict[str, float]:
    """Wait for the n-th arrival of maps: the bytes, and the time until they were shown."""
    page.wait_for_function("number => probe.arrivals.length >= number", arg=number)
    settle(page)
    noted: dict[str, float] = page.evaluate("probe.arrivals.at(-1)")
    return noted


def settle(page: Page) -> dict[str, float]:
    """Wait until the server has no more to send; the bytes that it sent, and the page's longest task meanwhile."""
    count = -1
    while count != (count := page.evaluate("probe.heard.length")):
        page.wait_for_timeout(QUIET_MILLISECONDS)
        page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")
    answer: dict[str, float] = page.evaluate("probe.settled()")
    return answer


def judged(values: Sequence[Any], limit: float, *, least: bool = False) -> list[str]:
    """Columns: the median, the worst, the limit and whether the median keeps it."""
    middle, worst = median(values), (min if least else max)(values)
    met = middle >= limit if least else middle <= limit
    places = 2 if limit < 10 else 1
    return [f"{middle:.{places}f}", f"{worst:.{places}f}", f"{'>=' if least else '<='} {limit:g}", met_or_missed(met)]


def print_arrivals(name: str, times: Times) -> None:
    """How soon maps are drawn, and what is sent."""
    rows = [
        [f"{visits}: ms from arrival to paint", *judged([noted["shown"] for noted in times[key]], FIRST_PAINT_MS)]
        for key, visits in (("first", "first visit"), ("next", "another image"))
    ]
    ratios = [noted["bytes"] / RAW_BYTES for noted in (*times["first"], *times["next"])]
    rows.append([f"bytes sent over {RAW_BYTES:,} raw bytes", *judged(ratios, SENT_RATIO)])
    for control, action in WEIGHED_CONTROLS.items():
        for key, unit in (("bytes", "bytes that the server sends"), ("longest", "longest task then, ms")):
            values = [answer[key] for answer in times[f"{control} sent"]]
            rows.append([f"{action}: {unit}", f"{median(values):,.0f}", f"{max(values):,.0f}", "", ""])
    print_table(f"{name}: arriving", ["figure", "median", "worst", "limit", ""], rows)


def print_scrolling(name: str, times: Times) -> None:
    """Frames a second, beside those of an empty box."""
    rows = []
    for tile in TILES:
        for speed in SCROLL_SPEEDS:
            runs = [times[f"{scroll} {tile} {speed}"] for scroll in ("scrollWall", "scrollNothing")]
            wall, nothing = ({key: median(run[key] for run in of) for key in of[0]} for of in runs)
            rows.append([
                f"{tile}, {wall['tiles']:.0f} drawn, {speed:,} px/s",
                *judged([run["rate"] for run in runs[0]], FRAMES_PER_SECOND, least=True),
                f"{nothing['rate']:.1f}", f"{wall['rate'] / nothing['rate']:.2f}", f"{wall['interval']:.1f}",
                *(f"{100 * wall[key]:.1f} ({100 * nothing[key]:.1f})" for key in ("over20", "over33")),
                f"{100 * wall['bare']:.1f}",
            ])  # fmt: skip
    title = f"{name}: frames a second while the wall scrolls, and (in brackets too) those of an empty box"
    limits = ["tiles", "median", "worst", "limit", ""]
    print_table(title, [*limits, "empty", "ratio", "ms a frame", "% > 20 ms", "% > 33 ms", "% bare"], rows)


def print_controls(name: str, times: Times) -> None:
    """How soon each control is answered."""
    rows = []
    for control, label in CONTROLS.items():
        scripts, shown = ([answer[key] for answer in times[control]] for key in ("scripts", "shown"))
        within = sum(time <= ANSWER_MS for time in shown) / len(shown)
        spent = [f"{median(scripts):.1f}", f"{max(scripts):.1f}"]
        rows.append([label, *spent, *judged(shown, ANSWER_MS), f"{100 * within:.0f} %"])
    header = ["control", "scripts", "worst", "shown", "worst", "limit", "", "within it"]
    print_table(f"{name}: ms until a control is answered, of which in scripts", header, rows)


def main(
    visits: Annotated[int, typer.Option(help="Visits of each pair, in turn.")] = 3,
    seconds: Annotated[float, typer.Option(help="How long the wall scrolls each time.")] = 3.0,
) -> None:
    """Print tables for both pairs, and whether the targets were met."""
    print(machine_load())
    runs: dict[str, Times] = {name: defaultdict(list) for name in PAIRS}
    with chromium() as browser, served() as server:
        for _ in range(visits):
            for name, params in PAIRS.items():
                visit(browser, server.url, params, seconds, runs[name])
    for print_times in (print_arrivals, print_scrolling, print_controls):
        for name, times in runs.items():
            print_times(name, times)
    print(f"\n{visits} visits of each; {machine_load()}")


if __name__ == "__main__":
    typer.run(main)
