"""`train`: a classifier for your own images, in one file."""

import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import images_progress
from crosspool.cli.labelled import LabelledOptions, WholeFraming, print_problems, resumable, room_for_vectors
from crosspool.cli.outputs import checked_output, replacing
from crosspool.errors import SettingError
from crosspool.evaluation.command import network_options
from crosspool.text import plural

if TYPE_CHECKING:
    from crosspool.classifiers import TrainedClassifier
    from crosspool.evaluation.preparation import Prepared
    from crosspool.methods import Method


def train_command(
    *,
    method: Annotated[str, typer.Option("--method", "-m", metavar="METHOD", help="One method, such as cl@448.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE.safetensors", help="Where to write the classifier.")],
    framing: WholeFraming = "squash",
    labelled: LabelledOptions,
) -> None:
    """Train a linear classifier on all labelled images, for crosspool classify.

    To measure how well it does on images that it has not seen, use crosspool evaluate.
    """
    from crosspool.backbones import architecture
    from crosspool.datasets import check_classes
    from crosspool.methods import MethodSpec

    if "," in method:
        raise SettingError(f"train takes one method, not {method}; crosspool evaluate compares several.")
    weights = [] if labelled.weights is None else [labelled.weights]
    path = checked_output(out, (".safetensors",), inputs=[os.path.expanduser(labelled.dataset), *weights])
    spec = MethodSpec.parse(method)
    spec.on(architecture(labelled.backbone), framing)  # raises for what is wrong, before anything is loaded
    opened = check_classes(labelled.open_dataset(), 1, labelled.on_problem)
    network = labelled.load_backbone()
    chosen = spec.on(network.architecture, framing)  # of as many classes as its weights have
    with resumable():
        ready = labelled.prepare(opened, network, chosen.sources)
        ready = ready.of(check_classes(ready.dataset, 1, labelled.on_problem))
        trained = _trained(ready, chosen, labelled.seed)
        with replacing(path) as temporary:
            trained.save(temporary)
    classes = f"{len(trained.classes)} {'labels' if trained.multi_label else 'classes'}"
    images = plural(len(ready.dataset), "image")
    typer.echo(f"Wrote {out}: {chosen.name} on {network.title}, trained on {images} in {classes}.")
    print_problems(ready.dataset.problems)
    options = labelled.spelled_out(framing, labelled.cache)
    evaluate = shlex.join(["crosspool", "evaluate", labelled.dataset, "--methods", chosen.name, *options])
    use = ["crosspool", "classify", "IMAGE", "--model", out, *network_options(labelled.weights, labelled.device)]
    typer.echo(f"\nHow well this does on images that it has not seen:\n  {evaluate}")
    typer.echo(f"What it says of an image:\n  {shlex.join(use)}")


def _trained(ready: "Prepared", method: "Method", seed: int) -> "TrainedClassifier":
    from crosspool.training import train_classifier

    with images_progress() as bar, room_for_vectors(ready) as scratch:
        task = bar.add_task("Training", total=len(ready.dataset))
        return train_classifier(
            ready.dataset, ready.features, method,
            seed=seed, scratch=scratch, progress=lambda done: bar.update(task, completed=done),
        )  # fmt: skip
