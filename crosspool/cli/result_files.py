"""The folder of files that `evaluate --out` writes, each replaced whole."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosspool.cli.findings import Findings, as_json, how, markdown, method_json, splits_of
from crosspool.cli.outputs import any_script, made_folder, write_figure, write_text

if TYPE_CHECKING:
    import numpy as np

LONGEST_NAME = 100
COST_FIGURE = "accuracy-against-bytes"


def write_results(folder: Path, findings: Findings) -> list[str]:
    """Write all files and return their names."""
    made_folder(folder)
    texts = {
        "results.json": json.dumps(as_json(findings), indent=2, ensure_ascii=False) + "\n",
        "results.csv": _method_rows(findings),
        "results.md": markdown(findings),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [*texts, *_cost_figures(folder, findings), *_confusions(folder, findings)]


def file_names(methods: Sequence[str]) -> list[str]:
    """A file name's part for each method: signs that a file system may refuse become dashes, and no two are equal."""
    taken: set[str] = set()
    names = []
    for method in methods:
        stem = re.sub(r"[^\w.@+]+", "-", method, flags=re.ASCII)[:LONGEST_NAME].strip("-.")
        name, number = stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.lower())
        names.append(name)
    return names


def _method_rows(findings: Findings) -> str:
    """One row for each method, with the columns of the JSON's `methods`."""
    rows = []
    for result in findings.report.methods:
        row: dict[str, Any] = {}
        for name, value in method_json(result, findings.report.measure).items():
            if name == "interval":
                row["interval_low"], row["interval_high"] = value or (None, None)
            elif name != "by_split":
                row[name] = value
        rows.append(row)
    return _csv([list(rows[0]), *(list(row.values()) for row in rows)])


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cost_figures(folder: Path, findings: Findings) -> Iterator[str]:
    from crosspool.figures import Point, cost_figure

    points = []
    for result in findings.report.methods:
        measured = result.measures[findings.report.measure]
        interval = None if measured.interval is None else (measured.interval.low, measured.interval.high)
        points.append(Point(result.name, result.bytes_per_image, measured.value, interval))
    title = f"{findings.report.dataset}, {findings.network}\n{how(findings)}"
    with any_script():
        figure = cost_figure(points, findings.measure, title)
    for suffix, about in (("png", {"Description": findings.command_line}), ("svg", {"Date": None})):
        name = f"{COST_FIGURE}.{suffix}"
        write_figure(folder / name, figure, {"Title": f"{findings.measure} against bytes", **about})
        yield name


def _confusions(folder: Path, findings: Findings) -> Iterator[str]:
    """For each method the counts as CSV and as a figure, where images have one class each."""
    methods = findings.report.methods
    for result, name in zip(methods, file_names([result.name for result in methods]), strict=True):
        if result.confusion is not None:
            yield from _confusion(folder, findings, f"confusion-{name}", result.name, result.confusion)


def _confusion(folder: Path, findings: Findings, name: str, method: str, matrix: "np.ndarray") -> Iterator[str]:
    from crosspool.figures import confusion_figure

    classes = list(findings.report.classes)
    rows = [[label, *counts] for label, counts in zip(classes, matrix.tolist(), strict=True)]
    write_text(folder / f"{name}.csv", _csv([["true class", *classes], *rows]))
    yield f"{name}.csv"
    count = splits_of(findings.report)
    title = f"{method}, {findings.report.dataset}" + ("" if count == 1 else f", {count} splits together")
    figure = confusion_figure(matrix, classes, title)
    write_figure(folder / f"{name}.png", figure, {"Title": title, "Description": findings.command_line})
    yield f"{name}.png"
