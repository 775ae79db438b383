"""`predict` and `classify`: name images, with the network's own classes or those of a trained classifier."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli import options
from crosspool.cli.console import print_json, print_labels, print_wrapped
from crosspool.cli.inputs import none_read, of_images, usable
from crosspool.cli.options import option
from crosspool.text import printable

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from crosspool.classifiers import TrainedClassifier

ONE_OUTPUT = (
    "The network has a single output: the number is its sigmoid, the probability of yes if the network was trained to "
    "answer yes or no."
)
SOME_SKIPPED = 1  # the exit status where some of the images could not be read


def predict_command(
    images: options.Images,
    backbone: options.BackboneName = options.DEFAULT_BACKBONE,
    weights: options.Weights = None,
    classes: options.Classes = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    top: Annotated[int, option("N", "How many classes to show for each image.", min=1)] = 5,
    size: options.Size = None,
    framing: options.Framing = "crop",
    json: options.Json = False,
) -> None:
    """Name what is in the images, with the network's own classes.

    Of several images, those that cannot be read are named and left out; the exit status is then 1.
    """
    skipped: list[str] = []
    several = len(images) > 1
    named = usable(images, skipped, skip_errors=several)
    if not named:
        raise none_read(images, "name")
    from crosspool.backbones import architecture, load_backbone

    structure = architecture(backbone)
    pixels = size or structure.spec.preprocessing.size
    structure.layout(pixels)
    network = load_backbone(backbone, weights, device, classes, engine)
    settings = {"backbone": backbone, "weights": Path(network.weights).name, "size": pixels}
    records = []

    def predicted(image: "Image") -> list[tuple[str, float]]:
        network.settle((structure.layout(pixels).output,), pixels, passes=len(named))
        (best,) = network.predict(image, top, size=pixels, framing=framing)
        return best

    for each in of_images(predicted, named, skipped, network.device, skip_errors=several):
        path, best = each.path, each.result
        predictions = [{"label": label, "probability": probability} for label, probability in best]
        records.append({"image": path, **settings, "predictions": predictions})
        if not json:
            print_labels(path, [(f"{100 * probability:7.1f} %", label) for label, probability in best])
    if not records:
        raise none_read(images, "name")
    if json:
        print_json(records)
    else:
        meaning = "; these labels mean nothing" if network.weights == "untrained" else ""
        typer.echo(f"\n{network.title}, input {pixels}×{pixels}{meaning}")
        if len(network.classes) == 1:
            print_wrapped(ONE_OUTPUT)
    if skipped:
        raise typer.Exit(SOME_SKIPPED)


SKIP_HELP = "End with status 0 although images cannot be read."
WEIGHTS_HELP = "The network's weights, if the classifier was trained on your own."


def classify_command(
    images: options.Images,
    model: Annotated[str, options.model_option()],
    top: Annotated[int, option("N", "How many classes to show, if an image has one class only.", min=1)] = 5,
    weights: Annotated[str | None, options.weights_option(WEIGHTS_HELP, "those that it was trained on")] = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    skip_errors: Annotated[bool, typer.Option("--skip-errors", help=SKIP_HELP)] = False,
    json: options.Json = False,
) -> None:
    """Name what is in the images, with the classes that a classifier was trained on.

    Scores are those of a linear support vector machine. They are not probabilities, and cannot be compared between
    classifiers; a score above zero speaks for the class. Of several images, those that cannot be read are named and
    left out; the exit status is then 1.
    """
    skipped: list[str] = []
    skip = skip_errors or len(images) > 1
    named = usable(images, skipped, skip_errors=skip)
    if not named:
        raise none_read(images, "classify")
    from crosspool.classifiers import TRAINED_ON, load_classifier

    classifier = load_classifier(Path(model))
    network = classifier.load_backbone(weights, device, engine)
    classifier.check_backbone(network)
    records = []

    def scored(image: "Image") -> "list[tuple[str, float]]":
        return _best(classifier, classifier.scores([image], network, len(named))[0], top)

    for each in of_images(scored, named, skipped, network.device, skip_errors=skip):
        path, best = each.path, each.result
        scores = [{"label": label, "score": score} for label, score in best]
        trained_on = classifier.was_trained_on(each.sha256)
        records.append({"image": path, "model": model, "trained_on": trained_on, "scores": scores})
        if not json:
            labels = [(f"{score:+9.3f}", label) for label, score in best]
            print_labels(path, labels or [("", "none of its labels")])
            if trained_on:
                print_wrapped(TRAINED_ON)
    if not records:
        raise none_read(images, "classify")
    if json:
        print_json(records)
    else:
        kind = "labels with a positive score" if classifier.multi_label else "classes with the highest scores"
        typer.echo(f"\n{classifier.method.name} trained on {printable(str(classifier.settings.dataset))}: {kind}")
    if skipped and not skip_errors:
        raise typer.Exit(SOME_SKIPPED)


def _best(classifier: "TrainedClassifier", scores: "np.ndarray", top: int) -> list[tuple[str, float]]:
    """The `top` classes with their scores; of a classifier of several labels, all those with a positive score."""
    order = (-scores).argsort(kind="stable")
    chosen = order[scores[order] > 0] if classifier.multi_label else order[:top]
    return [(classifier.classes[index], float(scores[index])) for index in chosen]
