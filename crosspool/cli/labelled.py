"""What the commands that learn from labelled images share: options, and the features of a data set."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crosspool.cli.console import complain, images_progress, print_wrapped
from crosspool.cli.options import DEFAULT_BACKBONE, BackboneName, Device, FramingChoice, Weights
from crosspool.errors import ImageError, SettingError
from crosspool.evaluation.command import DATA_ROOT, spelled_out

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from crosspool.backbones import Backbone
    from crosspool.crops import Source
    from crosspool.datasets import Dataset
    from crosspool.evaluation.preparation import Prepared

SHOWN_PROBLEMS = 10

Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="S", help="The seed of everything random.")]
WholeFraming = Annotated[
    FramingChoice,
    typer.Option(help="squash: the whole image, so that nothing of the object is cut off; crop: the centre."),
]
TrainSize = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="How many different images to train on, or a share such as 0.5.",
        show_default="three quarters",
    ),
]
ResultFolder = Annotated[
    str | None,
    typer.Option("--out", "-o", metavar="DIR", help="A folder for tables (CSV, JSON, Markdown) and figures."),
]


@dataclass(frozen=True)
class LabelledOptions:
    """The labelled images, the network that looks at them, and where everything is kept."""

    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="A folder (or ZIP) with a folder of images for each class, a known data set's folder, "
            "fieldguide[:IMAGES[:SEED]] (generated, IMAGES of each class), or torchvision:NAME.",
        ),
    ]
    seed: Seed = 0
    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    device: Device = "auto"
    on_problem: Annotated[
        Literal["stop", "skip"],
        typer.Option(help="Images that cannot be read, classes with too few images: name them and skip them, or stop."),
    ] = "skip"
    download: Annotated[
        bool, typer.Option("--download", help="Download torchvision:NAME if it is missing; nothing else ever is.")
    ] = False
    root: Annotated[str, typer.Option(metavar="FOLDER", help="Where torchvision's data sets are, or will be.")] = (
        DATA_ROOT
    )
    bounding_box: Annotated[
        bool, typer.Option("--bounding-box", help="Crop the birds of CUB-200-2011 to their bounding boxes.")
    ] = False
    cache: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the network's features are kept.",
            show_default="$CROSSPOOL_CACHE, or the user's",
        ),
    ] = None

    def open_dataset(self) -> "Dataset":
        from crosspool.datasets import open_dataset

        return open_dataset(self.dataset, root=self.root, download=self.download, bounding_box=self.bounding_box)

    def load_backbone(self) -> "Backbone":
        from crosspool.backbones import load_backbone

        return load_backbone(self.backbone, self.weights, self.device)

    def prepare(self, dataset: "Dataset", backbone: "Backbone", sources: "Sequence[Source]") -> "Prepared":
        """Compute what the cache lacks. Images that cannot be read are left out with a problem each, or stop it all.

        Raises ImageError for the first of them with "stop", and DatasetError if none can be read or there are too many.
        """
        from crosspool.cache import ArrayCache, default_cache
        from crosspool.evaluation.preparation import Prepared, check_number, prepare
        from crosspool.features import Features

        check_number(dataset)
        cache = ArrayCache(default_cache() if self.cache is None else Path(self.cache).expanduser())
        features = Features(dataset, backbone, sources, cache)
        with images_progress() as bar:
            task = bar.add_task("Computing features", total=len(dataset))
            if self.on_problem == "skip":
                return prepare(features, lambda done: bar.update(task, completed=done))
            for index in range(len(dataset)):
                try:
                    features.ensure(index)
                except ImageError as error:
                    raise ImageError(f"{str(error).rstrip('.')}; or leave it out with --on-problem skip.") from error
                bar.update(task, completed=index + 1)
        return Prepared(dataset, features)

    def spelled_out(self, framing: str | None, cache: str | None = None) -> list[str]:
        """The same options on a command line."""
        return spelled_out(
            seed=self.seed, backbone=self.backbone, framing=framing, on_problem=self.on_problem, weights=self.weights,
            device=self.device, root=self.root, bounding_box=self.bounding_box, cache=cache,
        )  # fmt: skip


def splits_option(at_least: int, default: str | None = None) -> Any:
    """The option for the number of random splits; `default` says in words what it is when nothing is given."""
    return typer.Option(
        min=at_least, metavar="N", help="How many random splits to repeat.", show_default=default or True
    )


def parsed_train_size(text: str | None) -> int | float | None:
    """A number of images, or a share of them."""
    if text is None:
        return None
    try:
        return int(text) if text.strip().isdigit() else float(text)
    except ValueError as error:
        raise SettingError(f"--train-size is a number of images or a share such as 0.5, not {text!r}.") from error


class StageBars:
    """A progress bar for each stage, added when the work comes to it."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage.replace("[", "\\["), total=total)
        self._bars.update(self._tasks[stage], completed=done)


def print_problems(problems: Sequence[str]) -> None:
    """The first few sentences on what is missing or was left out, if anything was."""
    if not problems:
        return
    typer.echo("\nLeft out or amiss:")
    for problem in problems[:SHOWN_PROBLEMS]:
        print_wrapped(f"- {problem}", indent=2)
    if len(problems) > SHOWN_PROBLEMS:
        print_wrapped(f"... and {len(problems) - SHOWN_PROBLEMS} more", indent=2)


@contextmanager
def resumable() -> Iterator[None]:
    """Say on Ctrl-C what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        complain("Stopped. The features computed so far are kept; the same command continues from there.")
        raise typer.Abort from None


@contextmanager
def room_for_vectors(ready: "Prepared") -> Iterator[Path]:
    """The cache folder, for vectors too. Raises SettingError where they cannot be kept there."""
    folder = ready.features.cache.folder
    try:
        yield folder
    except OSError as error:
        raise SettingError(
            f"Vectors cannot be kept in the cache folder {folder} ({error.strerror or error}); free some space, "
            "or choose another one with --cache."
        ) from error
