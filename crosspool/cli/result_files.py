"""The folder of files that `evaluate --out` writes, each replaced whole."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosspool.cli.findings import Findings, as_json, how, is_point, markdown, method_json, paired_json, splits_of
from crosspool.cli.outputs import any_script, made_folder, write_figure, write_text
from crosspool.text import printable

if TYPE_CHECKING:
    from crosspool.datasets import Dataset
    from crosspool.evaluation.report import MethodResult

LONGEST_NAME = 100
COST_FIGURE = "accuracy-against-bytes"
RECORD = "results.json"
OWN_FILES = re.compile(
    rf"results\.(csv|md)|(paired|predictions)\.csv|{COST_FIGURE}\.(png|svg)|confusion-[\w.@+-]+\.(csv|png)", re.ASCII
)


def write_results(folder: Path, findings: Findings) -> list[str]:
    """Write all files and return their names; what an earlier run wrote here and this one does not is removed."""
    made_folder(folder)
    texts = {"results.csv": _method_rows(findings), "results.md": markdown(findings)}
    if findings.report.paired:
        texts["paired.csv"] = _paired_rows(findings)
    if findings.dataset is not None and not findings.dataset.multi_label:
        texts["predictions.csv"] = _prediction_rows(findings, findings.dataset)
    figures = [f"{COST_FIGURE}.{suffix}" for suffix in ("png", "svg")]
    confusions = [f"{stem}.{suffix}" for _, stem in _confusion_stems(findings) for suffix in ("csv", "png")]
    files = [RECORD, *texts, *figures, *confusions]
    earlier = _files_of(folder / RECORD)
    write_text(folder / RECORD, json.dumps({**as_json(findings), "files": files}, indent=2, ensure_ascii=False) + "\n")
    for name in earlier - set(files):
        _remove(folder / name)
    for name, text in texts.items():
        write_text(folder / name, text)
    _cost_figures(folder, findings)
    for result, stem in _confusion_stems(findings):
        _confusion(folder, findings, stem, result)
    return files


def _files_of(record: Path) -> set[str]:
    """What the run that wrote results.json says that it wrote, as far as those are names that this tool gives."""
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    listed = document.get("files") if isinstance(document, dict) else None
    names = listed if isinstance(listed, list) else []
    return {name for name in names if isinstance(name, str) and OWN_FILES.fullmatch(name)}


def _remove(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        with suppress(OSError):
            path.unlink()


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
    return _table(method_json(result, findings.report.measure) for result in findings.report.methods)


def _paired_rows(findings: Findings) -> str:
    """One row for each comparison, with the columns of the JSON's `paired`."""
    return _table(paired_json(pair) for pair in findings.report.paired)


def _table(documents: Iterable[dict[str, Any]]) -> str:
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
    return _csv([list(rows[0]), *(list(row.values()) for row in rows)])


def _prediction_rows(findings: Findings, dataset: "Dataset") -> str:
    """One row for each image: in how many splits each method was tested on it, and in how many it was right."""
    header, columns = ["sample", "true class"], []
    for result in findings.report.methods:
        if result.correct is not None:
            header += [f"{result.name} tested", f"{result.name} right"]
            columns += [(result.correct >= 0).sum(axis=0), (result.correct == 1).sum(axis=0)]
    rows = [
        [printable(sample.name), dataset.classes[target], *(int(column[index]) for column in columns)]
        for index, (sample, target) in enumerate(zip(dataset.samples, dataset.targets, strict=True))
    ]
    return _csv([header, *rows])


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cost_figures(folder: Path, findings: Findings) -> None:
    from crosspool.figures import Point, cost_figure

    points = []
    for result in findings.report.methods:
        measured = result.measures[findings.report.measure]
        found = measured.interval
        interval = None if found is None or is_point(found) else (found.low, found.high)
        points.append(Point(result.name, result.bytes_per_image, measured.value, interval))
    title = f"{findings.report.dataset}, {findings.network}\n{how(findings)}"
    with any_script():
        figure = cost_figure(points, findings.measure, title)
    for suffix, about in (("png", {"Description": findings.command_line}), ("svg", {"Date": None})):
        title = f"{findings.measure} against bytes"
        write_figure(folder / f"{COST_FIGURE}.{suffix}", figure, {"Title": title, **about})


def _confusion_stems(findings: Findings) -> "list[tuple[MethodResult, str]]":
    """Each method with its files' name up to the suffix, where images have one class each."""
    methods = findings.report.methods
    names = file_names([result.name for result in methods])
    return [(r, f"confusion-{name}") for r, name in zip(methods, names, strict=True) if r.confusion is not None]


def _confusion(folder: Path, findings: Findings, name: str, result: "MethodResult") -> None:
    """A method's counts as CSV and as a figure."""
    from crosspool.figures import confusion_figure

    matrix = result.confusion
    assert matrix is not None
    classes = list(findings.report.classes)
    rows = [[label, *counts] for label, counts in zip(classes, matrix.tolist(), strict=True)]
    write_text(folder / f"{name}.csv", _csv([["true class", *classes], *rows]))
    count = splits_of(findings.report)
    title = f"{result.name}, {findings.report.dataset}" + ("" if count == 1 else f", {count} splits together")
    figure = confusion_figure(matrix, classes, title)
    write_figure(folder / f"{name}.png", figure, {"Title": title, "Description": findings.command_line})
