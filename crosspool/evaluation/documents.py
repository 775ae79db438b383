"""What an evaluation found, for programs: as JSON."""

from typing import TYPE_CHECKING, Any

from crosspool.evaluation.findings import AccuracyFindings, is_point, split_count, versions

if TYPE_CHECKING:
    from crosspool.evaluation.intervals import Interval
    from crosspool.evaluation.report import MethodResult, Paired, Report


def accuracy_json(findings: AccuracyFindings) -> dict[str, Any]:
    """Everything; accuracies, differences and intervals are fractions from 0 to 1."""
    report = findings.report
    intervals = [result.measures[report.measure].interval for result in report.methods]
    interval = next((candidate for candidate in intervals if candidate is not None), None)
    document: dict[str, Any] = {
        "dataset": report.dataset,
        "images": report.images,
        "classes": list(report.classes),
        "backbone": findings.backbone,
        "weights": findings.weights,
        "framing": findings.framing,
        "protocol": {
            "splits": split_count(report),
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
