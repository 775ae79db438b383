"""`train`: a classifier of one's own pictures, in one file."""

import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import images_progress
from crosspool.cli.labelled import (
    BoundingBox,
    Cache,
    DatasetName,
    Download,
    OnProblem,
    Root,
    Seed,
    WholeFraming,
    cache_at,
    checked_classes,
    goes_on_next_time,
    prepared,
    print_problems,
    room_for_vectors,
)
from crosspool.cli.options import DEFAULT_BACKBONE, BackboneName, Device, Weights
from crosspool.cli.outputs import checked_output, replacing
from crosspool.errors import SettingError
from crosspool.evaluation.command import DATA_ROOT, network_options, spelled_out

if TYPE_CHECKING:
    from crosspool.classifiers import TrainedClassifier
    from crosspool.evaluation.preparation import Prepared
    from crosspool.methods import Method


def train(
    dataset: DatasetName,
    method: Annotated[str, typer.Option("--method", "-m", metavar="METHOD", help="One method, such as cl@448.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE.safetensors", help="Where to write the classifier.")],
    backbone: BackboneName = DEFAULT_BACKBONE,
    weights: Weights = None,
    device: Device = "auto",
    framing: WholeFraming = "squash",
    seed: Seed = 0,
    on_problem: OnProblem = "skip",
    download: Download = False,
    root: Root = DATA_ROOT,
    bounding_box: BoundingBox = False,
    cache: Cache = None,
) -> None:
    """Train a linear classifier on all labelled images, for crosspool classify.

    How well it does on images that it has not seen is what crosspool evaluate tells.
    """
    from crosspool.backbones import architecture, load_backbone
    from crosspool.datasets import open_dataset
    from crosspool.methods import parse_method

    if "," in method:
        raise SettingError(f"train takes one method, not {method}; crosspool evaluate compares several.")
    path = checked_output(out, (".safetensors",), inputs=[os.path.expanduser(dataset), *([weights] if weights else [])])
    parse_method(method, architecture(backbone), framing)  # for what is wrong with it, before anything is loaded
    opened = open_dataset(dataset, root=root, download=download, bounding_box=bounding_box)
    opened = checked_classes(opened, 1, on_problem)
    network = load_backbone(backbone, weights, device)
    chosen = parse_method(method, network.architecture, framing)  # of as many classes as its weights have
    with goes_on_next_time():
        ready = prepared(opened, network, chosen.sources, cache_at(cache), on_problem)
        ready = ready.of(checked_classes(ready.dataset, 1, on_problem))
        trained = _trained(ready, chosen, seed)
        with replacing(path) as temporary:
            trained.save(temporary)
    size = f"{len(ready.dataset):,} images in {len(trained.classes)} {'labels' if trained.multi_label else 'classes'}"
    typer.echo(f"Wrote {out}: {chosen.name} on {network.title}, trained on {size}.")
    print_problems(ready.dataset.problems)
    options = spelled_out(
        seed=seed, backbone=backbone, framing=framing, on_problem=on_problem, weights=weights, device=device,
        root=root, bounding_box=bounding_box, cache=cache,
    )  # fmt: skip
    again = shlex.join(["crosspool", "evaluate", dataset, "--methods", chosen.name, *options])
    use = shlex.join(["crosspool", "classify", "IMAGE", "--model", out, *network_options(weights, device)])
    typer.echo(f"\nHow well this does on images that it has not seen:\n  {again}\nWhat it says of an image:\n  {use}")


def _trained(ready: "Prepared", method: "Method", seed: int) -> "TrainedClassifier":
    from crosspool.classifiers import train as train_on

    with images_progress() as bar, room_for_vectors(ready) as scratch:
        task = bar.add_task("Training", total=len(ready.dataset))
        return train_on(
            ready.dataset, ready.features, method,
            seed=seed, scratch=scratch, progress=lambda done: bar.update(task, completed=done),
        )  # fmt: skip
