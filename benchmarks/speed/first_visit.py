"""A first visit to the app: `python -m benchmarks.speed.first_visit [--against CHECKOUT]`.

The first page in a headless Chromium with an empty cache, at four widths: what goes over the wire, how far the page
jumps (cumulative layout shift), and when the photo, the first map and 24 tiles are on the page. `--against` serves
another checkout too, in turn, so that both stand in one table. Bytes of requests are counted as they are transferred,
those of the WebSocket after unpacking. The server has had a visitor before.
"""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from playwright.sync_api import Browser, Page

from benchmarks.harness import layout_shift
from benchmarks.harness.app import ROOT, chromium, served
from benchmarks.harness.command import machine_load, print_table
from benchmarks.speed.shifts import QUIET_MILLISECONDS

SIZES = {1920: 1080, 1440: 900, 1024: 768, 390: 844}
TILES = 24
PATIENCE_MILLISECONDS = 120_000
MOMENTS = ("photo", "first map", "24 tiles")

# A large image is a photo or a map: drawn by the server, or on the canvases of the gallery's lens. It counts once there
# is something in it.
PROBE = """
globalThis.moments = {};
{
  const roots = [document];
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (options) {
    const root = attach.call(this, options);
    roots.push(root);
    return root;
  };
  const all = (selector) => roots.flatMap((root) => [...root.querySelectorAll(selector)]);
  const isLarge = (element) => element.getBoundingClientRect().width >= 120;
  const gallery = () => all(".gallery").map((element) => element.gallery).find(Boolean);
  const note = (name, holds) => { if (holds && !(name in moments)) moments[name] = performance.now(); };
  globalThis.wholeTiles = () => {
    const list = all(".wall")[0]?.getBoundingClientRect();
    const bottom = Math.min(innerHeight, list?.bottom ?? 0);
    return all(".wall .tile").map((tile) => tile.getBoundingClientRect())
      .filter((box) => box.top >= list.top && box.top >= 0 && box.bottom <= bottom).length;
  };
  const look = () => {
    const drawn = all(".frame img").filter((image) => image.complete && image.naturalWidth);
    const large = [...drawn, ...(gallery()?.set ? all(".lens canvas") : [])].filter(isLarge);
    note("photo", large.length >= 1);
    note("first map", large.length >= 2);
    note("24 tiles", gallery()?.set && all(".wall .tile").length >= TILES);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
""".replace("TILES", str(TILES))


class Wire:
    """What a page receives: bytes, requests, and those that failed."""

    def __init__(self, page: Page) -> None:
        self.bytes, self.requests, self.failures = 0, 0, list[str]()
        session = page.context.new_cdp_session(page)
        session.on("Network.loadingFinished", self._on_finished)
        session.on("Network.responseReceived", self._on_response)
        session.on("Network.webSocketFrameReceived", self._on_message)
        session.send("Network.enable")

    def _on_finished(self, event: Mapping[str, Any]) -> None:
        self.bytes += int(event["encodedDataLength"])

    def _on_response(self, event: Mapping[str, Any]) -> None:
        self.requests += 1
        if event["response"]["status"] >= 400:
            self.failures.append(event["response"]["url"])

    def _on_message(self, event: Mapping[str, Any]) -> None:
        text = event["response"]["payloadData"]
        self.bytes += len(text) * 3 // 4 if event["response"]["opcode"] == 2 else len(text)


def visit(browser: Browser, url: str, width: int) -> dict[str, float]:
    """One first visit, in a window of this width: its figures by name."""
    page = browser.new_page(viewport={"width": width, "height": SIZES[width]})
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    page.add_init_script(PROBE)
    page.add_init_script(layout_shift.PROBE)
    wire = Wire(page)
    page.goto(url)
    page.wait_for_function("name => name in moments", arg=MOMENTS[0])
    page.wait_for_function("name => name in moments", arg=MOMENTS[1])
    count = -1
    while count != (count := page.evaluate("shifts.length")):
        page.wait_for_timeout(QUIET_MILLISECONDS)
        page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached")
    moments = page.evaluate("moments")
    figures = {
        "MB": wire.bytes / 1e6,
        "requests": wire.requests,
        "failed": len(wire.failures),
        "shift": layout_shift.cumulative(page.evaluate("shifts")),
        "whole tiles in sight": page.evaluate("wholeTiles()"),
        **{f"{name}, s": moments[name] / 1000 for name in MOMENTS if name in moments},
    }
    page.close()
    return figures


def main(
    against: Annotated[Path | None, typer.Option(help="Another checkout of the project.")] = None,
    visits: Annotated[int, typer.Option(help="Visits of each, in turn; medians are printed.")] = 3,
) -> None:
    """Print the figures of each checkout at each width."""
    print(machine_load())
    checkouts = ({"before": against} if against else {}) | {"now": ROOT}
    figures: dict[tuple[int, str], list[dict[str, float]]] = defaultdict(list)
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        urls = {name: stack.enter_context(served(cwd=folder)).url for name, folder in checkouts.items()}
        for url in urls.values():
            visit(browser, url, 1440)
        for _ in range(visits):
            for width in SIZES:
                for name, url in urls.items():
                    figures[width, name].append(visit(browser, url, width))
    names = list(dict.fromkeys(name for runs in figures.values() for run in runs for name in run))
    rows = [[str(width), code, *_medians(runs, names)] for (width, code), runs in figures.items()]
    print_table("a first visit", ["px", "code", *names], rows)
    print(f"\nmedians of {visits} visits; {machine_load()}")


def _medians(runs: list[dict[str, float]], names: list[str]) -> list[str]:
    values = ([run[name] for run in runs if name in run] for name in names)
    return [f"{median(each):.3g}" if each else "never" for each in values]


if __name__ == "__main__":
    typer.run(main)
