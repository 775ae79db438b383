"""`inspect`: what is in a data set, a file of weights or an image, and how it is read."""

import os
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from crosspool.cli.console import complain, print_json, print_results, print_wrapped
from crosspool.cli.labelled import LAYOUT_HELP
from crosspool.cli.options import Json, option
from crosspool.cli.progress import stages_progress
from crosspool.errors import SettingError

PATH_HELP = "A data set (a folder, a ZIP, or a name as for crosspool evaluate), a file of weights, or an image."
NETWORK_HELP = "The network that a file of weights is compared with."
UNUSABLE = 2  # the exit status


def inspect_command(
    path: Annotated[str, typer.Argument(metavar="PATH", help=PATH_HELP)],
    *,
    backbone: Annotated[
        str | None, option("NAME", NETWORK_HELP, "--backbone", "-b", default="the one that it fits")
    ] = None,
    layout: Annotated[Literal["auto", "classes", "parts"], typer.Option(help=LAYOUT_HELP)] = "auto",
    json: Json = False,
) -> None:
    """Say what is in a data set, a file of weights or an image, and how it is read: before anything is computed.

    Which of them it is, its content decides. Exits with status 2 if it cannot be used, with the reason.
    """
    from crosspool.inspection.contents import kind_of

    kind = kind_of(path)
    if backbone is not None and kind != "weights":
        raise SettingError(f"--backbone is for files of weights, and {path} is none; leave it out.")
    if layout != "auto" and kind != "dataset":
        raise SettingError(f"--layout is for data sets, and {path} is none; leave it out.")
    if kind == "dataset":
        _dataset(path, layout, json)
    elif kind == "weights":
        _weights(path, backbone, json)
    else:
        _image(path, json)


def _dataset(path: str, layout: Literal["auto", "classes", "parts"], json: bool) -> None:
    from crosspool.datasets import open_dataset
    from crosspool.inspection.dataset import inspect_dataset
    from crosspool.inspection.tables import class_section, dataset_json

    dataset = open_dataset(path, layout=layout)
    with stages_progress() as progress:
        report = inspect_dataset(dataset, lambda done, total: progress("Reading images", done, total))
    if json:
        print_json(dataset_json(report))
    else:
        print_results(
            [report.summary, *filter(None, [report.layout]), *report.facts_sentences],
            [class_section(report)], report.all_problems, None, [],
        )  # fmt: skip
    _exit_if_unusable(report.problem)


def _weights(path: str, backbone: str | None, json: bool) -> None:
    from crosspool.inspection.weights import inspect_weights

    with stages_progress() as progress:
        report = inspect_weights(
            os.path.expanduser(path), backbone, lambda done, total: progress("Trying networks", done, total)
        )
    if json:
        print_json({"kind": "weights", **asdict(report)})
    else:
        for sentence in report.sentences:
            print_wrapped(sentence)
    _exit_if_unusable(report.problem)


def _exit_if_unusable(problem: str) -> None:
    if problem:
        complain(problem)
        raise typer.Exit(UNUSABLE)


def _image(path: str, json: bool) -> None:
    from crosspool.images import file_bytes
    from crosspool.inspection.image import inspect_image
    from crosspool.inspection.tables import image_section

    report = inspect_image(file_bytes(os.path.expanduser(path), path), path)
    if json:
        print_json({"kind": "image", **asdict(report), "read_as": report.sentence})
        return
    print_results([report.sentence], [image_section(report)], [], None, [])
