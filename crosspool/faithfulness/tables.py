"""The findings of a study of faithfulness: a sentence, tables with their notes, and a page of Markdown."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from crosspool.evaluation.findings import versions_sentence
from crosspool.evaluation.report import Measured
from crosspool.faithfulness.curves import ACCURACY, ENERGY_LEFT, MARGIN, UNCHANGED, Curves
from crosspool.faithfulness.orders import BASELINE, MOST_FIRST
from crosspool.faithfulness.parts import AREA, BEST, OWN, PartShares
from crosspool.faithfulness.study import CHANNEL_DRAWS, POSITION_DRAWS, StudyResult
from crosspool.text import Column, Section, markdown_page, percent, shown_ends, signed_percent

Formatting = Callable[[float], str]


@dataclass(frozen=True)
class FaithfulnessFindings:
    """The result of a study, with the network and the command that it came from."""

    answer: StudyResult
    backbone: str
    network: str
    """The backbone's title."""
    weights: str
    command: tuple[str, ...]
    """The command that reproduces these findings."""
    layout: str = ""
    """How the files of the data set were understood, in a sentence; a generated one has none."""

    @property
    def command_line(self) -> str:
        return shlex.join(self.command)


def curves_of(answer: StudyResult) -> dict[str, Curves]:
    """All curves, by what was removed, put in, hidden or shown."""
    curves_by_step = {
        "channels taken away": answer.channels,
        "positions left out": answer.deletion,
        "positions put in": answer.insertion,
        "pixels hidden": answer.pixel_deletion,
        "pixels shown": answer.pixel_insertion,
    }
    return {name: curves for name, curves in curves_by_step.items() if curves is not None}


def introduction(findings: FaithfulnessFindings) -> list[str]:
    """The study in a few sentences, and how the files of the data set were understood."""
    return [_study_sentence(findings), *([findings.layout] if findings.layout else [])]


def _study_sentence(findings: FaithfulnessFindings) -> str:
    """The data, the method and its accuracy, in a few sentences."""
    answer, question = findings.answer, findings.answer.question
    return (
        f"{answer.dataset}: {answer.images:,} images, {answer.classes} classes. {findings.network}, squash framing. "
        f"{question.method.name} explained, beside {question.baseline.name}. {answer.splits} random splits: about "
        f"{answer.sizes.train:,.0f} images to train on and {answer.sizes.test:,.0f} to test on; linear SVM, seed "
        f"{question.seed}. Accuracy of the whole images: {_with_interval(answer.accuracy, percent)} %, "
        f"{question.baseline.name} {_with_interval(answer.baseline_accuracy, percent)} %."
    )


def faithfulness_sections(findings: FaithfulnessFindings) -> list[Section]:
    """All tables."""
    answer = findings.answer
    tables = [_channels(answer), _channel_series(answer)]
    for name, curves in list(curves_of(answer).items())[1:]:
        tables += _positions(answer, name, curves)
    return tables if answer.parts is None else [*tables, *_parts(answer.parts)]


def _channels(answer: StudyResult) -> Section:
    curves, fraction = answer.channels, answer.question.fraction
    at, change = partial(curves.at, fraction=fraction), partial(curves.change, fraction=fraction)
    orders = curves.orders
    columns = (
        Column("first taken", orders),
        _column("accuracy %", [at(ACCURACY, order) for order in orders], percent),
        _column(f"“{MOST_FIRST}” against it", _against(at, ACCURACY, orders), signed_percent),
        _column("unchanged %", [at(UNCHANGED, order) for order in orders], percent, optional=2),
        _column("margin", [change(MARGIN, order) for order in orders], _decimal, optional=1),
        Column("energy gone %", [percent(1 - at(ENERGY_LEFT, order).value) for order in orders], right=True),
    )
    return Section(f"{100 * fraction:g} % of the channels taken away", columns, (
        f"“{MOST_FIRST}” and “least”: by what a channel contributes to the predicted class's score. Random: among all, "
        "among those that are not zero on the image, and matched, with energies like those of “most” "
        f"({CHANNEL_DRAWS} draws each). Energy: the channel's share of the squared length of the vector. Unchanged: "
        "predictions that stay. Margin: how the predicted class's lead over the best other changes.", _INTERVALS,
    ))  # fmt: skip


_INTERVALS = (
    "In brackets: 95 %, corrected resampled t over the splits (Nadeau and Bengio, 2003); differences, in points, are "
    "paired by split."
)


