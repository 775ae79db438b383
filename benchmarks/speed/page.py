"""From pressing a sample to all its maps: `python -m benchmarks.speed.page`.

Server time of the page's script when a sample is pressed whose maps are not cached, with all 1,280 maps of
EfficientNet-Lite0's last pair packed for the browser, against the network's forward pass alone. What the browser does
with them then is measured by `benchmarks.speed.gallery`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from streamlit.logger import set_log_level
from streamlit.testing.v1 import AppTest

from benchmarks.harness.app import ROOT
from benchmarks.harness.command import options_of, print_table
from benchmarks.harness.mapsets import unpack
from benchmarks.harness.session import state_of
from benchmarks.harness.timing import Timing, machine, milliseconds
from crosspool.backbones import DEFAULT, Backbone, load_backbone
from crosspool.framing import frame_image, to_tensor
from crosspool.gallery.mapset import pack_maps
from crosspool.images import load_image
from crosspool.pooling import cross_layer_pool
from crosspool.samples import SamplePhoto, samples
from crosspool.statistics import channel_statistics
from crosspool.tracing import run_graph
from crosspool.ui.maps import gallery
from crosspool.ui.runtime import maps as compute
from crosspool.ui.runtime.server import Server, current_server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.link import LinkState

INPUT_SIZES = (224, 448)
MAX_MS_BESIDE_FORWARD = 500.0

PRESS, FORWARD, COMPUTE = "press to maps", "forward pass alone", "computing the maps"
PACK = "packing them for the browser"
# Where the time goes inside a press: name, and what is watched: an object and the name of a function that it calls.
PARTS: dict[str, tuple[Any, str]] = {
    COMPUTE: (compute, compute._compute.__name__),
    "  activations": (Backbone, Backbone.activations.__name__),
    "  pooling": (compute, cross_layer_pool.__name__),
    "  statistics": (compute, channel_statistics.__name__),
    PACK: (gallery, pack_maps.__name__),
}
REST, BESIDE = "rest of the script", "press beyond forward"


def pressed(app: AppTest, sample: SamplePhoto) -> dict[str, float]:
    """Press a sample whose maps are in no cache; milliseconds of the whole and of its parts."""
    current_server().cache.clear()
    state_of(app, LinkState).sample = sample.id
    spent = dict.fromkeys(PARTS, 0.0)
    with ExitStack() as watches:
        for part, (place, function) in PARTS.items():
            watches.enter_context(_watched(place, function, spent, part))
        whole = milliseconds(app.run)
    if app.exception or app.error:
        raise RuntimeError(f"The page failed: {[*app.exception, *app.error]}")
    spent[REST] = whole - spent[COMPUTE] - spent[PACK]
    return {PRESS: whole, **spent}


@contextmanager
def _watched(place: Any, function: str, spent: dict[str, float], part: str) -> Iterator[None]:
    original: Callable[..., Any] = getattr(place, function)

    def watched(*args: Any, **kwargs: Any) -> Any:
        results: list[Any] = []
        spent[part] += milliseconds(lambda: results.append(original(*args, **kwargs)))
        return results[0]

    with patch.object(place, function, watched):
        yield


def forward_pass(backbone: Backbone, sample: SamplePhoto, size: int) -> float:
    """Milliseconds from the framed and normalised image to its maps; in a new thread, as a page's script has."""
    pair = backbone.layer_pairs[-1]
    graph = backbone.architecture.subgraph((pair.lower, pair.upper), size)
    framed = frame_image(load_image(sample.path), backbone.spec.preprocessing, size)
    batch = to_tensor([framed], backbone.spec.preprocessing)
    batch = batch.to(backbone.device, memory_format=torch.channels_last)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(milliseconds, partial(run_graph, backbone.model, graph, batch)).result()


def visit(size: int) -> AppTest:
    """A session with the maps of a sample."""
    app = AppTest.from_file(ROOT / "app.py", default_timeout=300)
    app.query_params["size"] = str(size)
    app.run()
    return app


def sent_maps(app: AppTest) -> int:
    """How many maps the browser was sent."""
    (element,) = (element for element in app.get("bidi_component") if element.key == "maps")
    return len(unpack(element.proto.bytes).peak)


def press_table(size: int, rounds: int) -> None:
    """Press every sample in turn, `rounds` times over, the forward pass alone after each."""
    app, backbone = visit(size), load_backbone(DEFAULT)
    set_log_level("ERROR")  # else Streamlit, set up by the visit, says at every press that there is no browser
    for sample in samples()[:2]:  # warm up
        pressed(app, sample)
        forward_pass(backbone, sample, size)
    runs: list[dict[str, float]] = []
    for _ in range(rounds):
        for sample in samples():
            run = pressed(app, sample)
            run[FORWARD] = forward_pass(backbone, sample, size)
            run[BESIDE] = run[PRESS] - run[FORWARD]
            runs.append(run)
    count = sent_maps(app)
    order = [PRESS, FORWARD, BESIDE, *PARTS, REST]
    times = {part: Timing.of([run[part] for run in runs]) for part in order}
    met = "met" if times[BESIDE].median <= MAX_MS_BESIDE_FORWARD else "MISSED"
    target = f"target {MAX_MS_BESIDE_FORWARD:.0f} ms beyond forward: {met}"
    print_table(
        f"{count:,} maps at input {size}, {len(runs)} presses; {target}",
        ["part", "ms", "quartiles", "best"],
        [[part, f"{time.median:.1f}", time.spread, f"{time.best:.1f}"] for part, time in times.items()],
    )


def main() -> None:
    """Print a table for each input size."""
    options = options_of(__doc__, rounds=(3, "times that each sample is pressed (3)"))
    print(machine())
    with use_server(Server(ServerSettings())):
        for size in INPUT_SIZES:
            press_table(size, options.rounds)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
