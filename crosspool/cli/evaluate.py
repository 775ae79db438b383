"""`evaluate`: methods compared on labelled images."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli.console import images_progress, print_json
from crosspool.cli.labelled import (
    LabelledOptions,
    ResultFolder,
    StageBars,
    TrainSize,
    WholeFraming,
    parsed_train_size,
    print_problems,
    resumable,
    room_for_vectors,
    splits_option,
)
from crosspool.cli.options import Json
from crosspool.cli.outputs import checked_folder
from crosspool.cli.result_files import print_sections, print_written, write_results
from crosspool.errors import SettingError
from crosspool.evaluation.command import DEFAULT_SPLITS, evaluate_command_line, usual_baselines
from crosspool.evaluation.documents import accuracy_json
from crosspool.evaluation.findings import AccuracyFindings, data_sentence, protocol_sentence
from crosspool.evaluation.tables import accuracy_sections

if TYPE_CHECKING:
    from crosspool.backbones import Architecture


def evaluate_command(
    *,
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
    splits: Annotated[int | None, splits_option(1, f"the official split; else {DEFAULT_SPLITS}")] = None,
    train_size: TrainSize = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Compare all methods with this one; can be repeated.",
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
    framing: WholeFraming = "squash",
    labelled: LabelledOptions,
    paper: Annotated[bool, typer.Option("--paper", help="Show the paper's Table 1 beside the accuracies.")] = False,
    out: ResultFolder = None,
    json: Json = False,
) -> None:
    """Compare methods on labelled images: accuracy with intervals, paired differences, and costs.

    Every method is trained (linear SVM) and tested on the same splits. Equal images, and parts of one image, never lie
    on both sides of a random split. The first run of fieldguide takes about two minutes on 2 cores, later ones seconds.
    """
    from crosspool.backbones import architecture
    from crosspool.evaluation.protocol import SplitOptions
    from crosspool.evaluation.run import evaluate_methods
    from crosspool.methods import parse_method_specs

    structure = architecture(labelled.backbone)
    text = methods or default_methods(structure)
    specs = parse_method_specs(text)
    for spec in specs:
        spec.on(structure, framing)  # raises for what is wrong, before anything is loaded
    names = [spec.name for spec in specs]
    baselines = chosen_baselines(baseline, names)
    folder = None if out is None else checked_folder(out)
    options = SplitOptions(splits, parsed_train_size(train_size), labelled.seed, official, labelled.on_problem)
    opened = options.check(labelled.open_dataset())
    network = labelled.load_backbone()
    chosen = [spec.on(network.architecture, framing) for spec in specs]  # of as many classes as its weights have
    with resumable():
        sources = sorted({source for method in chosen for source in method.sources})
        ready = options.settle(labelled.prepare(opened, network, sources))
        protocol = options.protocol(ready.dataset, ready.file_keys())
        with images_progress() as bars, room_for_vectors(ready) as scratch:
            report = evaluate_methods(
                ready.dataset, chosen, ready.features, protocol, baselines, scratch=scratch, progress=StageBars(bars)
            )
        count = None if protocol.official else len(protocol.splits)
        command = (
            *evaluate_command_line(labelled.dataset, names, count, options.train_size, baselines),
            *labelled.spelled_out(framing),
        )
        weights = Path(network.weights).name
        findings = AccuracyFindings(
            report, labelled.backbone, network.title, weights, framing, protocol.C, command, paper, ready.dataset
        )
        written = [] if folder is None else write_results(folder, findings)
    if json:
        print_json(accuracy_json(findings))
        return
    print_sections([data_sentence(findings), protocol_sentence(findings)], accuracy_sections(findings))
    print_problems(report.problems)
    print_written(folder, written)


def default_methods(structure: "Architecture") -> str:
    """Cross-layer pooling of finer maps, against fully-connected activations as they are usual and at that size."""
    from crosspool.framing import MAX_SIZE

    own = structure.spec.preprocessing.size
    if 2 * own > MAX_SIZE:
        return f"cl@{own},global@{own}"
    return f"cl@{2 * own},global@{own},global@{2 * own}"


def chosen_baselines(named: Sequence[str] | None, methods: Sequence[str]) -> list[str]:
    """What is compared with: what was named, else the usual."""
    if named:
        by_lower_case = {name.lower(): name for name in methods}
        unknown = [name for name in named if name.strip().lower() not in by_lower_case]
        if unknown:
            raise SettingError(
                f"--baseline {unknown[0]} is not among the methods {', '.join(methods)}; {_meant(unknown[0], methods)}"
            )
        return list(dict.fromkeys(by_lower_case[name.strip().lower()] for name in named))
    return usual_baselines(methods)


def _meant(name: str, methods: Sequence[str]) -> str:
    """What may have been meant by a baseline that is not among the methods."""
    near = [method for method in methods if re.split("[:@/]", method.lower())[0] == name.strip().lower()]
    return f"did you mean {near[0]}?" if near else "add it to them."
