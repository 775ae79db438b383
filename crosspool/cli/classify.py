"""`classify`: what a classifier of `train`'s says of images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import print_json, print_labels, print_wrapped
from crosspool.cli.named_images import SkipErrors, none_read, read_images
from crosspool.cli.options import Device, Images, Json
from crosspool.cli.records import file_checksum
from crosspool.text import printable

if TYPE_CHECKING:
    import numpy as np

    from crosspool.classifiers import TrainedClassifier


def classify_command(
    images: Images,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="FILE.safetensors", help="A classifier that crosspool train wrote.")
    ],
    top: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many classes to show, if an image has one class only.")
    ] = 5,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The network's weights, if the classifier was trained on your own.",
            show_default="those that it was trained on",
        ),
    ] = None,
    device: Device = "auto",
    skip_errors: SkipErrors = False,
    json: Json = False,
) -> None:
    """Name what is in the images, with the classes that a classifier was trained on.

    Scores are those of a linear support vector machine. They are not probabilities, and cannot be compared between
    classifiers; a score above zero speaks for the class.
    """
    from crosspool.classifiers import TRAINED_ON, load_classifier

    classifier = load_classifier(Path(model))
    network = classifier.load_backbone(weights, device)
    classifier.check_backbone(network)
    records = []
    skipped: list[str] = []
    for named in read_images(images, skipped, skip_errors=skip_errors):  # one at a time, as `predict` does
        best = _best(classifier, classifier.scores([named.image], network)[0], top)
        scores = [{"label": label, "score": score} for label, score in best]
        trained_on = classifier.was_trained_on(file_checksum(named.name))
        records.append({"image": named.name, "model": model, "trained_on": trained_on, "scores": scores})
        if not json:
            print_labels(
                named.name, [(f"{score:+9.3f}", label) for label, score in best] or [("", "none of its labels")]
            )
            if trained_on:
                print_wrapped(TRAINED_ON)
    if not records:
        raise none_read(images, "classify")
    if json:
        print_json(records)
        return
    kind = "labels with a positive score" if classifier.multi_label else "classes with the highest scores"
    typer.echo(f"\n{classifier.method.name} trained on {printable(str(classifier.settings.dataset))}: {kind}")


def _best(classifier: "TrainedClassifier", scores: "np.ndarray", top: int) -> list[tuple[str, float]]:
    """The `top` classes; of several labels at once those with a positive score, however many."""
    order = (-scores).argsort(kind="stable")
    chosen = order[scores[order] > 0] if classifier.multi_label else order[:top]
    return [(classifier.classes[index], float(scores[index])) for index in chosen]
