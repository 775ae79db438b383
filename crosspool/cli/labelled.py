"""What the commands that learn from labelled images share: options, and the features of a data set."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crosspool.cli import options
from crosspool.cli.console import complain
from crosspool.cli.options import option
from crosspool.cli.progress import images_progress
from crosspool.errors import ImageError, SettingError
from crosspool.evaluation.command import DATA_ROOT, option_words
from crosspool.text import duration_text, plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crosspool.backbones import Backbone
    from crosspool.datasets import Dataset
    from crosspool.features import Features
    from crosspool.framing import Source
    from crosspool.methods import Method


def parsed_train_size(text: str | None) -> int | float | None:
    """A number of images, or a share of them."""
    if text is None:
        return None
    try:
        return int(text) if text.strip().isdigit() else float(text)
    except ValueError as error:
        raise SettingError(f"--train-size is a number of images or a share such as 0.5, not {text!r}.") from error


def _checked_train_size(text: str | None) -> str | None:
    parsed_train_size(text)
    return text


def _checked_dataset(spec: str) -> str:
    from crosspool.datasets.catalogue import expect_dataset

    expect_dataset(spec)
    return spec


def _checked_if_given(spec: str) -> str:
    return _checked_dataset(spec) if spec else spec


def _checked_or_stored(spec: str) -> str:
    return spec if "://" in spec else _checked_dataset(spec)


Seed = Annotated[int, option("S", "The seed of everything random.", min=0, max=2**32 - 1)]
FRAMING_HELP = "squash: the whole image, so that nothing of the object is cut off; crop: the centre."
WholeFraming = Annotated[options.FramingChoice, typer.Option(help=FRAMING_HELP)]
SPLITS_HELP = "How many random splits to repeat."
TRAIN_SIZE_HELP = "How many different images to train on, or a share such as 0.5."
TrainSize = Annotated[str | None, option("N", TRAIN_SIZE_HELP, default="three quarters", callback=_checked_train_size)]
FOLDER_HELP = "A folder for tables (CSV, JSON, Markdown) and figures."
ResultFolder = Annotated[str | None, option("DIR", FOLDER_HELP, "--out", "-o")]
DATASET_HELP = (
    "A folder (or ZIP) with a folder of images for each class, a known data set's folder, fieldguide[:IMAGES[:SEED]] "
    "(generated, IMAGES of each class), or torchvision:NAME."
)
STORED_HELP = f"{DATASET_HELP[:-1]}; or a store that crosspool extract made, here or elsewhere."
PROBLEM_HELP = "With images that cannot be read, and classes with too few images: name and skip them, or stop."
DOWNLOAD_HELP = "Download torchvision:NAME if it is missing; nothing else ever is."
ROOT_HELP = "Where torchvision's data sets are, or will be."
LAYOUT_HELP = (
    "How a folder or ZIP is read. classes: the outermost folders are the classes, and masks are images; parts: they "
    "are parts of one set, such as training and test images, and hold the classes; auto: by structure and official "
    "lists."
)
BOX_HELP = "Crop the birds of CUB-200-2011 to their bounding boxes."
CACHE_HELP = "Where the network's features are kept."
CACHE_DEFAULT = "$CROSSPOOL_CACHE, or the user's cache folder"


@dataclass(frozen=True)
class LabelledOptions:
    """The labelled images, the network, and where downloads and features are kept."""

    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=DATASET_HELP, callback=_checked_dataset)]
    seed: Seed = 0
    backbone: options.BackboneName = options.DEFAULT_BACKBONE
    weights: options.Weights = None
    device: options.Device = "auto"
    engine: options.Engine = "auto"
    on_problem: Annotated[Literal["stop", "skip"], typer.Option(help=PROBLEM_HELP)] = "skip"
    download: Annotated[bool, typer.Option("--download", help=DOWNLOAD_HELP)] = False
    root: Annotated[str, option("FOLDER", ROOT_HELP)] = DATA_ROOT
    bounding_box: Annotated[bool, typer.Option("--bounding-box", help=BOX_HELP)] = False
    layout: Annotated[Literal["auto", "classes", "parts"], typer.Option(help=LAYOUT_HELP)] = "auto"
    cache: Annotated[str | None, option("FOLDER", CACHE_HELP, default=CACHE_DEFAULT)] = None

    def open_dataset(self) -> "Dataset":
        from crosspool.datasets import open_dataset

        return open_dataset(
            self.dataset,
            root=self.root,
            download=self.download,
            bounding_box=self.bounding_box,
            layout=self.layout,
        )

    def load_backbone(self, methods: "Sequence[Method]") -> "Backbone":
        """The network, and beside it the pretrained ones that methods name."""
        from crosspool.backbones import load_backbone

        names = sorted({name for method in methods for name in method.networks})
        others = [load_backbone(name, None, self.device, engine=self.engine) for name in names]
        return load_backbone(self.backbone, self.weights, self.device, engine=self.engine).beside(others)

    def compute_features(
        self, dataset: "Dataset", backbone: "Backbone", methods: "Sequence[Method]", sources: "Sequence[Source]" = ()
    ) -> "Features":
        """Compute what the cache lacks of what methods need, and of sources.

        Images that cannot be read are left out, or raise ImageError with "stop".
        Raises DatasetError if none can be read or there are too many.
        """
        from crosspool.cache import ArrayCache
        from crosspool.evaluation.protocol import check_number, without_unreadable
        from crosspool.features import Features

        check_number(dataset)
        cache = ArrayCache(self.cache_folder)
        features = Features.of_methods(dataset, backbone, methods, cache, sources)
        with images_progress() as bar:
            task = bar.add_task("Computing features", total=len(dataset))

            def progress(done: int) -> None:
                bar.update(task, completed=done)

            if self.on_problem == "skip":
                return without_unreadable(features, progress)
            try:
                features.compute(progress, skip_errors=False)
            except ImageError as error:
                raise ImageError(f"{str(error).rstrip('.')}; or leave it out with --on-problem skip.") from error
        return features

    @property
    def cache_folder(self) -> Path:
        """Where features are kept, and vectors while they are learned from."""
        from crosspool.cache import default_cache

        return default_cache() if self.cache is None else Path(self.cache).expanduser()

    def spelled_out(self, framing: str | None, cache: str | None = None) -> list[str]:
        """The same options on a command line."""
        network = option_words(seed=self.seed, backbone=self.backbone, framing=framing, on_problem=self.on_problem)
        root = None if self.root == DATA_ROOT else self.root
        layout = None if self.layout == "auto" else self.layout
        words = option_words(root=root, bounding_box=self.bounding_box, layout=layout, cache=cache)
        return network + self.network_words() + words

    def network_words(self) -> list[str]:
        """The options for weights, device and engine on a command line."""
        device, engine = (None if each == "auto" else each for each in (self.device, self.engine))
        return option_words(weights=self.weights, device=device, engine=engine)


@dataclass(frozen=True)
class OptionalLabelledOptions(LabelledOptions):
    """The same where something else may stand in for labelled images, which are then an empty name."""

    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=DATASET_HELP, callback=_checked_if_given)] = ""


@dataclass(frozen=True)
class LabelledOrStoredOptions(LabelledOptions):
    """The same where a store may stand in for labelled images."""

    dataset: Annotated[str, typer.Argument(metavar="DATASET", help=STORED_HELP, callback=_checked_or_stored)]


@contextmanager
def resumable() -> Iterator[None]:
    """On Ctrl-C, report what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        complain("Stopped. The features computed so far are kept; the same command continues from there.")
        raise typer.Abort from None


def foresee_tuning(features: "Features", method: "Method", images: "NDArray[np.intp]", seed: int) -> None:
    """Say how long it takes to fine-tune the network on these images of a data set, if the method does that."""
    step = method.tuning_step(seed)
    if step is None or not step.epochs:
        return
    records, lessons = features.records_of(images, method.sources_to_fit), features.lessons(method, images)
    about, longest = plural(len(images), "image"), step.foreseen_seconds(records, lessons)
    if longest:
        complain(f"{method.name}: fine-tuning on {about} takes at most about {duration_text(longest)}.")


@contextmanager
def room_for_vectors(folder: Path) -> Iterator[Path]:
    """The cache folder, for vectors too. Raises SettingError if they cannot be kept there."""
    try:
        yield folder
    except OSError as error:
        reason = error.strerror or error
        raise SettingError(
            f"Vectors cannot be kept in the cache folder {folder} ({reason}); free some space, or choose another one "
            "with --cache."
        ) from error
