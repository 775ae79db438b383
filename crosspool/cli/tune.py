"""`tune`: the weights of a network that is fine-tuned on your own images, in one file."""

import os
import shlex
from functools import partial
from typing import Annotated

import typer

from crosspool.cli import labelled as shared
from crosspool.cli import options
from crosspool.cli.console import print_problems, print_wrapped
from crosspool.cli.options import option
from crosspool.cli.outputs import checked_output, replacing
from crosspool.cli.progress import stages_progress
from crosspool.errors import SettingError
from crosspool.evaluation.command import option_words
from crosspool.text import plural

METHOD = "ft+global"


def tune_command(
    *,
    out: Annotated[str, option("FILE.safetensors", "Where to write the weights.", "--out", "-o")],
    size: options.Size = None,
    framing: shared.WholeFraming = "squash",
    labelled: shared.LabelledOptions,
) -> None:
    """Fine-tune a network on labelled images, and write its weights, for --weights.

    Its last layers are trained further, with a new last layer that names the classes, as by the method ft. All images
    are used; where the data set has an official split, its training part alone. To measure how well a method does on
    the tuned network, use crosspool evaluate with ft+METHOD, which tunes it on each split's training images.
    """
    weights = [] if labelled.weights is None else [labelled.weights]
    path = checked_output(out, (".safetensors",), inputs=[os.path.expanduser(labelled.dataset), *weights])
    import numpy as np

    from crosspool.backbones import architecture

    structure = architecture(labelled.backbone)  # before what takes seconds to import
    from crosspool.datasets import check_classes
    from crosspool.datasets.dataset import check_taught, training_part
    from crosspool.methods import parse_method
    from crosspool.tuned_networks import fitted_tuning, tuned_state, write_weights

    own = structure.spec.preprocessing.size
    name = f"{METHOD}@{size or own}"
    named = parse_method(name, structure, framing)  # raises before anything is loaded
    whole = check_taught(labelled.open_dataset(), labelled.on_problem, may_be_random=False)
    dataset = check_classes(training_part(whole), 1, labelled.on_problem)
    if dataset.multi_label:
        problem = f"{dataset.name} has several labels per image, and a network's own classes exclude each other"
        raise SettingError(f"{problem}; take one class per image, or crosspool evaluate with ft+METHOD.")
    network = labelled.load_backbone([named])
    method = parse_method(name, network.architecture, framing)
    with shared.resumable():
        features = labelled.compute_features(dataset, network, [method])
        features = features.restricted_to(check_classes(features.dataset, 1, labelled.on_problem))
        shared.foresee_tuning(features, method, np.arange(len(features.dataset)), labelled.seed)
        with stages_progress() as show:
            step = fitted_tuning(features, method, labelled.seed, partial(show, "Tuning"))
        state = tuned_state(features, step)
        with replacing(path) as temporary:
            write_weights(temporary, state, features.dataset.classes)
    images, classes = plural(len(features.dataset), "image"), plural(len(features.dataset.classes), "class", "classes")
    if not step.epochs_:
        typer.echo(f"Wrote {out}: {network.title}, with a new last layer for {images} in {classes}.")
        print_wrapped("No tuning of the other layers helped on held-out images, so they are as they were.")
    else:
        typer.echo(f"Wrote {out}: {network.title}, tuned on {images} in {classes}.")
    print_problems(features.dataset.problems)
    other = None if size == own else size
    words = option_words(backbone=labelled.backbone, weights=out, size=other, framing=framing)
    print_wrapped("Keep BatchNorm frozen if you train it further: the file holds what it adds, and no statistics.")
    typer.echo(f"\nWhat it says about an image:\n  {shlex.join(['crosspool', 'predict', 'IMAGE', *words])}")
