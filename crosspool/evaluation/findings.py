"""What an evaluation found, for people (tables with their notes, Markdown) and for programs (JSON)."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from crosspool import __version__
from crosspool.tables import Column, markdown_table
from crosspool.text import human_bytes

if TYPE_CHECKING:
    from crosspool.datasets import Dataset
    from crosspool.evaluation.intervals import Interval
    from crosspool.evaluation.report import MethodResult, Paired, Report

TITLES = {
    "accuracy": "accuracy",
    "mean_class_accuracy": "per class",
    "mean_average_precision": "mAP",
    "mean_average_precision_11": "11-point mAP",
}
MEASURES = {"accuracy": "accuracy", "mean_average_precision": "mean average precision"}
LABEL_ACCURACY = "labels right"  # what accuracy is where an image has several labels
NONE_SHOWN = "none shown"
NO_WIDTH = 1e-9  # of an interval: less is how floating-point numbers are rounded
FEW_SPLITS = 5  # with fewer, the t distribution has long tails
RESAMPLED, BOOTSTRAP = "corrected resampled t", "percentile bootstrap"


@dataclass(frozen=True)
class Findings:
    """A report, and what it does not say of how it came about."""

    report: "Report"
    backbone: str
    network: str
    """The backbone's name for people."""
    weights: str
    framing: str
    C: float
    command: tuple[str, ...]
    """The command that gives these findings again."""
    paper: bool
    dataset: "Dataset | None" = None
    """What the methods were tested on."""

    @property
    def command_line(self) -> str:
        return shlex.join(self.command)

    @property
    def measure(self) -> str:
        return MEASURES[self.report.measure]


@dataclass(frozen=True)
class Section:
    """A table with a title, and notes below it."""

    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()


# --- for people


def markdown(findings: Findings) -> str:
    """A page for a project's documents, with the command that made it."""
    parts = [
        f"# {findings.measure.capitalize()} on {findings.report.dataset}",
        f"```console\n{findings.command_line}\n```",
        f"{what(findings)}\n{how(findings)}",
    ]
    for section in sections(findings):
        parts += [f"## {section.title.rstrip('.')}"] if section.title else []
        parts += [markdown_table(section.columns), " ".join(section.notes)]
    if findings.report.problems:
        parts += ["## Left out or amiss", "\n".join(f"- {problem}" for problem in findings.report.problems)]
    parts.append("Made with " + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".")
    return "\n\n".join(parts) + "\n"


def what(findings: Findings) -> str:
    """The data and the network, in a line."""
    report = findings.report
    kind = "labels" if "mean_average_precision" in report.methods[0].measures else "classes"
    return (
        f"{report.dataset}: {report.images:,} images, {len(report.classes)} {kind}. {findings.network}, "
        f"{findings.framing} framing."
    )


def how(findings: Findings) -> str:
    """The protocol, in a line."""
    report, count = findings.report, splits_of(findings.report)
    random = "One random split" if count == 1 else f"{count} random splits"
    kind = "The official split" if report.official else random
    trained_on = {len(outcome.split.train) for outcome in report.methods[0].outcomes}
    about = "about " if len(trained_on) > 1 else ""  # equal images stay together, and count as one
    sizes = f"{about}{report.train_images:,} images to train on and {report.test_images:,} to test on"
    return f"{kind}: {sizes}. Linear SVM, C={findings.C:g}. Seed {report.seed}."


def splits_of(report: "Report") -> int:
    return len(report.methods[0].outcomes)


def sections(findings: Findings) -> list[Section]:
    """All tables."""
    report = findings.report
    found = [Section("", _method_columns(report), _notes(report))]
    if report.paired:
        found.append(Section("Compared on the same splits, in points", _paired_columns(report), _caution(report)))
    if findings.paper:
        found.append(_beside_the_paper(report))
    return found


def _method_columns(report: "Report") -> tuple[Column, ...]:
    main, *others = report.methods[0].measures
    multi_label = main != "accuracy"
    columns = [
        Column("method", [result.name for result in report.methods], names=True),
        _measure_column(report.methods, main, TITLES[main]),
        Column("95 % interval", [_range(result.measures[main].interval) for result in report.methods], right=True),
    ]
    for rank, measure in enumerate(others, 2):
        title = LABEL_ACCURACY if multi_label and measure == "accuracy" else TITLES[measure]
        columns.append(_measure_column(report.methods, measure, title, rank))
    return (
        *columns,
        Column("dimensions", [f"{result.dimensions:,}" for result in report.methods], right=True, optional=1),
        Column("storage", [human_bytes(result.bytes_per_image) for result in report.methods], right=True),
        Column("time", [f"{1000 * result.seconds_per_image:.0f} ms" for result in report.methods], right=True),
    )


