"""From pressing a sample to all its maps: `python -m benchmarks.speed.page`.

Server time of the page's script when a sample is pressed whose maps are not cached, with all 1,280 maps of
EfficientNet-Lite0's last pair packed for the browser, against the network's forward pass alone. What the browser does
with them then is measured by `benchmarks.speed.gallery`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any
from unittest.mock import patch

import torch
import typer
from streamlit.logger import set_log_level
from streamlit.testing.v1 import AppTest

from benchmarks.harness.app import ROOT
from benchmarks.harness.command import Timing, machine, met_or_missed, milliseconds, print_table
from benchmarks.harness.mapsets import unpack
from benchmarks.harness.session import state_of
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
from crosspool.ui.runtime.quota import image_hash
from crosspool.ui.runtime.server import Server, current_server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.link import LinkState

INPUT_SIZES = (224, 448)
MAX_MS_BESIDE_FORWARD = 500.0

PRESS, FORWARD, COMPUTE = "press to maps", "forward pass alone", "computing the maps"
PACK, REST, BESIDE = "packing them for the browser", "rest of the script", "press beyond forward"
# Where the time goes inside a press: an object, and the name of a function of it that is timed.
PARTS: dict[str, tuple[Any, str]] = {
    COMPUTE: (compute, compute._compute.__name__),
    "  activations": (Backbone, Backbone.activations.__name__),
    "  pooling": (compute, cross_layer_pool.__name__),
    "  statistics": (compute, channel_statistics.__name__),
    PACK: (gallery, pack_maps.__name__),
}


def press_times(app: AppTest, sample: SamplePhoto) -> dict[str, float]:
    """Press a sample of which nothing is in the cache; milliseconds of the whole and of its parts."""
    current_server().cache.forget_images([image_hash(sample.path.read_bytes())])
    state_of(app, LinkState).sample = sample.id
    spent = dict.fromkeys(PARTS, 0.0)
    with ExitStack() as patches:
        for part, (owner, name) in PARTS.items():
            patches.enter_context(patch.object(owner, name, _timed(getattr(owner, name), spent, part)))
        whole = milliseconds(app.run)
    if app.exception or app.error:
        raise RuntimeError(f"The page failed: {[*app.exception, *app.error]}")
    return {PRESS: whole, **spent, REST: whole - spent[COMPUTE] - spent[PACK]}


def _timed(function: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        results: list[Any] = []
        spent[part] += milliseconds(lambda: results.append(function(*args, **kwargs)))
        return results[0]

    return timed


def forward_pass(backbone: Backbone, sample: SamplePhoto, size: int) -> float:
    """Milliseconds from the framed and normalised image to its maps; in a new thread, as a page's script has."""
    pair = backbone.layer_pairs[-1]
    graph = backbone.architecture.subgraph((pair.lower, pair.upper), size)
    framed = frame_image(load_image(sample.path), backbone.spec.preprocessing, size)
    batch = to_tensor([framed], backbone.spec.preprocessing)
    batch = batch.to(backbone.device, memory_format=torch.channels_last)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(milliseconds, partial(run_graph, backbone.model, graph, batch)).result()


def print_presses(size: int, rounds: int) -> None:
    """Press every sample in turn, `rounds` times over, with the forward pass alone after each."""
    app, backbone = AppTest.from_file(ROOT / "app.py", default_timeout=300), load_backbone(DEFAULT)
    app.query_params["size"] = str(size)
    app.run()
    set_log_level("ERROR")  # else Streamlit warns at every press that no browser is connected
    runs: list[dict[str, float]] = []
    for sample in [*samples()[:2], *rounds * samples()]:  # the first two warm up
        run = press_times(app, sample)
        run[FORWARD] = forward_pass(backbone, sample, size)
        runs.append({**run, BESIDE: run[PRESS] - run[FORWARD]})
    runs = runs[2:]
    (element,) = (element for element in app.get("bidi_component") if element.key == "maps")
    count = len(unpack(element.proto.bytes).peak)
    times = {part: Timing.of([run[part] for run in runs]) for part in (PRESS, FORWARD, BESIDE, *PARTS, REST)}
    verdict = met_or_missed(times[BESIDE].median <= MAX_MS_BESIDE_FORWARD)
    target = f"target {MAX_MS_BESIDE_FORWARD:.0f} ms beyond forward: {verdict}"
    print_table(
        f"{count:,} maps at input {size}, {len(runs)} presses; {target}",
        ["part", "ms", "quartiles", "best"],
        [[part, f"{time.median:.1f}", time.spread, f"{time.best:.1f}"] for part, time in times.items()],
    )


def main(rounds: Annotated[int, typer.Option(help="How often each sample is pressed.")] = 3) -> None:
    """Print where the time goes, for each input size."""
    print(machine())
    with use_server(Server(ServerSettings())):
        for size in INPUT_SIZES:
            print_presses(size, rounds)
    print(f"\n{machine()}")


if __name__ == "__main__":
    typer.run(main)
