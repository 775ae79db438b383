"""What pooling costs: `python -m benchmarks.speed.pooling`.

First table: `cross_layer_pool` of real activations against the matrix multiplication at its heart, and against
other ways to compute the same. Second table: a pair's maps against the network's own forward pass.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness.command import options_of, print_table
from benchmarks.harness.timing import Timing, interleaved, machine
from crosspool.backbones import UNTRAINED, Backbone, load_backbone
from crosspool.framing import frame_image, to_tensor
from crosspool.images import load_image
from crosspool.layer_pairs import LayerPair
from crosspool.pooling import cross_layer_pool, local_features
from crosspool.samples import samples
from crosspool.tracing import run_graph

# Name, weights, input size (None: the network's own). The target is for those marked so.
CASES: tuple[tuple[str, str | None, int | None, bool], ...] = (
    ("alexnet", UNTRAINED, None, True),
    ("efficientnet_lite0", None, None, True),
    ("efficientnet_lite0", None, 448, True),
    ("vgg16", UNTRAINED, None, False),
)
MOST_OF_LIMIT = 1.7
LEAST_OF_LOOP = 15

LIMIT, POOL, UNFOLDED = "matrix-multiply limit", "cross_layer_pool", "unfold, batched matmul"
OUTER_LOOP, CHANNEL_LOOP = "loop, outer product", "loop, also over channels"
LOOP_REPETITIONS = {OUTER_LOOP: 10, CHANNEL_LOOP: 3}


def loop_of_outer_products(lower: Tensor, upper: Tensor, pair: LayerPair) -> Tensor:
    """The quicker plain loop: over images and positions, each adding the outer product of weights and patch."""
    pooled = []
    for x, a in zip(_padded(lower, pair), upper, strict=True):
        P = x.new_zeros(len(a), len(x) * pair.kernel_size[0] * pair.kernel_size[1])
        for row in range(a.shape[1]):
            for column in range(a.shape[2]):
                P += a[:, row, column, None] * _patch(x, row, column, pair)[None]
        pooled.append(P)
    return torch.stack(pooled)


def loop_over_channels(lower: Tensor, upper: Tensor, pair: LayerPair) -> Tensor:
    """The plain loop as Eq. 1 is read: over images, positions and channels, each adding weight times patch."""
    pooled = []
    for x, a in zip(_padded(lower, pair), upper, strict=True):
        P = x.new_zeros(len(a), len(x) * pair.kernel_size[0] * pair.kernel_size[1])
        for row in range(a.shape[1]):
            for column in range(a.shape[2]):
                patch = _patch(x, row, column, pair)
                for k in range(len(a)):
                    P[k] += a[k, row, column] * patch
        pooled.append(P)
    return torch.stack(pooled)


def _padded(lower: Tensor, pair: LayerPair) -> Tensor:
    down, across = pair.padding
    return F.pad(lower, (across, across, down, down))


def _patch(padded: Tensor, row: int, column: int, pair: LayerPair) -> Tensor:
    top, left = row * pair.stride[0], column * pair.stride[1]
    rows = slice(top, top + (pair.kernel_size[0] - 1) * pair.dilation[0] + 1, pair.dilation[0])
    columns = slice(left, left + (pair.kernel_size[1] - 1) * pair.dilation[1] + 1, pair.dilation[1])
    return padded[:, rows, columns].flatten()


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
    loops = {OUTER_LOOP: loop_of_outer_products, CHANNEL_LOOP: loop_over_channels}
    expected = by_unfolding(lower, upper, pair)
    for way in (by_crosspool, loop_of_outer_products):
        torch.testing.assert_close(
            way(lower, upper, pair), expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
        )
    competitors: dict[str, Callable[[], object]] = {
        LIMIT: multiply_limit(lower, upper, pair),
        **{name: partial(way, lower, upper, pair) for name, way in ways.items()},
        **{name: partial(loop, lower[:1], upper[:1], pair) for name, loop in loops.items()},
    }
    times = interleaved(competitors, repetitions=repetitions, seldom=LOOP_REPETITIONS)
    return {name: time if name in loops else time.shared_by(len(lower)) for name, time in times.items()}


def pooling_table(batch_size: int, repetitions: int) -> None:
    """Each case's ways to pool, as multiples of the limit, and how often each is quicker than the quicker loop."""
    images = [load_image(sample.path) for sample in samples()][:batch_size]
    verdicts = []
    for name, weights, size, has_target in CASES:
        backbone = load_backbone(name, weights, "cpu")
        pair = backbone.layer_pairs[-1]
        maps = backbone.activations(images, pair, size)
        times = time_pooling(maps.lower, maps.upper, pair, repetitions)
        limit, loops = times[LIMIT], [times[loop] for loop in LOOP_REPETITIONS]
        rows = [
            [
                way,
                f"{time.median:.2f}",
                time.spread,
                f"{time.best:.2f}",
                f"{time.median / limit.median:.2f}",
                f"{time.best / limit.best:.2f}",
                *(f"{loop.median / time.median:.1f}" for loop in loops),
            ]
            for way, time in times.items()
        ]
        at_size = size or backbone.spec.preprocessing.size
        title = (
            f"{backbone.spec.title} at {at_size}, {pair.label}: lower {_shape(maps.lower)}, "
            f"upper {_shape(maps.upper)}, {pair.kernel_size[0]}x{pair.kernel_size[1]} patches, batch of {len(images)}"
        )
        header = ["way", "ms/image", "quartiles", "best", "x limit", "x limit, best", "x outer loop", "x channel loop"]
        print_table(title, header, rows)
        if has_target:
            ratios = [times[POOL].median / limit.median, *(loop.median / times[POOL].median for loop in loops)]
            met = [ratios[0] <= MOST_OF_LIMIT, *(ratio >= LEAST_OF_LOOP for ratio in ratios[1:])]
            words = [f"{ratio:.2f} {'met' if ok else 'MISSED'}" for ratio, ok in zip(ratios, met, strict=True)]
            verdicts.append([f"{backbone.spec.title} at {at_size}", *words])
    header = [
        "cross_layer_pool",
        f"x limit, <= {MOST_OF_LIMIT}",
        *(f"x {loop}, >= {LEAST_OF_LOOP}" for loop in LOOP_REPETITIONS),
    ]
    print_table(
        "Targets: as long as the limit takes, and quicker than each plain loop, so many times", header, verdicts
    )


