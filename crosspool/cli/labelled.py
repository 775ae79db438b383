"""What the commands that learn from labelled pictures share: options, and a data set's features in order."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crosspool.cli.console import complain, images_progress, print_wrapped
from crosspool.cli.options import FramingChoice
from crosspool.errors import ImageError, SettingError

if TYPE_CHECKING:
    from crosspool.backbones import Backbone
    from crosspool.cache import ArrayCache
    from crosspool.crops import Source
    from crosspool.datasets import Dataset
    from crosspool.evaluation.preparation import Prepared

SHOWN_PROBLEMS = 10

ProblemChoice = Literal["stop", "skip"]

DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="A folder (or ZIP) with a folder of images for each class, a known data set's folder, "
        "fieldguide[:IMAGES[:SEED]] (generated, IMAGES of each class), or torchvision:NAME.",
    ),
]
WholeFraming = Annotated[
    FramingChoice,
    typer.Option(help="squash: the whole picture, nothing of the object is cut off; crop: the centre of it."),
]
OnProblem = Annotated[
    ProblemChoice,
    typer.Option(
        help="Images that cannot be read and classes with too few images: name them and go on without, or stop."
    ),
]
Cache = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER", help="Where what the network yields is kept.", show_default="$CROSSPOOL_CACHE, or the user's"
    ),
]
TrainSize = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="How many different images to train on, or a share such as 0.5.",
        show_default="three quarters",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, metavar="S", help="Decides everything that is drawn at random.")
]
Root = Annotated[str, typer.Option(metavar="FOLDER", help="Where torchvision's data sets are, or will be.")]
Download = Annotated[
    bool, typer.Option("--download", help="Download torchvision:NAME if it is missing; nothing else ever is.")
]
BoundingBox = Annotated[
    bool, typer.Option("--bounding-box", help="Take the birds of CUB-200-2011 by their bounding boxes.")
]


def cache_at(folder: str | None) -> "ArrayCache":
    from crosspool.cache import ArrayCache, default_cache

    return ArrayCache(default_cache() if folder is None else Path(folder).expanduser())


def prepared(
    dataset: "Dataset",
    backbone: "Backbone",
    sources: "Sequence[Source]",
    cache: "ArrayCache",
    on_problem: ProblemChoice,
) -> "Prepared":
    """Compute what the cache lacks. Pictures that cannot be read are left out with a problem each, or stop it all.

    Raises ImageError for the first of them with "stop", and DatasetError where none can be read or there are too many.
    """
    from crosspool.evaluation.preparation import Prepared, check_number, prepare
    from crosspool.features import Features

    check_number(dataset)
    features = Features(dataset, backbone, sources, cache)
    with images_progress() as bar:
        task = bar.add_task("Computing features", total=len(dataset))
        if on_problem == "skip":
            return prepare(features, lambda done: bar.update(task, completed=done))
        for index in range(len(dataset)):
            try:
                features.ensure(index)
            except ImageError as error:
                raise ImageError(f"{str(error).rstrip('.')}; or leave it out with --on-problem skip.") from error
            bar.update(task, completed=index + 1)
    return Prepared(dataset, features)


def checked_classes(
    dataset: "Dataset", at_least: int, on_problem: ProblemChoice, pictures: Sequence[str] | None = None
) -> "Dataset":
    """The data set without classes of fewer images (of different ones, by their keys `pictures`); or an error."""
    from crosspool.datasets import check_classes

    return check_classes(dataset, at_least, "drop" if on_problem == "skip" else "stop", pictures)


def print_problems(problems: Sequence[str]) -> None:
    """What is missing or was left out, if anything, the first few of it."""
    if not problems:
        return
    typer.echo("\nLeft out or amiss:")
    for problem in problems[:SHOWN_PROBLEMS]:
        print_wrapped(f"- {problem}", indent=2)
    if len(problems) > SHOWN_PROBLEMS:
        print_wrapped(f"... and {len(problems) - SHOWN_PROBLEMS} more", indent=2)


@contextmanager
def goes_on_next_time() -> Iterator[None]:
    """Say on Ctrl-C what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        complain("Stopped. The features computed so far are kept, and the same command goes on from there.")
        raise typer.Abort from None


@contextmanager
def room_for_vectors(ready: "Prepared") -> Iterator[Path]:
    """The cache folder, for vectors too. Raises SettingError where they cannot be kept there."""
    folder = ready.features.cache.folder
    try:
        yield folder
    except OSError as error:
        raise SettingError(
            f"Vectors cannot be kept in the cache folder {folder} ({error.strerror or error}); make room, or choose "
            "another one with --cache."
        ) from error