def _measure_column(results: "Sequence[MethodResult]", measure: str, title: str, optional: int = 0) -> Column:
    cells = [f"{percent(result.measures[measure].value)} %" for result in results]
    return Column(title, cells, right=True, optional=optional)


def _paired_columns(report: "Report") -> tuple[Column, ...]:
    pairs = report.paired
    columns = [
        Column("method", [pair.method for pair in pairs], names=True),
        Column("against", [pair.baseline for pair in pairs], names=True),
        Column("points", [_signed(pair.difference) for pair in pairs], right=True),
        Column("95 % interval", [_signed_range(pair.interval) for pair in pairs], right=True),
    ]
    tests = [pair.mcnemar for pair in pairs]
    if any(test is not None for test in tests):
        counts = ["–" if test is None else f"{test.only_a} : {test.only_b}" for test in tests]
        columns.append(Column("only right", counts, right=True, optional=1))
        columns.append(Column("p", ["–" if test is None else _p_value(test.p_value) for test in tests], right=True))
    return (*columns, Column("difference", [verdict(pair) for pair in pairs]))


def verdict(pair: "Paired") -> str:
    """What the interval shows of a difference, and no more."""
    if pair.interval is None:
        return "no interval"
    if is_point(pair.interval):
        return NONE_SHOWN
    if pair.interval.low > 0:
        return "better"
    return "worse" if pair.interval.high < 0 else NONE_SHOWN


def _intervals(report: "Report") -> "list[Interval]":
    """Those of the methods."""
    found = (result.measures[report.measure].interval for result in report.methods)
    return [interval for interval in found if interval is not None]


def is_point(interval: "Interval") -> bool:
    """Whether it has no width."""
    return interval.high - interval.low < NO_WIDTH


def _on_points(intervals: "Sequence[Interval]") -> tuple[str, ...]:
    """What to make of intervals without width, if there are any."""
    points = [interval for interval in intervals if is_point(interval)]
    if not points:
        return ()
    what = "images" if points[0].method == BOOTSTRAP else "splits"
    return (
        f"An interval without width shows nothing: {what} that all agree tell nothing of how much others vary; use "
        f"more {what}.",
    )


def _notes(report: "Report") -> tuple[str, ...]:
    notes = ["Storage: of an image's vector. Time: from an image's file to its vector, on this machine."]
    known = _intervals(report)
    if not known:
        return (*notes, "There are no intervals; use more splits.")
    if known[0].method == RESAMPLED:
        how_made = f"corrected resampled t over the {splits_of(report)} splits (Nadeau and Bengio, 2003)"
    elif known[0].method == BOOTSTRAP:
        kind = "official test images" if report.official else "test images of the one split"
        how_made = f"bootstrap over the {report.test_images:,} {kind}, for these same training images"
    else:
        how_made = known[0].method
    notes.append(f"Intervals: {100 * known[0].level:g} %, {how_made}.")
    if any(interval.low < 0 or interval.high > 1 for interval in known):
        notes.append("They are not cut off at 0 and 100 %.")
    if known[0].method == RESAMPLED and splits_of(report) < FEW_SPLITS and not all(map(is_point, known)):
        notes.append("They are very wide for so few splits; use more splits.")
    return (*notes, *_on_points(known))


def _caution(report: "Report") -> tuple[str, ...]:
    notes = []
    intervals = [pair.interval for pair in report.paired if pair.interval is not None]
    if any(interval.low <= 0 <= interval.high for interval in intervals if not is_point(interval)):
        notes.append(f"{NONE_SHOWN.capitalize()}: no difference is shown, as the interval includes zero.")
    if not _on_points(_intervals(report)):  # it is told there
        notes += _on_points(intervals)
    if any(pair.mcnemar is not None for pair in report.paired):
        judged = "" if splits_of(report) == 1 else ", each image judged by most of the splits that tested it"
        notes.append(f"p: McNemar's exact test of how many images only the one and only the other gets right{judged}.")
    if len(report.paired) > 1:
        notes.append(f"Each of the {len(report.paired)} comparisons is judged by itself.")
    return tuple(notes)


