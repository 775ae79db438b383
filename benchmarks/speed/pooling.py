"""What pooling costs: `python -m benchmarks.speed.pooling`.

First table: `cross_layer_pool` of real activations against the matrix multiplication at its heart, and against
other ways to compute the same. Second table: a pair's maps against the network's own forward pass.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import torch
import typer
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness.command import Timing, interleaved, machine, met_or_missed, print_table
from crosspool.backbones import UNTRAINED, Backbone, load_backbone
from crosspool.framing import frame_image, to_tensor
from crosspool.images import load_image
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import cross_layer_pool, local_features
from crosspool.samples import samples
from crosspool.text import size_text
from crosspool.tracing import run_graph

# Name, weights, input size (None: the network's own). The target is for those marked so.
CASES: tuple[tuple[str, str | None, int | None, bool], ...] = (
    ("alexnet", UNTRAINED, None, True),
    ("efficientnet_lite0", None, None, True),
    ("efficientnet_lite0", None, 448, True),
    ("vgg16", UNTRAINED, None, False),
)
MAX_OF_LIMIT = 1.7
MIN_OF_LOOP = 15

LIMIT, POOL, UNFOLDED = "matrix-multiply limit", "cross_layer_pool", "unfold, batched matmul"
OUTER_LOOP, CHANNEL_LOOP = "loop, outer product", "loop, also over channels"
LOOP_REPETITIONS = {OUTER_LOOP: 10, CHANNEL_LOOP: 3}


def loop(lower: Tensor, upper: Tensor, pair: LayerPair, add: Callable[[Tensor, Tensor, Tensor], None]) -> Tensor:
    """A plain loop over images and positions, which adds weights times patch to P."""
    (down, across), (m, n) = pair.padding, pair.kernel_size
    pooled = []
    for x, a in zip(F.pad(lower, (across, across, down, down)), upper, strict=True):
        P = x.new_zeros(len(a), len(x) * m * n)
        for row in range(a.shape[1]):
            for column in range(a.shape[2]):
                top, left = row * pair.stride[0], column * pair.stride[1]
                rows = slice(top, top + (m - 1) * pair.dilation[0] + 1, pair.dilation[0])
                columns = slice(left, left + (n - 1) * pair.dilation[1] + 1, pair.dilation[1])
                add(P, a[:, row, column], x[:, rows, columns].flatten())
        pooled.append(P)
    return torch.stack(pooled)


def add_outer_product(P: Tensor, weights: Tensor, patch: Tensor) -> None:
    """The quicker way: one outer product for each position."""
    P += weights[:, None] * patch[None]


def add_by_channel(P: Tensor, weights: Tensor, patch: Tensor) -> None:
    """As Eq. 1 is read: channel by channel."""
    for k in range(len(weights)):
        P[k] += weights[k] * patch


def by_unfolding(lower: Tensor, upper: Tensor, pair: LayerPair) -> Tensor:
    """The textbook's way: all patches of the batch at once, then one batched multiplication."""
    return upper.flatten(2) @ local_features(lower, **pair.geometry).transpose(1, 2)


def by_crosspool(lower: Tensor, upper: Tensor, pair: LayerPair) -> Tensor:
    """What is measured."""
    return cross_layer_pool(lower, upper, **pair.geometry)


def multiply_limit(lower: Tensor, upper: Tensor, pair: LayerPair) -> Callable[[], None]:
    """Only the multiplication, (K x N) by (N x D*m*n) for each image: dense data, unfolded already, output in use."""
    weights = [a.flatten(1).contiguous() for a in upper]  # (K, N)
    patches = [x.T.contiguous() for x in local_features(lower, **pair.geometry)]  # (N, D*m*n)
    pooled = [a @ x for a, x in zip(weights, patches, strict=True)]

    def run() -> None:
        for a, x, P in zip(weights, patches, pooled, strict=True):
            torch.mm(a, x, out=P)

    return run


def time_pooling(lower: Tensor, upper: Tensor, pair: LayerPair, repetitions: int) -> dict[str, Timing]:
    """Milliseconds an image of each way to pool; the loops run on the first image only."""
    ways = {POOL: by_crosspool, UNFOLDED: by_unfolding}
    loops = {OUTER_LOOP: partial(loop, add=add_outer_product), CHANNEL_LOOP: partial(loop, add=add_by_channel)}
    expected = by_unfolding(lower, upper, pair)
    for way in (by_crosspool, loops[OUTER_LOOP]):
        tolerance = 1e-4 * float(expected.abs().max())
        torch.testing.assert_close(way(lower, upper, pair), expected, rtol=1e-3, atol=tolerance)
    competitors: dict[str, Callable[[], object]] = {
        LIMIT: multiply_limit(lower, upper, pair),
        **{name: partial(way, lower, upper, pair) for name, way in ways.items()},
        **{name: partial(way, lower[:1], upper[:1], pair) for name, way in loops.items()},
    }
    times = interleaved(competitors, repetitions=repetitions, seldom=LOOP_REPETITIONS)
    return {name: time if name in loops else time.per_image(len(lower)) for name, time in times.items()}


