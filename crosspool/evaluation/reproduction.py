"""The paper's Table 1 anew on a published data set: every row run by itself, and ours beside the paper's figure.

A row is one method with the paper's settings on the published split. It is evaluated in a process of its own, which
gives its time and its memory, and leaves a file; a row that has one is not run again.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from crosspool.datasets import Dataset
from crosspool.errors import DatasetError
from crosspool.evaluation.findings import MEASURES
from crosspool.evaluation.paper import BEST, CITATION, TABLE_1, Published
from crosspool.strict_json import json_text
from crosspool.text import Column, Section, human_bytes, percent, plural, shown_ends, signed_percent, time_in_words
from crosspool.whole_files import whole_file

NETWORK = "alexnet"
IMAGES = {"CUB-200-2011": 11_788, "MIT-67": 6_700, "PASCAL VOC 2007": 9_963, "Attributes of People": 8_035}
"""How many images the published data sets have."""
TABLE_1_DATASET = "CUB-200-2011"


@dataclass(frozen=True)
class Finished:
    """A process that ended: its exit status, its output, the last line that it wrote on standard error, its costs."""

    status: int
    out: str
    complaint: str
    seconds: float
    peak_bytes: int


Run = Callable[[Sequence[str]], Finished]
"""Runs crosspool with these words."""


def run_process(words: Sequence[str]) -> Finished:
    """Run crosspool in a process of its own; what it writes on standard error is passed on as it comes."""
    start, complaint = time.perf_counter(), ""
    command = [sys.executable, "-m", "crosspool", *words]
    with (
        tempfile.TemporaryFile("w+") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            sys.stderr.write(line)
            complaint = line.strip() or complaint
        peak = 0
        if hasattr(os, "wait4"):  # not on Windows
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        process.wait()
        if process.returncode < 0 or not complaint:
            complaint = f"its process ended with status {process.returncode}"
        out.seek(0)
        return Finished(process.returncode, out.read(), complaint, time.perf_counter() - start, peak)


@dataclass(frozen=True)
class Row:
    """What came of a row: the measure of its method from 0 to 1 and its costs, or why there is none.

    `about` is what else decides it: the version, the data set, the weights.
    """

    name: str
    command: tuple[str, ...]
    about: tuple[str, ...]
    measure: str = ""
    value: float | None = None
    interval: tuple[float, float] | None = None
    seconds: float = 0.0
    peak_bytes: int = 0
    problem: str = ""

    @classmethod
    def of(cls, name: str, command: Sequence[str], about: Sequence[str], finished: Finished) -> "Row":
        row = cls(name, tuple(command), tuple(about), seconds=finished.seconds, peak_bytes=finished.peak_bytes)
        if finished.status != 0:
            return replace(row, problem=finished.complaint.removeprefix("crosspool: "))
        document = json.loads(finished.out)
        (method,), measure = document["methods"], document["measure"]
        interval = method["interval"] and tuple(method["interval"])
        return replace(row, measure=measure, value=method[measure], interval=interval)


def reproduce(
    folder: Path, data: Sequence[str], about: Sequence[str], rows: Sequence[Published] = TABLE_1, *,
    run: Run = run_process, progress: Callable[[Published, int], None] = lambda row, number: None,
) -> list[Row]:  # fmt: skip
    """Run the rows that `folder` has no file of, and keep what came of each as soon as it is there.

    `data` are the data set and the options of the network, as words of `crosspool evaluate`, `about` what else decides
    the rows; `progress` is told the row that begins. A row that could not be run has a file, too, but is run again the
    next time.
    """
    results = []
    for number, published in enumerate(rows):
        command = ("evaluate", *data, "--methods", published.method, "--backbone", NETWORK, "--official", "--json")
        path = folder / file_name(published)
        row = kept_row(path, command, about)
        if row is None:
            progress(published, number)
            row = Row.of(published.name, command, about, run(command))
            with whole_file(path) as temporary:
                temporary.write_text(json_text(asdict(row), indent=2) + "\n", encoding="utf-8")
        results.append(row)
    return results


def file_name(row: Published) -> str:
    """The name of the file of a row's result."""
    return f"{row.method}.json"


def kept_row(path: Path, command: Sequence[str], about: Sequence[str]) -> Row | None:
    """A row that this command left about the same, if it has a result."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        row = Row(**{**document, **{name: tuple(document[name]) for name in ("command", "about")}})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    is_same = (row.command, row.about) == (tuple(command), tuple(about))
    return row if is_same and row.value is not None else None


def expect_published(dataset: Dataset) -> None:
    """Raise DatasetError where this is none of the data sets of the paper, with its published split."""
    if dataset.name not in BEST or dataset.official is None:
        known = ", ".join(BEST)
        raise DatasetError(
            f"{dataset.name} is not one of the paper's data sets with its published split; name the unpacked folder of "
            f"one of {known}."
        )


def reproduction_sections(dataset: Dataset, rows: Sequence[Row]) -> list[Section]:
    """Ours beside the paper's figures, and what to know about them."""
    published = {row.name: row for row in TABLE_1}
    is_table_1 = dataset.name == TABLE_1_DATASET
    figures = [published[row.name].accuracy / 100 if is_table_1 else None for row in rows]
    columns = (
        Column("in the paper", [row.name for row in rows]),
        Column("its figure", [_percent(figure) for figure in figures], right=True),
        Column("here", [published[row.name].method for row in rows], names=True),
        Column("ours", [_percent(row.value) for row in rows], right=True),
        Column("95 % interval", [_range(row.interval) for row in rows], right=True),
        Column("difference", [_difference(row.value, figure) for row, figure in zip(rows, figures, strict=True)]),
        Column("time", [time_in_words(row.seconds) if row.value is not None else "–" for row in rows], optional=1),
        Column("memory", [human_bytes(row.peak_bytes) if row.value is not None else "–" for row in rows], optional=2),
    )
    return [Section(f"Table 1 on {dataset.name}", columns, tuple(_notes(dataset, rows)))]


def _notes(dataset: Dataset, rows: Sequence[Row]) -> list[str]:
    measure = next((MEASURES[row.measure] for row in rows if row.measure), "accuracy")
    notes = [f"Ours: {measure} on the published split. The paper's: {CITATION}; its AlexNet was another one."]
    if dataset.name != TABLE_1_DATASET:
        notes.append(f"Its table is on Birds-200; its best on {dataset.name} is {BEST[dataset.name]:.1f} %.")
    if len(dataset) != IMAGES[dataset.name]:
        published = plural(IMAGES[dataset.name], "image")
        notes.append(
            f"NOT the published data set: {len(dataset):,} of its {published}. These figures say nothing about the "
            "paper's."
        )
    notes += [f"{row.name} was not run: {row.problem}" for row in rows if row.value is None]
    return notes


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{percent(value)} %"


def _range(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else " to ".join(shown_ends(*interval))


def _difference(value: float | None, figure: float | None) -> str:
    return "–" if value is None or figure is None else signed_percent(value - figure)
