"""`train`: a classifier for your own images, in one file."""

import os
import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli import labelled as shared
from crosspool.cli import stored
from crosspool.cli.console import print_problems, print_wrapped
from crosspool.cli.options import methods_option, option
from crosspool.cli.outputs import checked_output, replacing
from crosspool.cli.progress import stages_progress
from crosspool.errors import SettingError
from crosspool.evaluation.command import option_words
from crosspool.text import plural

if TYPE_CHECKING:
    from crosspool.classifiers import TrainedClassifier
    from crosspool.datasets import Dataset
    from crosspool.framing import Framing

FEATURES_HELP = "Train on the vectors of a store that crosspool extract made, instead of on images."
METHOD_HELP = "One of the methods of crosspool evaluate, such as cl@448; needed without --features."
METHOD = methods_option("METHOD", METHOD_HELP, "--method", "-m")


def train_command(
    context: typer.Context,
    *,
    method: Annotated[str | None, METHOD] = None,
    out: Annotated[str, option("FILE.safetensors", "Where to write the classifier.", "--out", "-o")],
    features: Annotated[str | None, option("STORE", FEATURES_HELP)] = None,
    solver: stored.Solver = "auto",
    framing: shared.WholeFraming = "squash",
    labelled: shared.OptionalLabelledOptions,
) -> None:
    """Train a linear classifier on labelled images, for crosspool classify.

    It is trained on all of them; where the data set has an official split, on its training part alone. To measure how
    well it does on images that it has not seen, use crosspool evaluate.
    """
    if features is not None:
        stored.expect_no_others(context, {*stored.COMMON, "features"}, features)
        _train_from_store(features, out, solver, labelled)
    elif not labelled.dataset:
        raise SettingError("Name the labelled images, or with --features a store that crosspool extract made.")
    elif method is None:
        raise SettingError("Choose a method for the images with --method, such as cl@448.")
    elif solver != "auto":
        raise SettingError("--solver is for a store, named with --features; images are always learned from exactly.")
    else:
        _train_on_images(method, out, framing, labelled)


def _train_on_images(method: str, out: str, framing: "Framing", labelled: shared.LabelledOptions) -> None:
    if "," in method:
        raise SettingError(f"train takes one method, not {method}; crosspool evaluate compares several.")
    weights = [] if labelled.weights is None else [labelled.weights]
    path = checked_output(out, (".safetensors",), inputs=[os.path.expanduser(labelled.dataset), *weights])
    from crosspool.backbones import architecture

    structure = architecture(labelled.backbone)  # before what takes seconds to import
    from crosspool.datasets import check_classes
    from crosspool.datasets.dataset import check_taught, training_part
    from crosspool.fine_tuning import leaves_network
    from crosspool.methods import parse_method
    from crosspool.training import train_classifier

    named = parse_method(method, structure, framing)  # raises before anything is loaded
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
        count = len(features.dataset)
        with stages_progress() as show, shared.room_for_vectors(labelled.cache_folder) as scratch:

            def encoded(done: int) -> None:
                show("Encoding", done, count)
                if done == count:
                    show("Training support vector machines", 0, None)

            if chosen.learns:
                show("Learning", 0, None)
            classifier = train_classifier(
                features.dataset, features, chosen, seed=labelled.seed, scratch=scratch,
                learning=partial(show, "Learning"), progress=encoded,
            )  # fmt: skip
        with replacing(path) as temporary:
            classifier.save(temporary)
    untuned = "No tuning of the network helped on held-out images, so it is as it was."
    remarks = [untuned] if leaves_network(classifier.encoder) else []
    _report(out, classifier, network.title, features.dataset, whole, remarks)
    options = labelled.spelled_out(framing, labelled.cache)
    evaluate = shlex.join(["crosspool", "evaluate", labelled.dataset, "--methods", chosen.name, *options])
    use = ["crosspool", "classify", "IMAGE", "--model", out, *labelled.network_words()]
    _advise(evaluate, use)


def _train_from_store(address: str, out: str, solver: stored.SolverChoice, labelled: shared.LabelledOptions) -> None:
    path = checked_output(out, (".safetensors",), inputs=[])
    from crosspool.datasets import check_classes
    from crosspool.datasets.dataset import check_taught, training_part
    from crosspool.shards.learning import chosen_solver, trained

    every = stored.open_stored(address)
    whole = check_taught(every.dataset, labelled.on_problem, may_be_random=False)
    images = every.restricted_to(check_classes(training_part(whole), 1, labelled.on_problem))
    images = images.without_unread(labelled.on_problem)
    images = images.restricted_to(check_classes(images.dataset, 1, labelled.on_problem))
    chosen = chosen_solver(solver, len(images.dataset))
    with stages_progress() as show, stored.scratch_folder(labelled) as scratch:
        classifier = trained(images, chosen, scratch=scratch, progress=show)
    with replacing(path) as temporary:
        classifier.save(temporary)
    remarks = (chosen.reason, *(() if whole.official is None else images.remarks))
    _report(out, classifier, images.network.spec.title, images.dataset, whole, remarks)
    named = {"pretrained", "untrained"}
    weights = option_words(weights=None if images.store.plan.weights in named else images.store.plan.weights)
    use = ["crosspool", "classify", "IMAGE", "--model", out, *weights]
    _advise(shlex.join(["crosspool", "evaluate", address]), use)


def _report(
    out: str, classifier: "TrainedClassifier", network: str, dataset: "Dataset", whole: "Dataset",
    remarks: Sequence[str] = (),
) -> None:  # fmt: skip
    """Say what was trained on what; `whole` is the data set with the images to test on."""
    classes = f"{len(classifier.classes)} {'labels' if classifier.multi_label else 'classes'}"
    images = plural(len(dataset), "image")
    typer.echo(f"Wrote {out}: {classifier.method.name} on {network}, trained on {images} in {classes}.")
    if dataset.layout:
        print_wrapped(dataset.layout)
    if whole.official is not None:
        tested = plural(len(whole.official.test), "test image is", "test images are")
        print_wrapped(f"Only the training part was trained on; the {tested} left for evaluation.")
    for remark in remarks:
        print_wrapped(remark)
    if not classifier.settings.photographs:
        print_wrapped("The file does not list so many images, and cannot tell whether it was trained on one.")
    print_problems(dataset.problems)


def _advise(evaluate: str, use: Sequence[str]) -> None:
    typer.echo(f"\nHow well this does on images that it has not seen:\n  {evaluate}")
    typer.echo(f"What it says about an image:\n  {shlex.join(use)}")
