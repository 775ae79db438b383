"""What the commands that learn from labelled pictures share: options, and a data set's features in order."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crosspool.cli.console import complain, images_progress, print_wrapped
from crosspool.cli.options import FramingChoice
from crosspool.errors import DatasetError, ImageError, SettingError
from crosspool.evaluation.units import human_bytes

if TYPE_CHECKING:
    import numpy as np

    from crosspool.backbones import Backbone
    from crosspool.datasets import Dataset
    from crosspool.features import ArrayCache, Features
    from crosspool.views import Source

DATA_ROOT = "data"
SHOWN_PROBLEMS = 10
MAX_IMAGES = 30_000  # every image is compared with every other, in memory

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


@dataclass(frozen=True)
class Prepared:
    """Samples that can be read, with all their features in the cache."""

    dataset: "Dataset"
    features: "Features"

    def without(self, drop: "Sequence[int] | np.ndarray", problems: tuple[str, ...]) -> "Prepared":
        """All samples but those."""
        import numpy as np

        return self.of(self.dataset.subset(np.setdiff1d(np.arange(len(self.dataset)), drop), problems=problems))

    def of(self, dataset: "Dataset") -> "Prepared":
        """The same for a data set whose samples are among these."""
        return Prepared(dataset, self.features.restricted_to(dataset))

    def photographs(self) -> list[str]:
        """The key of each sample's image file, without its box."""
        return [self.features.photograph(index) for index in range(len(self.dataset))]

    def equal_pictures(self) -> list[list[int]]:
        """The samples that show the same, box included, where there are several: groups of indices."""
        groups: dict[str, list[int]] = {}
        for index in range(len(self.dataset)):
            groups.setdefault(self.features.picture(index), []).append(index)
        return [group for group in groups.values() if len(group) > 1]

    def with_problems(self, *problems: str) -> "Prepared":
        return self.of(replace(self.dataset, problems=(*self.dataset.problems, *problems))) if problems else self


def cache_at(folder: str | None) -> "ArrayCache":
    from crosspool.features import ArrayCache, default_cache

    return ArrayCache(default_cache() if folder is None else Path(folder).expanduser())


def prepared(
    dataset: "Dataset",
    backbone: "Backbone",
    sources: "Sequence[Source]",
    cache: "ArrayCache",
    on_problem: ProblemChoice,
) -> Prepared:
    """Compute what the cache lacks. Pictures that cannot be read are left out with a problem each, or stop it all.

    Raises ImageError for the first of them with "stop", and DatasetError where none can be read or there are too many.
    """
    from crosspool.features import Features

    if len(dataset) > MAX_IMAGES:
        raise DatasetError(
            f"{dataset.name} has {len(dataset):,} images, and comparing each with each takes "
            f"{human_bytes(8 * len(dataset) ** 2)} of memory; take at most {MAX_IMAGES:,} of them."
        )
    features = Features(dataset, backbone, sources, cache)
    with images_progress() as bar:
        task = bar.add_task("Computing features", total=len(dataset))
        if on_problem == "stop":
            for index in range(len(dataset)):
                try:
                    features.ensure(index)
                except ImageError as error:
                    raise ImageError(f"{str(error).rstrip('.')}; or leave it out with --on-problem skip.") from error
                bar.update(task, completed=index + 1)
            return Prepared(dataset, features)
        failed = features.compute(lambda done: bar.update(task, completed=done))
    if len(failed) == len(dataset):
        raise DatasetError(f"None of the {len(failed)} images of {dataset.name} can be used: {failed[0]}")
    everything = Prepared(dataset, features)
    return everything.without(list(failed), tuple(failed.values())) if failed else everything


def checked_classes(
    dataset: "Dataset", at_least: int, on_problem: ProblemChoice, pictures: Sequence[str] | None = None
) -> "Dataset":
    """The data set without classes of fewer images (of different ones, by their keys `pictures`); or an error."""
    from crosspool.datasets import check_classes

    return check_classes(dataset, at_least, "drop" if on_problem == "skip" else "stop", pictures)


def spelled_out(
    *,
    seed: int,
    backbone: str,
    framing: str,
    on_problem: str,
    weights: str | None,
    device: str,
    root: str,
    bounding_box: bool,
    cache: str | None = None,
) -> list[str]:
    """The options of a command that does the same again, with everything said that has a default of its own."""
    options = ["--seed", str(seed), "--backbone", backbone, "--framing", framing, "--on-problem", on_problem]
    options += network_options(weights, device)
    options += [] if root == DATA_ROOT else ["--root", root]
    options += ["--bounding-box"] if bounding_box else []
    return options if cache is None else [*options, "--cache", cache]


def network_options(weights: str | None, device: str) -> list[str]:
    """The options for one's own weights and device, where they were given."""
    options = [] if weights is None else ["--weights", weights]
    return options if device == "auto" else [*options, "--device", device]


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
def room_for_vectors(ready: Prepared) -> Iterator[Path]:
    """The cache folder, for vectors too. Raises SettingError where they cannot be kept there."""
    folder = ready.features.cache.folder
    try:
        yield folder
    except OSError as error:
        raise SettingError(
            f"Vectors cannot be kept in the cache folder {folder} ({error.strerror or error}); make room, or choose "
            "another one with --cache."
        ) from error
