"""What an evaluation found and how: the report with its network, protocol and command, and one line on each."""

import shlex
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from crosspool import __version__

if TYPE_CHECKING:
    from crosspool.datasets import Dataset
    from crosspool.evaluation.intervals import Interval
    from crosspool.evaluation.report import Report

MEASURES = {"accuracy": "accuracy", "mean_average_precision": "mean average precision"}
NO_WIDTH = 1e-9  # of an interval: less is how floating-point numbers are rounded


@dataclass(frozen=True)
class AccuracyFindings:
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


def data_sentence(findings: AccuracyFindings) -> str:
    """The data and the network, in a line."""
    report = findings.report
    kind = "labels" if "mean_average_precision" in report.methods[0].measures else "classes"
    return (
        f"{report.dataset}: {report.images:,} images, {len(report.classes)} {kind}. {findings.network}, "
        f"{findings.framing} framing."
    )


def protocol_sentence(findings: AccuracyFindings) -> str:
    """The protocol, in a line."""
    report, count = findings.report, split_count(findings.report)
    random = "One random split" if count == 1 else f"{count} random splits"
    kind = "The official split" if report.official else random
    trained_on = {len(outcome.split.train) for outcome in report.methods[0].outcomes}
    about = "about " if len(trained_on) > 1 else ""  # equal images stay together, and count as one
    sizes = f"{about}{report.train_images:,} images to train on and {report.test_images:,} to test on"
    return f"{kind}: {sizes}. Linear SVM, C={findings.C:g}. Seed {report.seed}."


def split_count(report: "Report") -> int:
    return len(report.methods[0].outcomes)


def is_point(interval: "Interval") -> bool:
    """Whether it has no width."""
    return interval.high - interval.low < NO_WIDTH


def versions() -> dict[str, str]:
    """What the numbers may depend on."""
    return {"crosspool": __version__, **{name: version(name) for name in ("torch", "torchvision", "scikit-learn")}}


def versions_sentence() -> str:
    return ", ".join(f"{name} {number}" for name, number in versions().items())
