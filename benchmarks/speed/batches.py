"""Which batch, memory format and form of the network is quickest on a CPU: `python -m benchmarks.speed.batches`.

Justifies what `crosspool.backbones.backbone` and `batches` do: BatchNorm folded, channels-last, and `BATCH_PIXELS`.
Weights are untrained, which does not change the time.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import torch
import typer
from torch import nn

from benchmarks.harness.command import interleaved, machine, milliseconds, print_table
from crosspool.backbones import architecture, spec_of
from crosspool.tracing import fold_batch_norm, forbid_in_place, run_graph

BATCHES = ((1, 224), (8, 224), (32, 224), (1, 448), (8, 448))  # images, input size
# A network with its batches: the large ones of VGG-16 would take minutes.
NETWORKS: dict[str, tuple[tuple[int, int], ...]] = dict.fromkeys(["efficientnet_lite0", "alexnet", "resnet50"], BATCHES)
NETWORKS["vgg16"] = ((1, 224), (8, 224), (1, 448))
VARIANTS = {"plain": (False, False), "folded": (True, False), "channels-last": (False, True), "both": (True, True)}
REPETITIONS = (2, 15)  # at least, and at most


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


def print_network(name: str, seconds: float) -> None:
    """Print a row for each batch: ms/image of each variant, and the quickest."""
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
        batches = {False: pixels, True: pixels.contiguous(memory_format=torch.channels_last)}
        competitors: dict[str, Callable[[], object]] = {
            variant: partial(run_graph, model, graph, batches[last]) for variant, (model, last) in variants.items()
        }
        once = sum(map(milliseconds, competitors.values())) / 1000  # which also warms up
        repetitions = max(REPETITIONS[0], min(REPETITIONS[1], int(seconds / once)))
        times = interleaved(competitors, repetitions=repetitions, seldom={}, warm_up=0)
        per_image = {variant: time.per_image(images) for variant, time in times.items()}
        cells = {variant: f"{time.median:.1f} ({time.best:.1f})" for variant, time in per_image.items()}
        quickest = min(times, key=lambda variant: times[variant].median)
        columns = [cells.get(variant, "-") for variant in VARIANTS]
        rows.append([f"{images} at {size}", *columns, quickest, str(repetitions)])
    header = ["batch", *VARIANTS, "quickest", "repetitions"]
    print_table(f"{spec_of(name).title}, forward pass, ms/image: median (best)", header, rows)


def main(
    networks: Annotated[list[str] | None, typer.Argument(help=f"Backbones by name ({', '.join(NETWORKS)}).")] = None,
    seconds: Annotated[float, typer.Option(help="Time for each row; at least two repetitions.")] = 5.0,
) -> None:
    """Print a table for each network."""
    print(machine())
    for name in networks or NETWORKS:
        print_network(name, seconds)
    print(f"\n{machine()}")


if __name__ == "__main__":
    typer.run(main)
