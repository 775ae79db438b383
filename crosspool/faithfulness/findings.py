"""What was found, for people (tables with their notes, Markdown), for programs (JSON, CSV), and as a figure."""

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from crosspool.drawing.figures import Line, Panel, curves_figure, figure_bytes
from crosspool.evaluation.findings import Section, is_point, percent, versions
from crosspool.evaluation.report import Measured
from crosspool.faithfulness.curves import ACCURACY, ENERGY_LEFT, MARGIN, UNCHANGED, Curves
from crosspool.faithfulness.orders import BASELINE, MOST
from crosspool.faithfulness.parts import AREA, BEST, OWN, PartShares, Shares
from crosspool.faithfulness.study import CHANNEL_DRAWS, POSITION_DRAWS, Answer
from crosspool.tables import Column, csv_text, markdown_table

CURVES_FIGURE = "curves"
Formatting = Callable[[float], str]


@dataclass(frozen=True)
class Findings:
    """An answer, and what it does not say of how it came about."""

    answer: Answer
    backbone: str
    network: str
    """The backbone's name for people."""
    weights: str
    command: tuple[str, ...]
    """The command that gives these findings again."""

    @property
    def command_line(self) -> str:
        return shlex.join(self.command)


def what(findings: Findings) -> str:
    """What was asked of which data, in a few sentences."""
    answer, question = findings.answer, findings.answer.question
    return (
        f"{answer.dataset}: {answer.images:,} images, {answer.classes} classes. {findings.network}, squash framing. "
        f"{question.method.name} explained, beside {question.baseline.name}. {answer.splits} random splits: about "
        f"{answer.sizes.train:,.0f} images to train on and {answer.sizes.test:,.0f} to test on; linear SVM, seed "
        f"{question.seed}. Accuracy of the whole pictures: {_with_interval(answer.accuracy, _percent)} %, "
        f"{question.baseline.name} {_with_interval(answer.baseline_accuracy, _percent)} %."
    )


def curves_of(answer: Answer) -> dict[str, Curves]:
    """All curves by what was done."""
    found = {
        "channels taken away": answer.channels,
        "positions left out": answer.deletion,
        "positions put in": answer.insertion,
        "pixels hidden": answer.pixel_deletion,
        "pixels shown": answer.pixel_insertion,
    }
    return {name: curves for name, curves in found.items() if curves is not None}


# --- for people


def sections(findings: Findings) -> list[Section]:
    """All tables."""
    answer = findings.answer
    found = [_channels(answer), _channel_series(answer)]
    for name, curves in list(curves_of(answer).items())[1:]:
        found += _positions(answer, name, curves)
    return found if answer.parts is None else [*found, *_parts(answer.parts)]


def _channels(answer: Answer) -> Section:
    curves, fraction = answer.channels, answer.question.fraction
    at, change = partial(curves.at, fraction=fraction), partial(curves.change, fraction=fraction)
    orders = curves.orders
    columns = (
        Column("first taken", orders),
        _column("accuracy %", [at(ACCURACY, order) for order in orders], _percent),
        _column(f"“{MOST}” against it", _against(at, ACCURACY, orders), _points),
        _column("unchanged %", [at(UNCHANGED, order) for order in orders], _percent, optional=2),
        _column("margin", [change(MARGIN, order) for order in orders], _decimal, optional=1),
        Column("energy gone %", [_percent(1 - at(ENERGY_LEFT, order).value) for order in orders], right=True),
    )
    return Section(f"{100 * fraction:g} % of the channels taken away", columns, (
        f"“{MOST}” and “least”: by what a channel contributes to the predicted class's score. Random ones: among all, "
        "among those that are not zero on the picture, and matched: with energies as the “most” have "
        f"({CHANNEL_DRAWS} draws each). Energy: the channel's share of the squared length of the vector. Unchanged: "
        "predictions that stay. Margin: how the predicted class's lead over the best other one changes.", _INTERVALS,
    ))  # fmt: skip


_INTERVALS = (
    "In brackets: 95 %, corrected resampled t over the splits (Nadeau and Bengio, 2003); differences, in points, are "
    "paired by split."
)


