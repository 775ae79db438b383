"""`evaluate`: methods compared on a labelled set of pictures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import images_progress, print_json, print_table, print_wrapped
from crosspool.cli.labelled import (
    BoundingBox,
    Cache,
    DatasetName,
    Download,
    OnProblem,
    ProblemChoice,
    Root,
    Seed,
    TrainSize,
    WholeFraming,
    cache_at,
    checked_classes,
    goes_on_next_time,
    prepared,
    print_problems,
    room_for_vectors,
)
from crosspool.cli.options import DEFAULT_BACKBONE, BackboneName, Device, Json, Weights
from crosspool.cli.outputs import checked_folder
from crosspool.cli.result_files import write_results
from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.command import DATA_ROOT, evaluate_command, spelled_out, usual_baselines
from crosspool.evaluation.findings import Findings, as_json, how, sections, what

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from crosspool.backbones import Architecture
    from crosspool.datasets import Dataset, Split
    from crosspool.evaluation.preparation import Prepared
    from crosspool.evaluation.report import Report
    from crosspool.evaluation.run import Protocol
    from crosspool.methods import Method

DEFAULT_SPLITS = 20


def evaluate(
    dataset: DatasetName,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            "-m",
            metavar="M1,M2,...",
            help="The methods, such as cl:PAIR@448/pca64, cl-f, cl-c, global, jitter, cnnaug-svm, sum, max, pyramid.",
            show_default="cl at twice the network's own size; global at both",
        ),
    ] = None,
    splits: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How many random splits to repeat.",
            show_default="the official split; else " + str(DEFAULT_SPLITS),
        ),
    ] = None,
    train_size: TrainSize = None,
    seed: Seed = 0,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Compare all methods with this one; may be given again.",
            show_default="those that begin with global, jitter or cnn; else the first",
        ),
    ] = None,
    official: Annotated[
        bool | None,
        typer.Option(
            "--official/--random",
            help="Use the published split, or random ones.",
            show_default="official where there is one",
        ),
    ] = None,
    backbone: BackboneName = DEFAULT_BACKBONE,
    weights: Weights = None,
    device: Device = "auto",
    framing: WholeFraming = "squash",
    on_problem: OnProblem = "skip",
    download: Download = False,
    root: Root = DATA_ROOT,
    bounding_box: BoundingBox = False,
    cache: Cache = None,
    paper: Annotated[bool, typer.Option("--paper", help="Show the paper's Table 1 beside the accuracies.")] = False,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="DIR", help="A folder for tables (CSV, JSON, Markdown) and figures."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare methods on labelled images: accuracy with intervals, paired differences, and costs.

    Every method is trained (linear SVM) and tested on the same splits. Equal images, and parts of one image, never lie
    on both sides of a random split. The first run of fieldguide takes about two minutes on 2 cores, later ones seconds.
    """
    from crosspool.backbones import architecture, load_backbone
    from crosspool.datasets import open_dataset
    from crosspool.methods import parse_methods

    structure = architecture(backbone)
    text = methods or default_methods(structure)
    names = [method.name for method in parse_methods(text, structure, framing)]  # wrong ones, before anything is loaded
    baselines = chosen_baselines(baseline, names)
    folder = None if out is None else checked_folder(out)
    wishes = Wishes(splits, parsed_train_size(train_size), seed, official, on_problem)
    opened = wishes.checked(open_dataset(dataset, root=root, download=download, bounding_box=bounding_box))
    network = load_backbone(backbone, weights, device)
    chosen = parse_methods(text, network.architecture, framing)  # of as many classes as its weights have
    with goes_on_next_time():
        sources = sorted({source for method in chosen for source in method.sources})
        ready = wishes.settled(prepared(opened, network, sources, cache_at(cache), on_problem))
        protocol = wishes.protocol(ready)
        report = _report(ready, chosen, protocol, baselines)
        options = spelled_out(
            seed=seed, backbone=backbone, framing=framing, on_problem=on_problem, weights=weights, device=device,
            root=root, bounding_box=bounding_box,
        )  # fmt: skip
        count = None if protocol.official else len(protocol.splits)
        command = (*evaluate_command(dataset, names, count, wishes.train_size, baselines), *options)
        findings = Findings(
            report, backbone, network.title, Path(network.weights).name, framing, protocol.C, command, paper,
            ready.dataset,
        )  # fmt: skip
        written = [] if folder is None else write_results(folder, findings)
    if json:
        print_json(as_json(findings))
        return
    print_findings(findings)
    print_problems(report.problems)
    if folder is not None:
        typer.echo()
        print_wrapped(f"Wrote {len(written)} files to {folder}: {', '.join(written)}")


def default_methods(structure: "Architecture") -> str:
    """Cross-layer pooling of finer maps, against fully-connected activations as they are usual and at that size."""
    from crosspool.images import MAX_SIZE

    own = structure.spec.preprocessing.size
    if 2 * own > MAX_SIZE:
        return f"cl@{own},global@{own}"
    return f"cl@{2 * own},global@{own},global@{2 * own}"