def print_pooling(batch_size: int, repetitions: int) -> None:
    """Each case's ways to pool, as multiples of the limit, and how many times quicker than each loop they are."""
    images = [load_image(sample.path) for sample in samples()][:batch_size]
    verdicts = []
    for name, weights, size, has_target in CASES:
        backbone = load_backbone(name, weights, "cpu")
        pair = backbone.layer_pairs[-1]
        maps = backbone.activations(images, pair, size)
        times = time_pooling(maps.lower, maps.upper, pair, repetitions)
        limit, loops = times[LIMIT], [times[way] for way in LOOP_REPETITIONS]
        rows = []
        for way, time in times.items():
            own = [f"{time.median:.2f}", time.spread, f"{time.best:.2f}"]
            to_limit = [f"{time.median / limit.median:.2f}", f"{time.best / limit.best:.2f}"]
            rows.append([way, *own, *to_limit, *(f"{slow.median / time.median:.1f}" for slow in loops)])
        case = f"{backbone.spec.title} at {size or backbone.spec.preprocessing.size}"
        shapes = f"lower {_shape(maps.lower)}, upper {_shape(maps.upper)}, {size_text(pair.kernel_size)} patches"
        header = ["way", "ms/image", "quartiles", "best", "x limit", "x limit, best", "x outer loop", "x channel loop"]
        print_table(f"{case}, {pair.label}: {shapes}, batch of {len(images)}", header, rows)
        if has_target:
            of_limit, of_loops = times[POOL].median / limit.median, [slow.median / times[POOL].median for slow in loops]
            words = [f"{ratio:.2f} {met_or_missed(ratio >= MIN_OF_LOOP)}" for ratio in of_loops]
            verdicts.append([case, f"{of_limit:.2f} {met_or_missed(of_limit <= MAX_OF_LIMIT)}", *words])
    header = [f"x limit, <= {MAX_OF_LIMIT}", *(f"x {way}, >= {MIN_OF_LOOP}" for way in LOOP_REPETITIONS)]
    title = "Targets: the time over that of the limit, and that of each plain loop over it"
    print_table(title, [POOL, *header], verdicts)


def _shape(maps: Tensor) -> str:
    return "x".join(str(length) for length in maps.shape[1:])


def print_forward(repetitions: int) -> None:
    """Maps of the first, the middle and the last pair against the full forward pass, one image at a time."""
    image = load_image(samples()[0].path)
    rows = []
    for name, weights, size, _ in CASES:
        backbone = load_backbone(name, weights, "cpu")
        graph, preprocessing = backbone.architecture.layout(size).graph, backbone.spec.preprocessing
        batch = to_tensor([frame_image(image, preprocessing, size)], preprocessing)
        batch = batch.to(memory_format=torch.channels_last)
        pairs = backbone.layer_pairs
        competitors: dict[str, Callable[[], object]] = {"forward": partial(run_graph, backbone.model, graph, batch)}
        for pair in (pairs[0], pairs[len(pairs) // 2], pairs[-1]):
            competitors[pair.label] = partial(_maps, backbone, pair, size, batch)
        times = interleaved(competitors, repetitions=repetitions, seldom={})
        forward = times.pop("forward")
        for label, time in times.items():
            columns = [f"{time.median:.1f}", time.spread, f"{forward.median:.1f}", forward.spread]
            ratios = [f"{time.median / forward.median:.2f}", f"{time.best / forward.best:.2f}"]
            rows.append([f"{backbone.spec.title} at {batch.shape[-1]}, {label}", *columns, *ratios])
    header = ["pair", "maps, ms", "quartiles", "forward, ms", "quartiles", "ratio", "ratio of best"]
    print_table("The pair's maps against the network's own forward pass, one image; target: no more", header, rows)


def _maps(backbone: Backbone, pair: LayerPair, size: int | None, batch: Tensor) -> tuple[Tensor, Tensor]:
    """What `Backbone.activations` does once the image is framed and normalised."""
    graph = backbone.architecture.subgraph((pair.lower, pair.upper), size)
    lower, upper = run_graph(backbone.model, graph, batch)
    return lower, upper.clamp_min(0) if pair.can_be_negative else upper


def main(
    images: Annotated[int, typer.Option(help="Images in a batch, 1 to 8.")] = 8,
    repetitions: Annotated[int, typer.Option(help="Of these the median is taken.")] = 30,
    threads: Annotated[int | None, typer.Option(help="torch's threads; all cores by default.")] = None,
) -> None:
    """Print how long each way to pool takes, and each pair's maps."""
    torch.set_num_threads(threads or torch.get_num_threads())
    print(machine())
    print_pooling(images, repetitions)
    print_forward(repetitions)
    print(f"\n{machine()}")


if __name__ == "__main__":
    typer.run(main)
