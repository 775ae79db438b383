"""`evaluate`: methods compared on labelled images."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crosspool.cli import labelled as shared
from crosspool.cli import stored
from crosspool.cli.console import print_json, print_results
from crosspool.cli.options import Json, methods_option, option
from crosspool.cli.outputs import checked_folder, files_of_earlier_run, write_files
from crosspool.cli.progress import stages_progress
from crosspool.errors import SettingError
from crosspool.evaluation.command import DEFAULT_SPLITS, option_words, size_between, usual_baselines
from crosspool.evaluation.findings import AccuracyFindings, accuracy_json
from crosspool.evaluation.tables import accuracy_sections

if TYPE_CHECKING:
    from crosspool.backbones import Architecture
    from crosspool.framing import Framing

METHODS_HELP = (
    "The methods, with commas between. Cross-layer: cl, cl-f, cl-c, guided, compact-cl; fully-connected: global, "
    "jitter, cnn-svm, cnnaug-svm; one map: sum, max, pyramid, gem, scda, bilinear, isqrt, compact; codebooks: fv, "
    "scfv, vlad; annotated parts: parts-rcnn, dpd, dpd-cnn; fine-tuned: ft+METHOD. Each takes a size in pixels, and "
    "most a layer pair and options, as in cl:features.10@448/pca64; see docs/methods.md."
)
USUAL_METHODS = "cl at twice the network's own input size; global at that, at its own, and at one between"
RECOMMENDABLE = ("gem@{fine}", "isqrt@{fine}")
OF_TWO_NETWORKS = (
    "cl@{fine}+cl@{fine}[{other}]", "gem@{fine}+gem@{fine}[{other}]", "global@{between}+global@{between}[{other}]"
)  # fmt: skip
OTHERS = ("efficientnet_lite2", "efficientnet_lite0")  # embedded networks, in order of preference
METHODS = methods_option("M1,M2,...", METHODS_HELP, "--methods", "-m", default=USUAL_METHODS)
BASELINE_HELP = "Compare all methods with this one; can be repeated."
BASELINE = option("NAME", BASELINE_HELP, default="those that begin with global, jitter or cnn; else the first")
STORED = {*stored.COMMON, "dataset", "splits", "train_size", "official", "seed", "paper", "json"}
RECOMMEND_HELP = "Name the best of the methods, chosen within the training images, and what can be expected of it."
SPLITS = option("N", shared.SPLITS_HELP, min=1, default=f"the official split; else {DEFAULT_SPLITS}")
OFFICIAL_HELP = "Use the published split, or random ones."
OFFICIAL = typer.Option("--official/--random", help=OFFICIAL_HELP, show_default="official where there is one")


def evaluate_command(
    context: typer.Context,
    *,
    methods: Annotated[str | None, METHODS] = None,
    splits: Annotated[int | None, SPLITS] = None,
    train_size: shared.TrainSize = None,
    baseline: Annotated[list[str] | None, BASELINE] = None,
    official: Annotated[bool | None, OFFICIAL] = None,
    solver: stored.Solver = "auto",
    framing: shared.WholeFraming = "squash",
    labelled: shared.LabelledOrStoredOptions,
    recommend: Annotated[bool, typer.Option("--recommend", help=RECOMMEND_HELP)] = False,
    paper: Annotated[bool, typer.Option("--paper", help="Show the paper's Table 1 beside the accuracies.")] = False,
    out: shared.ResultFolder = None,
    json: Json = False,
) -> None:
    """Compare methods on labelled images: accuracy with intervals, paired differences, and costs.

    Every method is trained (linear SVM) and tested on the same splits. Equal images, and parts of one image, never lie
    on both sides of a random split. On 2 cores, the first run of fieldguide takes about two minutes, and each further
    run a few seconds.
    """
    folder = checked_folder(out)
    if stored.is_store(labelled.dataset):
        stored.expect_no_others(context, STORED, labelled.dataset)
        size = shared.parsed_train_size(train_size)
        print_or_write(_tested_store(labelled, splits, size, official, solver, paper=paper), folder, json=json)
        return
    if solver != "auto":
        raise SettingError("--solver is for a store; images are always learned from exactly.")
    from crosspool.backbones import architecture

    structure = architecture(labelled.backbone)  # before what takes seconds to import
    from crosspool.evaluation.protocol import SplitOptions, file_keys
    from crosspool.evaluation.run import evaluate_methods
    from crosspool.methods import parse_methods

    text = methods or default_methods(structure, framing, recommend=recommend)
    named = parse_methods(text, structure, framing)  # raises before anything is loaded
    names = [method.name for method in named]
    baselines = chosen_baselines(baseline, names)
    size = shared.parsed_train_size(train_size)
    options = SplitOptions(splits, size, labelled.seed, official, labelled.on_problem)
    dataset = options.check(labelled.open_dataset())
    for method in named:
        method.with_parts(dataset.annotated)  # raises before the network is loaded
    network = labelled.load_backbone(named)
    # With as many classes as its weights have.
    chosen = [each.with_parts(dataset.annotated) for each in parse_methods(text, network.architecture, framing)]
    with shared.resumable():
        features = options.settle(labelled.compute_features(dataset, network, chosen))
        protocol = options.protocol(features.dataset, file_keys(features))
        for method in chosen:
            shared.foresee_tuning(features, method, protocol.splits[0].train, labelled.seed)
        with stages_progress() as progress, shared.room_for_vectors(labelled.cache_folder) as scratch:
            report = evaluate_methods(
                chosen, features, protocol, baselines, scratch=scratch, progress=progress, recommend=recommend
            )
        count = None if protocol.official else len(protocol.splits)
        test = option_words(
            official=protocol.official, splits=count, train_size=size, baseline=baselines, recommend=recommend
        )
        words = [*option_words(methods=",".join(names)), *test, *labelled.spelled_out(framing)]
        command, weights = ("crosspool", "evaluate", labelled.dataset, *words), Path(network.weights).name
        findings = AccuracyFindings(
            report, labelled.backbone, network.title, weights, framing, protocol.C, command, paper, features.dataset
        )
        print_or_write(findings, folder, json=json)


def _tested_store(
    labelled: shared.LabelledOptions, splits: int | None, size: int | float | None, official: bool | None,
    solver: stored.SolverChoice, *, paper: bool,
) -> AccuracyFindings:  # fmt: skip
    """What the method of a store reaches on its images."""
    from crosspool.evaluation.protocol import SplitOptions, file_keys
    from crosspool.evaluation.run import report_of
    from crosspool.shards.learning import chosen_solver, evaluated

    address, options = labelled.dataset, SplitOptions(splits, size, labelled.seed, official, labelled.on_problem)
    images = stored.open_stored(address)
    images = images.restricted_to(options.check(images.dataset)).without_unread(labelled.on_problem)
    images = options.settle(images)
    protocol = options.protocol(images.dataset, file_keys(images))
    chosen = chosen_solver(solver, len(images.dataset))
    with stages_progress() as progress, stored.scratch_folder(labelled) as scratch:
        result = evaluated(images, protocol, chosen, scratch=scratch, progress=progress)
    report = report_of(images.dataset, [result], protocol)
    words = option_words(
        official=protocol.official, splits=None if protocol.official else len(protocol.splits), train_size=size,
        seed=labelled.seed, on_problem=labelled.on_problem, solver=None if solver == "auto" else solver,
    )  # fmt: skip
    plan, command = images.store.plan, ("crosspool", "evaluate", address, *words)
    return AccuracyFindings(
        report, plan.backbone, images.network.spec.title, plan.weights, plan.framing, protocol.C, command, paper,
        images.dataset, (chosen.reason, *images.remarks),
    )  # fmt: skip


def print_or_write(findings: AccuracyFindings, folder: Path | None, *, json: bool) -> None:
    """Write the files of an evaluation, if there is a folder for them, and print it."""
    from crosspool.evaluation.files import accuracy_files

    written = write_files(folder, accuracy_files(findings), stale=files_of_earlier_run(folder))
    if json:
        print_json(accuracy_json(findings))
        return
    print_results(findings.introduction, accuracy_sections(findings), findings.report.problems, folder, written)


def default_methods(structure: "Architecture", framing: "Framing" = "squash", *, recommend: bool = False) -> str:
    """Cross-layer pooling of finer maps, and fully-connected activations at sizes from the usual to that of the maps.

    To recommend one, further methods whose encoders learn nothing, and methods of two networks, the other one embedded,
    where whole images are framed: crops would be of different sizes.
    """
    from crosspool.framing import MAX_SIZE

    own = structure.spec.preprocessing.size
    if 2 * own > MAX_SIZE:
        return f"cl@{own},global@{own}"
    names = [f"cl@{2 * own}", f"global@{own}", f"global@{size_between(own)}", f"global@{2 * own}"]
    if recommend:
        other = _other_network(structure.spec.name) if framing == "squash" else None
        further = (*RECOMMENDABLE, *(OF_TWO_NETWORKS if other else ()))
        names += [name.format(fine=2 * own, between=size_between(own), other=other) for name in further]
    return ",".join(names)


def _other_network(own: str) -> str | None:
    """An embedded network to stand beside one, if there is any."""
    from crosspool.backbones import spec_of

    return next((name for name in OTHERS if name != own and spec_of(name).weights.is_here), None)


def chosen_baselines(named: Sequence[str] | None, methods: Sequence[str]) -> list[str]:
    """The named baselines as the methods' names spell them, or else the usual ones."""
    if not named:
        return usual_baselines(methods)
    by_lower_case = {name.lower(): name for name in methods}
    for name in named:
        if name.strip().lower() not in by_lower_case:
            listed = ", ".join(methods)
            raise SettingError(f"--baseline {name} is not among the methods {listed}; {_hint(name, methods)}")
    return list(dict.fromkeys(by_lower_case[name.strip().lower()] for name in named))


def _hint(name: str, methods: Sequence[str]) -> str:
    """What to do about a baseline that is not among the methods."""
    near = [method for method in methods if re.split("[:@/]", method.lower())[0] == name.strip().lower()]
    return f"did you mean {near[0]}?" if near else "add it to them."