def _shape(maps: Tensor) -> str:
    return "x".join(str(length) for length in maps.shape[1:])


def forward_table(repetitions: int) -> None:
    """Maps of the first, the middle and the last pair against the full forward pass, one image at a time."""
    image = load_image(samples()[0].path)
    rows = []
    for name, weights, size, _ in CASES:
        backbone = load_backbone(name, weights, "cpu")
        graph = backbone.architecture.layout(size).graph
        preprocessing = backbone.spec.preprocessing
        batch = to_tensor([frame_image(image, preprocessing, size)], preprocessing).to(
            memory_format=torch.channels_last
        )
        pairs = backbone.layer_pairs
        competitors: dict[str, Callable[[], object]] = {"forward": partial(run_graph, backbone.model, graph, batch)}
        for pair in (pairs[0], pairs[len(pairs) // 2], pairs[-1]):
            competitors[pair.label] = partial(_maps, backbone, pair, size, batch)
        times = interleaved(competitors, repetitions=repetitions)
        forward = times.pop("forward")
        rows += [
            [
                f"{backbone.spec.title} at {batch.shape[-1]}, {label}",
                f"{time.median:.1f}",
                time.spread,
                f"{forward.median:.1f}",
                forward.spread,
                f"{time.median / forward.median:.2f}",
                f"{time.best / forward.best:.2f}",
            ]
            for label, time in times.items()
        ]
    header = ["pair", "maps, ms", "quartiles", "forward, ms", "quartiles", "ratio", "ratio of best"]
    print_table("The pair's maps against the network's own forward pass, one image; target: no more", header, rows)


def _maps(backbone: Backbone, pair: LayerPair, size: int | None, batch: Tensor) -> tuple[Tensor, Tensor]:
    """What `Backbone.activations` does once the image is framed and normalised."""
    graph = backbone.architecture.subgraph((pair.lower, pair.upper), size)
    lower, upper = run_graph(backbone.model, graph, batch)
    return lower, upper.clamp_min(0) if pair.can_be_negative else upper


def main() -> None:
    """Print both tables."""
    options = options_of(
        __doc__,
        images=(8, "images in a batch, 1 to 8 (8)"),
        repetitions=(30, "repetitions of which the median is taken (30)"),
        threads=(torch.get_num_threads(), "torch's threads (all cores)"),
    )
    torch.set_num_threads(options.threads)
    print(machine())
    pooling_table(options.images, options.repetitions)
    forward_table(options.repetitions)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
