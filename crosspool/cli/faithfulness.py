"""`faithfulness`: whether what an explanation says to matter does matter."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crosspool.cli.console import images_progress, print_json
from crosspool.cli.labelled import (
    LabelledOptions,
    ResultFolder,
    StageBars,
    TrainSize,
    parsed_train_size,
    print_problems,
    resumable,
    room_for_vectors,
    splits_option,
)
from crosspool.cli.options import Json
from crosspool.cli.outputs import checked_folder
from crosspool.cli.result_files import print_sections, print_written, write_files
from crosspool.errors import SettingError

if TYPE_CHECKING:
    from crosspool.backbones import Architecture
    from crosspool.datasets import Dataset
    from crosspool.datasets.fieldguide import Drawing
    from crosspool.faithfulness.study import Question
    from crosspool.methods import MethodSpec

FRAMING: Literal["squash"] = "squash"


def faithfulness_command(
    *,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            "-m",
            metavar="METHOD",
            help="The method to explain, such as cl@448, cl/pca64, sum or global.",
            show_default="cl at twice the network's own size",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="The method whose map of the evidence is compared with it.",
            show_default="global at the same size",
        ),
    ] = None,
    splits: Annotated[int, splits_option(2)] = 5,
    train_size: TrainSize = None,
    channels: Annotated[
        float, typer.Option(metavar="PERCENT", help="The share of channels to remove, besides a series of shares.")
    ] = 5.0,
    pixels: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Hide pixels too, on N test images of each split; each takes about 100 passes of the network.",
        ),
    ] = 0,
    fill: Annotated[
        Literal["blur", "mean"],
        typer.Option(help="What replaces hidden pixels: the blurred image, or its mean colour."),
    ] = "blur",
    labelled: LabelledOptions,
    out: ResultFolder = None,
    json: Json = False,
) -> None:
    """Measure whether what an explanation says to matter does matter.

    On the test images of random splits, remove the channels that contribute most to the predicted class, and leave out
    the positions where its evidence lies, against other orders; then predict again. For fieldguide, also measure how
    much of the evidence lies in the parts that define a species. Images are seen whole (squash).
    """
    from crosspool.backbones import architecture
    from crosspool.evaluation.protocol import SplitOptions
    from crosspool.faithfulness.files import faithfulness_files, faithfulness_json
    from crosspool.faithfulness.findings import FaithfulnessFindings
    from crosspool.faithfulness.study import study
    from crosspool.faithfulness.tables import faithfulness_sections, study_sentence

    structure = architecture(labelled.backbone)
    specs = chosen_methods(method, baseline, structure)
    _question(specs, structure, channels, pixels, fill, labelled.seed)  # what is wrong, before anything is loaded
    folder = None if out is None else checked_folder(out)
    options = SplitOptions(splits, parsed_train_size(train_size), labelled.seed, False, labelled.on_problem)
    opened = options.check(labelled.open_dataset())
    network = labelled.load_backbone()
    question = _question(specs, network.architecture, channels, pixels, fill, labelled.seed)
    with resumable():
        ready = options.settle(labelled.prepare(opened, network, question.sources))
        random_splits = options.protocol(ready.dataset, ready.file_keys()).splits
        with images_progress() as bars, room_for_vectors(ready) as scratch:
            answer = study(
                ready.dataset, question, ready.features, random_splits, drawings(labelled.dataset, ready.dataset),
                scratch=scratch, progress=StageBars(bars),
            )  # fmt: skip
    names = ["--method", specs[0].name, "--baseline", specs[1].name]
    command = ["crosspool", "faithfulness", labelled.dataset, *names]
    command += ["--splits", str(splits), *([] if train_size is None else ["--train-size", train_size])]
    command += ["--channels", f"{channels:g}", *(["--pixels", str(pixels), "--fill", fill] if pixels else [])]
    command += labelled.spelled_out(framing=None)
    findings = FaithfulnessFindings(
        answer, labelled.backbone, network.title, Path(network.weights).name, tuple(command)
    )
    written = [] if folder is None else write_files(folder, faithfulness_files(findings))
    if json:
        print_json(faithfulness_json(findings))
        return
    print_sections([study_sentence(findings)], faithfulness_sections(findings))
    print_problems(ready.dataset.problems)
    print_written(folder, written)


def chosen_methods(
    method: str | None, baseline: str | None, structure: "Architecture"
) -> "tuple[MethodSpec, MethodSpec]":
    """Both, by their names; the baseline at the size of the method."""
    from crosspool.framing import MAX_SIZE
    from crosspool.methods import MethodSpec

    own = structure.spec.preprocessing.size
    name = method or f"cl@{min(2 * own, MAX_SIZE)}"
    for given, option in ((name, "method"), (baseline or "", "baseline")):
        if "," in given:
            raise SettingError(f"--{option} is one method, not {given}.")
    spec = MethodSpec.parse(name)
    size = max(source.size for source in spec.on(structure, FRAMING).sources)
    return spec, MethodSpec.parse(baseline or f"global@{size}")


def _question(
    specs: "tuple[MethodSpec, MethodSpec]", structure: "Architecture", channels: float, pixels: int,
    fill: Literal["blur", "mean"], seed: int,
) -> "Question":  # fmt: skip
    from crosspool.faithfulness.study import Question

    if not 0 < channels < 100:
        raise SettingError(f"--channels is a share in percent, above 0 and below 100, not {channels:g}.")
    own, baseline = (spec.on(structure, FRAMING) for spec in specs)
    return Question(own, baseline, channels / 100, pixels, fill, seed)


def drawings(spec: str, dataset: "Dataset") -> "Callable[[int], Drawing] | None":
    """The masks of FieldGuide's samples, by their number among those that can be used; None for other data sets."""
    from crosspool.datasets.catalogue import FIELDGUIDE, fieldguide_numbers
    from crosspool.datasets.fieldguide import fieldguide, image_and_masks

    if spec.partition(":")[0] != FIELDGUIDE:
        return None
    numbers = fieldguide_numbers(spec)
    per_class, seed = numbers.get("per_class", 30), numbers.get("seed", 0)
    places = {sample.name: place for place, sample in enumerate(fieldguide(per_class, seed=seed).samples)}
    return lambda index: image_and_masks(places[dataset.samples[index].name], per_class, seed=seed)