def _channel_series(answer: Answer) -> Section:
    return Section("Accuracy in %, by the share of channels taken away", _series(answer.channels, ACCURACY))


def _series(curves: Curves, measure: str) -> tuple[Column, ...]:
    return (
        Column("first", curves.orders),
        *(
            Column(
                f"{100 * fraction:g} %",
                [_percent(curves.at(measure, order, fraction).value) for order in curves.orders],
                right=True,
            )
            for fraction in curves.fractions
        ),
    )


def _positions(answer: Answer, name: str, curves: Curves) -> list[Section]:
    orders = curves.orders
    columns = (
        Column("first", orders),
        _column("accuracy %", [curves.area(ACCURACY, order) for order in orders], _percent),
        _column(f"“{MOST}” against it", _against(curves.area, ACCURACY, orders), _points),
        _column("margin", [curves.area(MARGIN, order) for order in orders], _decimal),
        _column(f"“{MOST}” against it", _against(curves.area, MARGIN, orders), _decimal),
    )
    is_taken = curves is answer.deletion or curves is answer.pixel_deletion
    notes = [f"Areas are means over all shares from 0 to 100 %. {'Lower' if is_taken else 'Higher'} is better."]
    if curves is answer.deletion:
        notes.append(
            f"“{MOST}”: where the most evidence for the predicted class lies. “{BASELINE}”: by the map of "
            f"{answer.question.baseline.name} for the class that it predicts itself, and for the same class. Energy: "
            f"where the vector's squared length comes from, whatever the class. Random: {POSITION_DRAWS} draws."
        )
    if curves is answer.pixel_deletion:
        fill = {"blur": "the blurred picture", "mean": "the picture's mean colour"}[answer.question.fill]
        notes.append(
            f"Of {answer.question.pixels} test images of each split; {fill} in place of hidden cells, and the network "
            "run again. Random: one draw."
        )
    notes.append(_INTERVALS)
    title = name.capitalize()
    return [
        Section(f"{title}: areas under the curves", columns, tuple(notes)),
        Section(f"{title}: accuracy in %, by their share", _series(curves, ACCURACY)),
    ]


def _parts(parts: PartShares) -> list[Section]:
    found = []
    for question, by_kind in parts.values.items():
        kinds = list(by_kind)
        columns = (
            Column("map", kinds),
            _column("in the parts %", [parts.of(question, kind, "parts") for kind in kinds], _percent),
            _column(
                f"“{OWN}” against it",
                [None if kind == OWN else parts.of(question, OWN, "parts", kind) for kind in kinds],
                _points,
            ),
            _column("in the bird %", [parts.of(question, kind, "bird") for kind in kinds], _percent, optional=1),
            _column("of that, in the parts %", [parts.of(question, kind, "parts_of_bird") for kind in kinds], _percent),
        )
        found.append(Section(f"Where the positive evidence lies: the {question}", columns, (
            "Parts: those that define the true class, or tell it from the sister species. "
            f"“{AREA}”: evidence spread evenly, the chance level. “{BEST}”: all in the one cell that has most of the "
            "parts, which no map of this grid can exceed.", _INTERVALS,
        )))  # fmt: skip
    return found


def _against(measure: Callable[..., Measured], name: str, orders: Sequence[str]) -> list[Measured | None]:
    return [None if order == MOST else measure(name, MOST, against=order) for order in orders]


def _column(title: str, cells: Sequence[Measured | None], formatting: Formatting, optional: int = 0) -> Column:
    return Column(
        title, ["" if cell is None else _with_interval(cell, formatting) for cell in cells], optional=optional
    )


def _with_interval(found: Measured, formatting: Formatting) -> str:
    if found.interval is None or is_point(found.interval):
        return formatting(found.value)
    return f"{formatting(found.value)} [{formatting(found.interval.low)}, {formatting(found.interval.high)}]"


def _percent(fraction: float) -> str:
    return percent(fraction).replace("-", "−")


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "−")


