"""The findings of an evaluation: the report with its network, protocol and command, as sentences and as JSON."""

import re
import shlex
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from crosspool import __version__

if TYPE_CHECKING:
    from crosspool.datasets import Dataset
    from crosspool.evaluation.report import Choice, MethodResult, Paired, Report

MEASURES = {"accuracy": "accuracy", "mean_average_precision": "mean average precision"}


_TRUE_PARTS = re.compile(r"/true(?![\w.])", re.IGNORECASE)


def reads_true_parts(method: str) -> bool:
    """Whether a method, by its name, reads the true boxes of the parts in test images."""
    return _TRUE_PARTS.search(method) is not None


@dataclass(frozen=True)
class AccuracyFindings:
    """A report, with the settings that it does not hold itself."""

    report: "Report"
    backbone: str
    network: str
    """The backbone's title."""
    weights: str
    framing: str
    C: float
    command: tuple[str, ...]
    """The command that reproduces these findings."""
    paper: bool
    dataset: "Dataset | None" = None
    """The data set that the methods were tested on."""
    remarks: tuple[str, ...] = ()
    """Further sentences on how they were tested."""

    @property
    def command_line(self) -> str:
        return shlex.join(self.command)

    @property
    def measure(self) -> str:
        return MEASURES[self.report.measure]

    @property
    def data_sentence(self) -> str:
        """One line about the data and the network."""
        report = self.report
        labels = "classes" if report.measure == "accuracy" else "labels"
        data = f"{report.dataset}: {report.images:,} images, {len(report.classes)} {labels}"
        return f"{data}. {self.network}, {self.framing} framing."

    @property
    def introduction(self) -> list[str]:
        """What stands above the tables, a paragraph each."""
        return [self.data_sentence, *self.layout_sentences, self.protocol_sentence, *self.remarks]

    @property
    def layout_sentences(self) -> list[str]:
        """How the files of the data set were understood, in a sentence; none for a generated one."""
        return [self.dataset.layout] if self.dataset is not None and self.dataset.layout else []

    @property
    def protocol_sentence(self) -> str:
        """One line about the protocol."""
        report, count = self.report, self.report.split_count
        random = "One random split" if count == 1 else f"{count} random splits"
        kind = "The official split" if report.official else random
        training_sizes = {len(outcome.split.train) for outcome in report.methods[0].outcomes}
        about = "about " if len(training_sizes) > 1 else ""  # equal images stay together, and count as one
        sizes = f"{about}{report.train_images:,} images to train on and {report.test_images:,} to test on"
        return f"{kind}: {sizes}. Linear SVM, C={self.C:g}. Seed {report.seed}."


def versions() -> dict[str, str]:
    """The versions of the packages that the numbers may depend on."""
    return {"crosspool": __version__, **{name: version(name) for name in ("torch", "torchvision", "scikit-learn")}}


def versions_sentence() -> str:
    return ", ".join(f"{name} {number}" for name, number in versions().items())


def accuracy_json(findings: AccuracyFindings) -> dict[str, Any]:
    """All findings; accuracies, differences and intervals are fractions from 0 to 1."""
    report = findings.report
    intervals = [result.measures[report.measure].interval for result in report.methods]
    interval = next((candidate for candidate in intervals if candidate is not None), None)
    protocol = {"splits": report.split_count, **_attributes(report, "train_images", "test_images", "seed", "official")}
    protocol |= {"C": findings.C, "interval": interval and interval.method, "level": interval and interval.level}
    return {
        **_attributes(report, "dataset", "images", "classes"),
        "layout": " ".join(findings.layout_sentences),
        **_attributes(findings, "backbone", "weights", "framing"),
        "protocol": protocol,
        "measure": report.measure,
        "methods": [method_json(result, report.measure) for result in report.methods],
        "paired": [paired_json(pair) for pair in report.paired],
        "choices": [choice_json(choice, report.measure) for choice in report.choices],
        "chosen_paired": [paired_json(pair) for pair in report.chosen_paired],
        "recommended": report.recommended,
        "problems": report.problems,
        "command": findings.command_line,
        "versions": versions(),
        **({"paper": _paper_json(report)} if findings.paper else {}),
        **({"remarks": findings.remarks} if findings.remarks else {}),
    }


def method_json(result: "MethodResult", main: str) -> dict[str, Any]:
    """A method's measures by their names; `interval` and `by_split` are of the `main` one."""
    measured = result.measures[main]
    return {
        "name": result.name,
        main: measured.value,
        "interval": None if measured.interval is None else measured.interval.ends,
        **{name: other.value for name, other in result.measures.items() if name != main},
        **_attributes(result, "dimensions", "bytes_per_image", "seconds_per_image"),
        "by_split": measured.by_split,
        **({"localised": dict(result.localised)} if result.localised else {}),
        **({"untuned": result.untuned} if result.untuned else {}),
    }


def choice_json(choice: "Choice", main: str) -> dict[str, Any]:
    """A choice: its kind, what was chosen from and how often, and the measure of what was chosen."""
    measured = choice.result.measures[main]
    return {
        "name": choice.result.name,
        **_attributes(choice, "kind", "candidates"),
        "picks": dict(choice.counts),
        main: measured.value,
        "interval": None if measured.interval is None else measured.interval.ends,
        "by_split": measured.by_split,
    }


def paired_json(pair: "Paired") -> dict[str, Any]:
    """A comparison, with the counts and the p-value of McNemar's test."""
    test = pair.mcnemar
    counts = test and {"only_method": test.only_a, "only_baseline": test.only_b, "p_value": test.p_value}
    return {**vars(pair), "interval": None if pair.interval is None else pair.interval.ends, "mcnemar": counts}


def _paper_json(report: "Report") -> dict[str, Any]:
    from crosspool.evaluation.paper import CITATION, DATASET, NOTE, counterparts

    rows = [
        {"method": row.name, "accuracy": round(row.accuracy / 100, 4), "remark": row.remark, "of_its_kind": names}
        for row, names in counterparts([result.name for result in report.methods])
    ]
    return {"dataset": DATASET, "citation": CITATION, "note": NOTE, "rows": rows}


def _attributes(source: object, *names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}