def chosen_baselines(named: Sequence[str] | None, methods: Sequence[str]) -> list[str]:
    """What is compared with: what was named, else the usual."""
    if named:
        known = {name.lower(): name for name in methods}
        unknown = [name for name in named if name.strip().lower() not in known]
        if unknown:
            raise SettingError(
                f"--baseline {unknown[0]} is not among the methods {', '.join(methods)}; {_meant(unknown[0], methods)}"
            )
        return list(dict.fromkeys(known[name.strip().lower()] for name in named))
    return usual_baselines(methods)


def _meant(name: str, methods: Sequence[str]) -> str:
    """What may have been meant by a baseline that is not among the methods."""
    near = [method for method in methods if re.split("[:@/]", method.lower())[0] == name.strip().lower()]
    return f"did you mean {near[0]}?" if near else "add it to them."


def parsed_train_size(text: str | None) -> int | float | None:
    """A number of images, or a share of them."""
    if text is None:
        return None
    try:
        return int(text) if text.strip().isdigit() else float(text)
    except ValueError as error:
        raise SettingError(f"--train-size is a number of images or a share such as 0.5, not {text!r}.") from error


@dataclass(frozen=True)
class Wishes:
    """What was asked of the splits, and what becomes of it on a data set."""

    splits: int | None
    train_size: int | float | None
    seed: int
    official: bool | None
    on_problem: ProblemChoice

    def checked(self, dataset: "Dataset") -> "Dataset":
        """The data set, if what was asked can be had by the numbers of its images. Reads none of them."""
        if self.official and dataset.official is None:
            raise DatasetError(f"{dataset.name} has no official split; leave out --official.")
        if self.official and (self.splits is not None or self.train_size is not None):
            raise SettingError("An official split is one, of a size of its own; leave out --splits and --train-size.")
        enough = self._with_enough_images(dataset)
        if not self._is_official(dataset):
            self._random(enough, 1, None)
        return dataset if self.on_problem == "stop" else enough

    def settled(self, ready: "Prepared") -> "Prepared":
        """Without the classes that are too small now that it is known which images can be read, and which are equal."""
        from crosspool.datasets import in_two_classes, there_twice
        from crosspool.evaluation.preparation import trained_on_too

        if self._is_official(ready.dataset):
            ready = ready.of(self._with_enough_images(ready.dataset))
            told = trained_on_too(ready)
            return ready.with_problems(*told, *in_two_classes(ready.dataset, ready.pictures()))
        keys = None if ready.dataset.multi_label else ready.photographs()
        ready = ready.of(self._with_enough_images(ready.dataset, keys))
        pictures = ready.pictures()
        return ready.with_problems(*in_two_classes(ready.dataset, pictures), *there_twice(ready.dataset, pictures))

    def protocol(self, ready: "Prepared") -> "Protocol":
        """The splits of a settled data set; equal images, and boxes of one, lie on the same side of random ones."""
        from crosspool.evaluation.run import Protocol

        dataset = ready.dataset
        if self._is_official(dataset):
            assert dataset.official is not None
            if not len(dataset.official.train) or not len(dataset.official.test):
                raise DatasetError(f"No image is left on one side of the official split of {dataset.name}.")
            return Protocol([dataset.official], True, self.seed)
        splits = self._random(dataset, self.splits or DEFAULT_SPLITS, ready.photographs())
        return Protocol(splits, False, self.seed)

    def _is_official(self, dataset: "Dataset") -> bool:
        if self.official is not None:
            return self.official
        return dataset.official is not None and self.splits is None and self.train_size is None

    def _with_enough_images(self, dataset: "Dataset", pictures: Sequence[str] | None = None) -> "Dataset":
        return checked_classes(dataset, 1 if self._is_official(dataset) else 2, self.on_problem, pictures)

    def _random(self, dataset: "Dataset", count: int, keys: Sequence[str] | None) -> "list[Split]":
        from crosspool.evaluation.splits import stratified_splits

        return stratified_splits(
            dataset.targets, count, self.train_size, self.seed, groups=keys, classes=dataset.classes
        )


def _report(ready: "Prepared", methods: "list[Method]", protocol: "Protocol", baselines: Sequence[str]) -> "Report":
    from crosspool.evaluation.run import evaluate as run_methods

    with images_progress() as bar, room_for_vectors(ready) as scratch:
        return run_methods(
            ready.dataset, methods, ready.features, protocol, baselines, scratch=scratch, progress=Tasks(bar)
        )


class Tasks:
    """A bar for each method, as it comes to it."""

    def __init__(self, bar: "Progress") -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage.replace("[", "\\["), total=total)
        self._bar.update(self._tasks[stage], completed=done)


def print_findings(findings: Findings) -> None:
    """On standard output, as wide as the terminal."""
    for line in (what(findings), how(findings)):
        print_wrapped(line)
    for section in sections(findings):
        typer.echo()
        if section.title:
            print_wrapped(section.title)
        print_table(section.columns, "--out and --json have all")
        typer.echo()
        print_wrapped(" ".join(section.notes))
