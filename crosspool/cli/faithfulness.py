"""`faithfulness`: whether what an explanation says to matter does matter."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crosspool.cli.console import images_progress, print_json, print_table, print_wrapped
from crosspool.cli.evaluate import Tasks, Wishes, parsed_train_size
from crosspool.cli.labelled import (
    BoundingBox,
    Cache,
    DatasetName,
    Download,
    OnProblem,
    Root,
    Seed,
    TrainSize,
    cache_at,
    goes_on_next_time,
    prepared,
    print_problems,
    room_for_vectors,
)
from crosspool.cli.options import DEFAULT_BACKBONE, BackboneName, Device, Json, Weights
from crosspool.cli.outputs import checked_folder, made_folder, replacing
from crosspool.errors import SettingError
from crosspool.evaluation.command import DATA_ROOT, spelled_out

if TYPE_CHECKING:
    from crosspool.backbones import Architecture
    from crosspool.datasets import Dataset
    from crosspool.datasets.fieldguide import Drawing
    from crosspool.faithfulness.findings import Findings
    from crosspool.faithfulness.study import Question

DEFAULT_SPLITS = 5
FRAMING: Literal["squash"] = "squash"


def faithfulness(
    dataset: DatasetName,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "-m",
            metavar="METHOD",
            help="What is explained, such as cl@448, cl/pca64, sum or global.",
            show_default="cl at twice the network's own size",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="Whose map of the evidence is set beside it.",
            show_default="global at the same size",
        ),
    ] = None,
    splits: Annotated[int, typer.Option(min=2, metavar="N", help="How many random splits to repeat.")] = DEFAULT_SPLITS,
    train_size: TrainSize = None,
    channels: Annotated[
        float, typer.Option(metavar="PERCENT", help="How many of the channels to take away, besides a series.")
    ] = 5.0,
    pixels: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="On so many test images of each split, hide pixels too; each takes about 100 passes of the network.",
        ),
    ] = 0,
    fill: Annotated[
        Literal["blur", "mean"],
        typer.Option(help="What stands for hidden pixels: the picture blurred, or its mean colour."),
    ] = "blur",
    seed: Seed = 0,
    backbone: BackboneName = DEFAULT_BACKBONE,
    weights: Weights = None,
    device: Device = "auto",
    on_problem: OnProblem = "skip",
    download: Download = False,
    root: Root = DATA_ROOT,
    bounding_box: BoundingBox = False,
    cache: Cache = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="DIR", help="A folder for tables (CSV, JSON, Markdown) and a figure."),
    ] = None,
    json: Json = False,
) -> None:
    """Measure whether what an explanation says to matter does matter.

    On test images of random splits: take away the channels that contribute most to the predicted class, and leave out
    the positions where its evidence lies, against other orders; predict again. Of fieldguide also how much of the
    evidence lies in the parts that define a species. Images are seen whole (squash).
    """
    from crosspool.backbones import architecture, load_backbone
    from crosspool.datasets import open_dataset
    from crosspool.faithfulness.findings import Findings, as_json
    from crosspool.faithfulness.study import study

    structure = architecture(backbone)
    names = chosen_methods(method, baseline, structure)
    _question(names, structure, channels, pixels, fill, seed)  # what is wrong with it, before anything is loaded
    folder = None if out is None else checked_folder(out)
    wishes = Wishes(splits, parsed_train_size(train_size), seed, False, on_problem)
    opened = wishes.checked(open_dataset(dataset, root=root, download=download, bounding_box=bounding_box))
    network = load_backbone(backbone, weights, device)
    question = _question(names, network.architecture, channels, pixels, fill, seed)
    with goes_on_next_time():
        ready = wishes.settled(prepared(opened, network, question.sources, cache_at(cache), on_problem))
        with images_progress() as bar, room_for_vectors(ready) as scratch:
            answer = study(
                ready.dataset, question, ready.features, wishes.protocol(ready).splits,
                drawings(dataset, ready.dataset), scratch=scratch, progress=Tasks(bar),
            )  # fmt: skip
    command = ["crosspool", "faithfulness", dataset, "--method", names[0], "--baseline", names[1]]
    command += ["--splits", str(splits), *([] if train_size is None else ["--train-size", train_size])]
    command += ["--channels", f"{channels:g}", *(["--pixels", str(pixels), "--fill", fill] if pixels else [])]
    options = spelled_out(
        seed=seed, backbone=backbone, framing=None, on_problem=on_problem, weights=weights, device=device,
        root=root, bounding_box=bounding_box,
    )  # fmt: skip
    found = Findings(answer, backbone, network.title, Path(network.weights).name, (*command, *options))
    written = [] if folder is None else write_files(folder, found)
    if json:
        print_json(as_json(found))
        return
    print_found(found)
    print_problems(ready.dataset.problems)
    if folder is not None:
        typer.echo()
        print_wrapped(f"Wrote {len(written)} files to {folder}: {', '.join(written)}")


def chosen_methods(method: str | None, baseline: str | None, structure: "Architecture") -> tuple[str, str]:
    """The names of both; the baseline at the size of the method."""
    from crosspool.images import MAX_SIZE
    from crosspool.methods import parse_method

    own = structure.spec.preprocessing.size
    name = method or f"cl@{min(2 * own, MAX_SIZE)}"
    for given, option in ((name, "method"), (baseline or "", "baseline")):
        if "," in given:
            raise SettingError(f"--{option} is one method, not {given}.")
    size = max(source.size for source in parse_method(name, structure, FRAMING).sources)
    return name, baseline or f"global@{size}"


def _question(
    names: tuple[str, str], structure: "Architecture", channels: float, pixels: int,
    fill: Literal["blur", "mean"], seed: int,
) -> "Question":  # fmt: skip
    from crosspool.faithfulness.study import Question
    from crosspool.methods import parse_method

    if not 0 < channels < 100:
        raise SettingError(f"--channels is a share in percent, above 0 and below 100, not {channels:g}.")
    own, baseline = (parse_method(name, structure, FRAMING) for name in names)
    return Question(own, baseline, channels / 100, pixels, fill, seed)


def drawings(spec: str, dataset: "Dataset") -> "Callable[[int], Drawing] | None":
    """The masks of FieldGuide's samples, by their number among those that can be used; None for other data sets."""
    from crosspool.datasets.catalogue import FIELDGUIDE, fieldguide_numbers
    from crosspool.datasets.fieldguide import fieldguide, picture_and_masks

    if spec.partition(":")[0] != FIELDGUIDE:
        return None
    numbers = fieldguide_numbers(spec)
    per_class, seed = numbers.get("per_class", 30), numbers.get("seed", 0)
    places = {sample.name: place for place, sample in enumerate(fieldguide(per_class, seed=seed).samples)}
    return lambda index: picture_and_masks(places[dataset.samples[index].name], per_class, seed=seed)


def write_files(folder: Path, findings: "Findings") -> list[str]:
    """Write all files, each replaced whole, and return their names."""
    from crosspool.faithfulness.findings import files_of

    made_folder(folder)
    files = files_of(findings)
    for name, contents in files.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(contents())
    return list(files)


def print_found(findings: "Findings") -> None:
    """On standard output, as wide as the terminal."""
    from crosspool.faithfulness.findings import sections, what

    print_wrapped(what(findings))
    for section in sections(findings):
        typer.echo()
        print_wrapped(section.title)
        print_table(section.columns, "--out and --json have all")
        if section.notes:
            typer.echo()
            print_wrapped(" ".join(section.notes))
