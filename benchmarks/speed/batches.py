"""Which batch, memory format and form of the network is quickest on a CPU: `python -m benchmarks.speed.batches`.

Justifies what `crosspool.backbones.backbone` does: BatchNorm folded, channels-last, and `BATCH_PIXELS`.
Weights are untrained, which changes no time.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from benchmarks.harness.command import parser_of, print_table
from benchmarks.harness.timing import interleaved, machine, repetitions_within
from crosspool.backbones import architecture, spec_of
from crosspool.tracing import fold_batch_norm, forbid_in_place, run_graph

BATCHES = ((1, 224), (8, 224), (32, 224), (1, 448), (8, 448))  # images, input size
# A network with its batches: the large ones of VGG-16 would take minutes.
NETWORKS = {
    "efficientnet_lite0": BATCHES,
    "alexnet": BATCHES,
    "resnet50": BATCHES,
    "vgg16": ((1, 224), (8, 224), (1, 448)),
}
VARIANTS = {
    "plain": (False, False),
    "folded": (True, False),
    "channels-last": (False, True),
    "both": (True, True),
}


def network(name: str, *, folded: bool, channels_last: bool) -> nn.Module:
    """The untrained network as one of the variants."""
    torch.manual_seed(0)
    model = spec_of(name).build(1000).eval().requires_grad_(False)
    forbid_in_place(model)
    if folded:
        fold_batch_norm(model, architecture(name).layout().graph)
    if channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def network_table(name: str, seconds: float) -> None:
    """A row for each batch: ms/image of each variant, and the quickest."""
    has_norm = any(isinstance(module, nn.BatchNorm2d) for module in architecture(name).layout().model.modules())
    variants = {
        variant: (network(name, folded=folded, channels_last=channels_last), channels_last)
        for variant, (folded, channels_last) in VARIANTS.items()
        if has_norm or not folded
    }
    rows = []
    for images, size in NETWORKS.get(name, BATCHES):
        graph = architecture(name).layout(size).graph
        pixels = torch.randn(images, 3, size, size)
        competitors: dict[str, Callable[[], object]] = {
            variant: partial(
                run_graph, model, graph, pixels.contiguous(memory_format=torch.channels_last) if last else pixels
            )
            for variant, (model, last) in variants.items()
        }
        repetitions = repetitions_within(seconds, competitors, most=15, least=2)
        times = interleaved(competitors, repetitions=repetitions, warm_up=0)
        cells = [
            f"{times[variant].median / images:.1f} ({times[variant].best / images:.1f})" if variant in times else "-"
            for variant in VARIANTS
        ]
        quickest = min(times, key=lambda variant: times[variant].median)
        rows.append([f"{images} at {size}", *cells, quickest, str(repetitions)])
    header = ["batch", *VARIANTS, "quickest", "repetitions"]
    print_table(f"{spec_of(name).title}, forward pass, ms/image: median (best)", header, rows)


def main() -> None:
    """Print a table for each network."""
    parser = parser_of(__doc__, seconds=(5.0, "time for each row; at least two repetitions (5)"))
    parser.add_argument(
        "networks", nargs="*", default=list(NETWORKS), help=f"backbones by name ({', '.join(NETWORKS)})"
    )
    options = parser.parse_args()
    print(machine())
    for name in options.networks:
        network_table(name, options.seconds)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