def _decimal(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def markdown(findings: Findings) -> str:
    """A page for a project's documents, with the command that made it."""
    parts = ["# Is the explanation true?", f"```console\n{findings.command_line}\n```", what(findings)]
    for section in sections(findings):
        parts += [f"## {section.title}", markdown_table(section.columns), " ".join(section.notes)]
    parts.append("Made with " + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".")
    return "\n\n".join(part for part in parts if part) + "\n"


# --- for programs


def as_json(findings: Findings) -> dict[str, Any]:
    """Everything; shares, accuracies and intervals are fractions from 0 to 1, margins are in the scores' own units."""
    answer, question = findings.answer, findings.answer.question
    return {
        "dataset": answer.dataset,
        "images": answer.images,
        "classes": answer.classes,
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
             "most_against_it": None if order == MOST else _json(curves.area(measure, MOST, against=order))}
            for name, curves in curves_of(answer).items() for order in curves.orders for measure in curves.values
        ],
        "parts": None if answer.parts is None else [
            dict(zip(("question", "map", "share"), names, strict=True)) | _json(found)
            for *names, found in _shares(answer.parts)
        ],
        "command": findings.command_line,
        "versions": versions(),
    }  # fmt: skip


def _json(found: Measured) -> dict[str, Any]:
    ends = None if found.interval is None else [found.interval.low, found.interval.high]
    return {"value": found.value, "interval": ends, "by_split": list(found.by_split)}


def _shares(parts: PartShares) -> Iterator[tuple[str, str, str, Measured]]:
    for question, by_kind in parts.values.items():
        for kind in by_kind:
            for share in fields(Shares):
                yield question, kind, share.name, parts.of(question, kind, share.name)


# --- files


def files_of(findings: Findings) -> dict[str, Callable[[], bytes]]:
    """The contents of every file by its name, each made when it is asked for."""
    texts: dict[str, Callable[[], str]] = {
        "faithfulness.json": lambda: json.dumps(as_json(findings), indent=2, ensure_ascii=False) + "\n",
        "faithfulness.md": partial(markdown, findings),
        "curves.csv": partial(_curve_rows, findings.answer),
    }
    if findings.answer.parts is not None:
        texts["parts.csv"] = partial(_part_rows, findings.answer.parts)
    files = {name: partial(_encoded, text) for name, text in texts.items()}
    return {**files, **{f"{CURVES_FIGURE}.{kind}": partial(_figure, findings, kind) for kind in ("png", "svg")}}


def _encoded(text: Callable[[], str]) -> bytes:
    return text().encode()


def _curve_rows(answer: Answer) -> str:
    rows: list[list[Any]] = [["what", "first", "measure", "fraction", "value", "interval_low", "interval_high"]]
    for name, curves in curves_of(answer).items():
        for order in curves.orders:
            for measure in curves.values:
                for fraction in curves.fractions:
                    rows.append([name, order, measure, fraction, *_row(curves.at(measure, order, fraction))])
    return csv_text(rows)


def _part_rows(parts: PartShares) -> str:
    rows: list[list[Any]] = [["question", "map", "share", "value", "interval_low", "interval_high"]]
    return csv_text([*rows, *([*names, *_row(found)] for *names, found in _shares(parts))])


def _row(found: Measured) -> list[float | None]:
    interval = found.interval
    return [found.value, *((None, None) if interval is None else (interval.low, interval.high))]


def _figure(findings: Findings, kind: str) -> bytes:
    answer = findings.answer
    panels = []
    for name, curves in curves_of(answer).items():
        lines = []
        for order in curves.orders:
            values = [curves.at(ACCURACY, order, fraction) for fraction in curves.fractions]
            ends = [value.interval for value in values]
            known = [(end.low, end.high) for end in ends if end is not None]
            lines.append(Line(order, [value.value for value in values], known if len(known) == len(ends) else None))
        panels.append(Panel(name, curves.fractions, lines))
    title = f"{answer.question.method.name}, {answer.dataset}, {findings.network}: accuracy"
    about: dict[str, str | None] = {"Date": None} if kind == "svg" else {"Description": findings.command_line}
    return figure_bytes(curves_figure(panels, title), kind, {"Title": title, **about})
