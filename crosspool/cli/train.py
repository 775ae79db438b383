"""`train`: a classifier for your own images, in one file."""

import os
import shlex
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli import labelled as shared
from crosspool.cli.console import print_problems, print_wrapped
from crosspool.cli.options import option
from crosspool.cli.outputs import checked_output, replacing
from crosspool.cli.progress import stages_progress
from crosspool.errors import SettingError
from crosspool.text import plural

if TYPE_CHECKING:
    from crosspool.classifiers import TrainedClassifier
    from crosspool.features import Features
    from crosspool.methods import Method


def train_command(
    *,
    method: Annotated[str, option("METHOD", "One method, such as cl@448.", "--method", "-m")],
    out: Annotated[str, option("FILE.safetensors", "Where to write the classifier.", "--out", "-o")],
    framing: shared.WholeFraming = "squash",
    labelled: shared.LabelledOptions,
) -> None:
    """Train a linear classifier on labelled images, for crosspool classify.

    It is trained on all of them; where the data set has an official split, on its training part alone. To measure how
    well it does on images that it has not seen, use crosspool evaluate.
    """
    if "," in method:
        raise SettingError(f"train takes one method, not {method}; crosspool evaluate compares several.")
    weights = [] if labelled.weights is None else [labelled.weights]
    path = checked_output(out, (".safetensors",), inputs=[os.path.expanduser(labelled.dataset), *weights])
    from crosspool.backbones import architecture
    from crosspool.datasets import check_classes
    from crosspool.datasets.dataset import check_taught, training_part
    from crosspool.methods import parse_method

    named = parse_method(method, architecture(labelled.backbone), framing)  # raises before anything is loaded
    named.expect_new_images()
    whole = check_taught(labelled.open_dataset(), labelled.on_problem, may_be_random=False)
    dataset = check_classes(training_part(whole), 1, labelled.on_problem)
    named.with_parts(dataset.annotated)  # raises before the network is loaded
    network = labelled.load_backbone([named])
    parsed = parse_method(method, network.architecture, framing)  # with as many classes as its weights have
    chosen = parsed.with_parts(dataset.annotated)
    with shared.resumable():
        features = labelled.compute_features(dataset, network, [chosen])
        features = features.restricted_to(check_classes(features.dataset, 1, labelled.on_problem))
        classifier = _train(features, chosen, labelled.seed)
        with replacing(path) as temporary:
            classifier.save(temporary)
    classes = f"{len(classifier.classes)} {'labels' if classifier.multi_label else 'classes'}"
    images = plural(len(features.dataset), "image")
    typer.echo(f"Wrote {out}: {chosen.name} on {network.title}, trained on {images} in {classes}.")
    if features.dataset.layout:
        print_wrapped(features.dataset.layout)
    if whole.official is not None:
        tested = plural(len(whole.official.test), "test image is", "test images are")
        print_wrapped(f"Only the training part was trained on; the {tested} left for evaluation.")
    print_problems(features.dataset.problems)
    options = labelled.spelled_out(framing, labelled.cache)
    evaluate = shlex.join(["crosspool", "evaluate", labelled.dataset, "--methods", chosen.name, *options])
    use = ["crosspool", "classify", "IMAGE", "--model", out, *labelled.network_words()]
    typer.echo(f"\nHow well this does on images that it has not seen:\n  {evaluate}")
    typer.echo(f"What it says about an image:\n  {shlex.join(use)}")


def _train(features: "Features", method: "Method", seed: int) -> "TrainedClassifier":
    from crosspool.training import train_classifier

    dataset = features.dataset
    with stages_progress() as show, shared.room_for_vectors(features) as scratch:
        learning = partial(show, "Learning")
        return train_classifier(
            dataset, features, method, seed=seed, scratch=scratch, learning=learning,
            progress=lambda done: show("Training", done, len(dataset)),
        )  # fmt: skip