def _channel_series(answer: StudyResult) -> Section:
    return Section("Accuracy in %, by the share of channels taken away", _series(answer.channels, ACCURACY))


def _series(curves: Curves, measure: str) -> tuple[Column, ...]:
    columns = [Column("first", curves.orders)]
    for fraction in curves.fractions:
        cells = [percent(curves.at(measure, order, fraction).value) for order in curves.orders]
        columns.append(Column(f"{100 * fraction:g} %", cells, right=True))
    return tuple(columns)


def _positions(answer: StudyResult, name: str, curves: Curves) -> list[Section]:
    orders = curves.orders
    columns = (
        Column("first", orders),
        _column("accuracy %", [curves.area(ACCURACY, order) for order in orders], percent),
        _column(f"“{MOST_FIRST}” against it", _against(curves.area, ACCURACY, orders), signed_percent),
        _column("margin", [curves.area(MARGIN, order) for order in orders], _decimal),
        _column(f"“{MOST_FIRST}” against it", _against(curves.area, MARGIN, orders), _decimal),
    )
    is_taken = curves is answer.deletion or curves is answer.pixel_deletion
    notes = [f"Areas are means over all shares from 0 to 100 %. {'Lower' if is_taken else 'Higher'} is better."]
    if curves is answer.deletion:
        notes.append(
            f"“{MOST_FIRST}”: where the most evidence for the predicted class lies. “{BASELINE}”: by the map of "
            f"{answer.question.baseline.name} for the class that it predicts itself, and for the same class. Energy: "
            f"where the vector's squared length comes from, whatever the class. Random: {POSITION_DRAWS} draws."
        )
    if curves is answer.pixel_deletion:
        fill = {"blur": "the blurred image", "mean": "the image's mean colour"}[answer.question.fill]
        notes.append(
            f"Of {answer.question.pixels} test images of each split; {fill} replaces hidden cells, and the network "
            "runs again. Random: one draw."
        )
    notes.append(_INTERVALS)
    title = name.capitalize()
    return [
        Section(f"{title}: areas under the curves", columns, tuple(notes)),
        Section(f"{title}: accuracy in %, by their share", _series(curves, ACCURACY)),
    ]


def _parts(parts: PartShares) -> list[Section]:
    tables = []
    for question, by_kind in parts.values.items():
        kinds = list(by_kind)
        columns = (
            Column("map", kinds),
            _column("in the parts %", [parts.of(question, kind, "parts") for kind in kinds], percent),
            _column(
                f"“{OWN}” against it",
                [None if kind == OWN else parts.of(question, OWN, "parts", kind) for kind in kinds],
                signed_percent,
            ),
            _column("in the bird %", [parts.of(question, kind, "bird") for kind in kinds], percent, optional=1),
            _column("of that, in the parts %", [parts.of(question, kind, "parts_of_bird") for kind in kinds], percent),
        )
        tables.append(Section(f"Where the positive evidence lies: the {question}", columns, (
            "Parts: those that define the true class, or tell it from the sister species. "
            f"“{AREA}”: evidence spread evenly, the chance level. “{BEST}”: all in the one cell that has most of the "
            "parts, which no map of this grid can exceed.", _INTERVALS,
        )))  # fmt: skip
    return tables


def _against(measure: Callable[..., Measured], name: str, orders: Sequence[str]) -> list[Measured | None]:
    return [None if order == MOST_FIRST else measure(name, MOST_FIRST, against=order) for order in orders]


def _column(title: str, cells: Sequence[Measured | None], formatting: Formatting, optional: int = 0) -> Column:
    return Column(
        title, ["" if cell is None else _with_interval(cell, formatting) for cell in cells], optional=optional
    )


def _with_interval(measured: Measured, formatting: Formatting) -> str:
    if measured.interval is None or measured.interval.is_point:
        return formatting(measured.value)
    ends = shown_ends(measured.interval.low, measured.interval.high, formatting)
    return f"{formatting(measured.value)} [{', '.join(ends)}]"


def _decimal(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def faithfulness_markdown(findings: FaithfulnessFindings) -> str:
    """A page for a project's documents, with the command that made it."""
    text, sections = " ".join(introduction(findings)), faithfulness_sections(findings)
    return markdown_page("Is the explanation true?", findings.command_line, text, sections, (), versions_sentence())