def _beside_the_paper(report: "Report") -> Section:
    from crosspool.evaluation.paper import CITATION, DATASET, NOTE, counterparts

    by_name = {result.name: result for result in report.methods}
    rows = [(row, name) for row, names in counterparts(list(by_name)) for name in names or ("",)]
    ours = [f"{percent(by_name[name].measures[report.measure].value)} %" if name else "" for _, name in rows]
    columns = (
        Column("in the paper", [row.method for row, _ in rows]),
        Column("its remark", [row.remark for row, _ in rows], optional=1),
        Column(DATASET, [f"{row.accuracy} %" for row, _ in rows], right=True),
        Column("of its kind here", [name for _, name in rows], names=True),
        Column(TITLES[report.measure], ours, right=True),
    )
    return Section(f"The paper's Table 1 ({DATASET}) beside these", columns, (NOTE, f"{CITATION}."))


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def _range(interval: "Interval | None") -> str:
    return "–" if interval is None or is_point(interval) else f"{percent(interval.low)} to {percent(interval.high)}"


def _signed(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "−")


def _signed_range(interval: "Interval | None") -> str:
    return "–" if interval is None or is_point(interval) else f"{_signed(interval.low)} to {_signed(interval.high)}"


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


# --- for programs


def as_json(findings: Findings) -> dict[str, Any]:
    """Everything; accuracies, differences and intervals are fractions from 0 to 1."""
    report = findings.report
    intervals = [result.measures[report.measure].interval for result in report.methods]
    interval = next((found for found in intervals if found is not None), None)
    document: dict[str, Any] = {
        "dataset": report.dataset,
        "images": report.images,
        "classes": list(report.classes),
        "backbone": findings.backbone,
        "weights": findings.weights,
        "framing": findings.framing,
        "protocol": {
            "splits": splits_of(report),
            "train_images": report.train_images,
            "test_images": report.test_images,
            "seed": report.seed,
            "official": report.official,
            "C": findings.C,
            "interval": None if interval is None else interval.method,
            "level": None if interval is None else interval.level,
        },
        "measure": report.measure,
        "methods": [method_json(result, report.measure) for result in report.methods],
        "paired": [paired_json(pair) for pair in report.paired],
        "problems": list(report.problems),
        "command": findings.command_line,
        "versions": versions(),
    }
    if findings.paper:
        document["paper"] = _paper_json(report)
    return document


def method_json(result: "MethodResult", main: str) -> dict[str, Any]:
    """A method's measures by their names; `interval` and `by_split` are of the `main` one."""
    measured = result.measures[main]
    return {
        "name": result.name,
        main: measured.value,
        "interval": _ends(measured.interval),
        **{name: other.value for name, other in result.measures.items() if name != main},
        "dimensions": result.dimensions,
        "bytes_per_image": result.bytes_per_image,
        "seconds_per_image": result.seconds_per_image,
        "by_split": list(measured.by_split),
    }


def paired_json(pair: "Paired") -> dict[str, Any]:
    test = pair.mcnemar
    counts = test and {"only_method": test.only_a, "only_baseline": test.only_b, "p_value": test.p_value}
    return {
        "method": pair.method,
        "baseline": pair.baseline,
        "difference": pair.difference,
        "interval": _ends(pair.interval),
        "mcnemar": counts,
    }


def _paper_json(report: "Report") -> dict[str, Any]:
    from crosspool.evaluation.paper import CITATION, DATASET, NOTE, counterparts

    rows = [
        {
            "method": row.method,
            "accuracy": round(row.accuracy / 100, 4),
            "remark": row.remark,
            "of_its_kind": list(names),
        }
        for row, names in counterparts([result.name for result in report.methods])
    ]
    return {"dataset": DATASET, "citation": CITATION, "note": NOTE, "rows": rows}


def _ends(interval: "Interval | None") -> list[float] | None:
    return None if interval is None or is_point(interval) else [interval.low, interval.high]


def versions() -> dict[str, str]:
    """What the numbers may depend on."""
    return {"crosspool": __version__, **{name: version(name) for name in ("torch", "torchvision", "scikit-learn")}}
