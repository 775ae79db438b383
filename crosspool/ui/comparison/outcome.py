"""What a comparison found: its tables, the figure of accuracy against bytes, and the confusion matrices."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from crosspool.evaluation.files import COST_FIGURE, accuracy_files, confusion_results
from crosspool.evaluation.findings import AccuracyFindings, data_sentence, protocol_sentence
from crosspool.evaluation.report import MethodResult
from crosspool.evaluation.tables import NO_CLEAR_DIFFERENCE, accuracy_sections, difference_verdict
from crosspool.tables import Section
from crosspool.text import human_bytes, percent
from crosspool.ui.comparison.downloads import downloads_section
from crosspool.ui.comparison.image_by_image import predictions_section
from crosspool.ui.comparison.new_images import new_images_section
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.visit.labelled import LabelledSet
from crosspool.ui.visit.state import visit_state
from crosspool.ui.widgets.text import as_it_is

COLUMNS = {title: place for place, title in enumerate(("method", "against", "points", "difference"))}  # first of all


FULL_WIDTH = 2400  # pixels: a table with a width of its own fills less room than that, and keys can scroll it


def outcome_section(comparison: Comparison, chosen: LabelledSet | None) -> None:
    """All of it, from the table to the files; `chosen` are the images that would be compared next."""
    findings, labelled = comparison.findings, comparison.labelled
    st.header(f"Result: {as_it_is(labelled.title)}", anchor=False, divider="gray")
    if chosen is None or not chosen.same_as(labelled):
        st.warning(
            f"This is the result for {as_it_is(labelled.title)}, not for the images chosen above; press Train and "
            "compare for theirs.",
            icon=":material/history:",
        )
    st.caption(as_it_is(f"{data_sentence(findings)} {protocol_sentence(findings)}"))
    st.caption(
        "Kept for this visit only: reloading the page discards images, results and models. Download what you want to "
        "keep."
    )
    first, *others = accuracy_sections(findings)
    _table(first)
    with st.container(key="halves-result"):
        left, right = st.columns([1.1, 1], gap="medium")
    with left:
        _figure(comparison)
    with right:
        for section in others:
            st.subheader(section.title, anchor=False)
            _table(section)
        _why_none(findings)
    _confusion(comparison)
    predictions_section(comparison)
    new_images_section(comparison)
    downloads_section(comparison)


def _why_none(findings: AccuracyFindings) -> None:
    """Where there is no clear difference: why that may be."""
    report = findings.report
    if any(difference_verdict(pair) == NO_CLEAR_DIFFERENCE for pair in report.paired):
        each, tested = report.train_images / len(report.classes), report.test_images
        st.info(
            f"No clear difference does not mean no difference: with {each:.3g} training images per class and {tested} "
            "test images per split, intervals are wide. More images narrow them.",
            icon=":material/expand:",
        )


def result_tables(findings: AccuracyFindings) -> None:
    """The tables alone, while the rest is being computed."""
    for section in accuracy_sections(findings):
        if section.title:
            st.markdown(f"**{section.title}**")
        _table(section)


def preliminary_results(results: Mapping[str, MethodResult]) -> None:
    """The methods that are tested so far."""
    rows = [
        (as_it_is(name), f"{percent(accuracy.value)} %", human_bytes(result.bytes_per_image))
        for name, result in results.items()
        for accuracy in [result.measures["accuracy"]]
    ]
    st.table(pd.DataFrame(rows, columns=["method", "accuracy", "storage"]).set_index("method"), width=FULL_WIDTH)


def _table(section: Section) -> None:
    columns = sorted(section.columns, key=lambda column: COLUMNS.get(column.title, len(COLUMNS)))
    cells = {column.title: [_in_one_line(cell) for cell in column.cells] for column in columns}
    st.table(pd.DataFrame(cells).set_index(columns[0].title), width=FULL_WIDTH)
    st.caption(as_it_is(" ".join(section.notes)))


def _in_one_line(cell: str) -> str:
    """A number and its unit are not parted: a table that is too wide can be scrolled."""
    return as_it_is(cell).replace(" ", "\N{NO-BREAK SPACE}")


def _figure(comparison: Comparison) -> None:
    st.subheader("Accuracy against bytes", anchor=False)
    report = comparison.report
    description = "; ".join(
        f"{result.name} {percent(result.measures[report.measure].value)} % with {human_bytes(result.bytes_per_image)}"
        for result in report.methods
    )
    st.image(_made(comparison, f"{COST_FIGURE}.png"), alt=f"Accuracy against bytes per image: {description}.")


@st.fragment
def _confusion(comparison: Comparison) -> None:
    st.subheader("Confusion matrix: which classes are mixed up", anchor=False)
    stems = {result.name: stem for stem, result in confusion_results(comparison.findings).items()}
    name = st.segmented_control(
        "Method", list(stems), default=next(iter(stems)), required=True, key=f"confused-{'-'.join(stems)}"
    )
    result = next(result for result in comparison.report.methods if result.name == name)
    assert result.confusion is not None
    classes = list(comparison.report.classes)
    with st.container(key="halves-confusion"):
        picture, table = st.columns([1.3, 1], gap="medium")
    with picture:
        st.image(
            _made(comparison, f"{stems[name]}.png"),
            alt=f"Confusion matrix of {name}; the same numbers are in the table beside it.",
            width=min(900, 360 + 30 * len(classes)),
        )
    with table:
        st.caption("Most frequent mistakes, over all splits")
        st.dataframe(_mistakes(result.confusion, classes), hide_index=True, key=f"mistakes-{name}")
    with st.expander("All counts as a table", icon=":material/table:"):
        st.dataframe(pd.DataFrame(result.confusion, index=classes, columns=classes), key=f"counts-{name}")


def _mistakes(confusion: NDArray[np.int64], classes: Sequence[str]) -> pd.DataFrame:
    """Pairs of a true class and the wrong prediction, the most frequent first."""
    tested = confusion.sum(axis=1)
    pairs = [(int(true), int(predicted)) for true, predicted in np.argwhere(confusion) if true != predicted]
    pairs.sort(key=lambda pair: -confusion[pair])
    return pd.DataFrame(
        {
            "true class": [classes[true] for true, _ in pairs],
            "predicted": [classes[predicted] for _, predicted in pairs],
            "times": [int(confusion[pair]) for pair in pairs],
            "of its tests": [f"{100 * confusion[pair] / tested[pair[0]]:.0f} %" for pair in pairs],
        }
    )


def _made(comparison: Comparison, name: str) -> bytes:
    """A file of the comparison's, made once for a session."""
    files = visit_state(ComparisonState).made_files
    if name not in files:
        files[name] = accuracy_files(comparison.findings)[name]()
    return files[name]
