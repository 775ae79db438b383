"""The files of an evaluation: their names and contents."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from crosspool.datasets import Dataset
from crosspool.evaluation.findings import AccuracyFindings, accuracy_json, method_json, paired_json
from crosspool.evaluation.report import MethodResult
from crosspool.evaluation.tables import accuracy_markdown
from crosspool.strict_json import json_text
from crosspool.text import csv_text, printable

LONGEST_NAME = 100
COST_FIGURE = "accuracy-against-bytes"
RECORD = "results.json"


def accuracy_files(findings: AccuracyFindings) -> dict[str, Callable[[], bytes]]:
    """The contents of every file by its name, each made on demand."""
    report = findings.report
    texts: dict[str, Callable[[], str]] = {
        "results.csv": lambda: _csv(method_json(result, report.measure) for result in report.methods),
        "results.md": lambda: accuracy_markdown(findings),
    }
    if report.paired:
        texts["paired.csv"] = lambda: _csv(map(paired_json, report.paired))
    if findings.dataset is not None and not findings.dataset.multi_label:
        texts["predictions.csv"] = partial(_prediction_rows, findings, findings.dataset)
    figures = {f"{COST_FIGURE}.{suffix}": partial(_cost_file, findings, suffix) for suffix in ("png", "svg")}
    for stem, result in confusion_results(findings).items():
        texts[f"{stem}.csv"] = partial(_confusion_rows, findings, result)
        figures[f"{stem}.png"] = partial(_confusion_file, findings, result)
    names = [RECORD, *texts, *figures]
    record = {
        RECORD: lambda: json_text({**accuracy_json(findings), "files": names}, indent=2, ensure_ascii=False) + "\n"
    }
    return {**encoded_files({**record, **texts}), **figures}


def encoded_files(texts: Mapping[str, Callable[[], str]]) -> dict[str, Callable[[], bytes]]:
    """Files in UTF-8, each made on demand."""

    def encoded(text: Callable[[], str]) -> bytes:
        return text().encode()

    return {name: partial(encoded, text) for name, text in texts.items()}


def safe_file_names(methods: Sequence[str]) -> list[str]:
    """A part of a file name for each method, all different: characters that a file system may refuse become dashes."""
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


def _csv(documents: Iterable[dict[str, Any]]) -> str:
    """A row for each document of JSON, with its values as columns."""
    rows = []
    for document in documents:
        row: dict[str, Any] = {}
        for name, value in document.items():
            if name == "interval":
                row["interval_low"], row["interval_high"] = value or (None, None)
            elif name == "mcnemar":
                row.update(value or {})
            elif name != "by_split":
                row[name] = value
        rows.append(row)
    return csv_text([list(rows[0]), *(list(row.values()) for row in rows)])


def _prediction_rows(findings: AccuracyFindings, dataset: Dataset) -> str:
    """A row for each image: in how many splits each method was tested on it, and in how many it was right."""
    header, columns = ["sample", "true class"], []
    for result in findings.report.methods:
        if result.correct is not None:
            header += [f"{result.name} tested", f"{result.name} right"]
            columns += [(result.correct >= 0).sum(axis=0), (result.correct == 1).sum(axis=0)]
    rows = [
        [printable(sample.name), dataset.classes[target], *(int(column[index]) for column in columns)]
        for index, (sample, target) in enumerate(zip(dataset.samples, dataset.targets, strict=True))
    ]
    return csv_text([header, *rows])


def _cost_file(findings: AccuracyFindings, suffix: str) -> bytes:
    """A figure of how well the methods do against the bytes of an image's vector."""
    from crosspool.drawing.cost import Point, cost_figure  # here, as matplotlib takes a second to load
    from crosspool.drawing.style import any_script, figure_bytes

    points = []
    for result in findings.report.methods:
        measured = result.measures[findings.report.measure]
        ends = None if measured.interval is None else measured.interval.ends
        points.append(Point(result.name, result.bytes_per_image, measured.value, ends))
    title = f"{findings.report.dataset}, {findings.network}\n{findings.protocol_sentence}"
    about: dict[str, str | None] = {"Title": f"{findings.measure} against bytes"}
    about |= {"Description": findings.command_line} if suffix == "png" else {"Date": None}
    with any_script():
        return figure_bytes(cost_figure(points, findings.measure, title), suffix, about)


def confusion_results(findings: AccuracyFindings) -> dict[str, MethodResult]:
    """Each method by the stem of its files' names; none where images have several labels."""
    methods = findings.report.methods
    names = safe_file_names([result.name for result in methods])
    return {f"confusion-{name}": r for r, name in zip(methods, names, strict=True) if r.confusion is not None}


def _confusion_rows(findings: AccuracyFindings, result: MethodResult) -> str:
    assert result.confusion is not None
    classes = list(findings.report.classes)
    rows = [[label, *counts] for label, counts in zip(classes, result.confusion.tolist(), strict=True)]
    return csv_text([["true class", *classes], *rows])


def _confusion_file(findings: AccuracyFindings, result: MethodResult) -> bytes:
    from crosspool.drawing.figures import confusion_figure
    from crosspool.drawing.style import figure_bytes

    assert result.confusion is not None
    count = findings.report.split_count
    title = f"{result.name}, {findings.report.dataset}" + ("" if count == 1 else f", {count} splits together")
    figure = confusion_figure(result.confusion, findings.report.classes, title)
    return figure_bytes(figure, "png", {"Title": title, "Description": findings.command_line})
