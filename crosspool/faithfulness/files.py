"""The files of a study of faithfulness: JSON, Markdown, CSV, and a figure of the curves."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from typing import Any

from crosspool.drawing.figures import Curve, Panel, curves_figure
from crosspool.drawing.style import figure_bytes
from crosspool.evaluation.files import encoded_files
from crosspool.evaluation.findings import versions
from crosspool.evaluation.report import Measured
from crosspool.faithfulness.curves import ACCURACY
from crosspool.faithfulness.orders import MOST_FIRST
from crosspool.faithfulness.parts import PartShares, Shares
from crosspool.faithfulness.study import StudyResult
from crosspool.faithfulness.tables import FaithfulnessFindings, curves_of, faithfulness_markdown
from crosspool.strict_json import json_text
from crosspool.text import csv_text

CURVES_FIGURE = "curves"


def faithfulness_files(findings: FaithfulnessFindings) -> dict[str, Callable[[], bytes]]:
    """The contents of every file by its name, each made on request."""
    texts: dict[str, Callable[[], str]] = {
        "faithfulness.json": lambda: json_text(faithfulness_json(findings), indent=2, ensure_ascii=False) + "\n",
        "faithfulness.md": partial(faithfulness_markdown, findings),
        "curves.csv": partial(_curve_rows, findings.answer),
    }
    if findings.answer.parts is not None:
        texts["parts.csv"] = partial(_part_rows, findings.answer.parts)
    return {
        **encoded_files(texts),
        **{f"{CURVES_FIGURE}.{kind}": partial(_figure, findings, kind) for kind in ("png", "svg")},
    }


def _curve_rows(answer: StudyResult) -> str:
    rows: list[list[Any]] = [["what", "first", "measure", "fraction", "value", "interval_low", "interval_high"]]
    for name, curves in curves_of(answer).items():
        for order in curves.orders:
            for measure in curves.values:
                for fraction in curves.fractions:
                    rows.append([name, order, measure, fraction, *_row(curves.at(measure, order, fraction))])
    return csv_text(rows)


def _part_rows(parts: PartShares) -> str:
    rows: list[list[Any]] = [["question", "map", "share", "value", "interval_low", "interval_high"]]
    return csv_text([*rows, *([*names, *_row(measured)] for *names, measured in _shares(parts))])


def _row(measured: Measured) -> list[float | None]:
    interval = measured.interval
    return [measured.value, *((None, None) if interval is None else (interval.low, interval.high))]


def _figure(findings: FaithfulnessFindings, kind: str) -> bytes:
    answer = findings.answer
    panels = []
    for name, curves in curves_of(answer).items():
        lines = []
        for order in curves.orders:
            values = [curves.at(ACCURACY, order, fraction) for fraction in curves.fractions]
            ends = [value.interval for value in values]
            intervals = [(end.low, end.high) for end in ends if end is not None]
            lines.append(
                Curve(order, [value.value for value in values], intervals if len(intervals) == len(ends) else None)
            )
        panels.append(Panel(name, curves.fractions, lines))
    title = f"{answer.question.method.name}, {answer.dataset}, {findings.network}: accuracy"
    about: dict[str, str | None] = {"Date": None} if kind == "svg" else {"Description": findings.command_line}
    return figure_bytes(curves_figure(panels, title), kind, {"Title": title, **about})


def faithfulness_json(findings: FaithfulnessFindings) -> dict[str, Any]:
    """Everything; shares, accuracies and intervals are fractions from 0 to 1, margins are in the scores' own units."""
    answer, question = findings.answer, findings.answer.question
    return {
        "dataset": answer.dataset,
        "images": answer.images,
        "classes": answer.classes,
        "layout": findings.layout,
        "backbone": findings.backbone,
        "weights": findings.weights,
        "method": question.method.name,
        "baseline": question.baseline.name,
        "splits": answer.splits,
        "train_images": answer.sizes.train,
        "test_images": answer.sizes.test,
        "seed": question.seed,
        "pixels": question.pixels,
        "fill": question.fill if question.pixels else None,
        "accuracy": _json(answer.accuracy),
        "baseline_accuracy": _json(answer.baseline_accuracy),
        "curves": [
            {"what": name, "first": order, "measure": measure, "fractions": list(curves.fractions),
             "values": [_json(curves.at(measure, order, fraction)) for fraction in curves.fractions],
             "area": _json(curves.area(measure, order)),
             "most_against_it": None if order == MOST_FIRST else _json(curves.area(measure, MOST_FIRST, against=order))}
            for name, curves in curves_of(answer).items() for order in curves.orders for measure in curves.values
        ],
        "parts": None if answer.parts is None else [
            dict(zip(("question", "map", "share"), names, strict=True)) | _json(measured)
            for *names, measured in _shares(answer.parts)
        ],
        "command": findings.command_line,
        "versions": versions(),
    }  # fmt: skip


def _json(measured: Measured) -> dict[str, Any]:
    ends = None if measured.interval is None else [measured.interval.low, measured.interval.high]
    return {"value": measured.value, "interval": ends, "by_split": list(measured.by_split)}


def _shares(parts: PartShares) -> Iterator[tuple[str, str, str, Measured]]:
    for question, by_kind in parts.values.items():
        for kind in by_kind:
            for share in fields(Shares):
                yield question, kind, share.name, parts.of(question, kind, share.name)
