"""The result of a comparison: tables, the figure of accuracy against bytes, confusion matrices, and downloads."""

import io
import shlex
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from crosspool.evaluation.files import COST_FIGURE, accuracy_files, confusion_results, safe_file_names
from crosspool.evaluation.findings import AccuracyFindings
from crosspool.evaluation.report import MethodResult
from crosspool.evaluation.tables import NO_CLEAR_DIFFERENCE, accuracy_sections, difference_verdict
from crosspool.evaluation.verdict import Outcome
from crosspool.methods.wording import method_in_words
from crosspool.text import Column, Section, class_titles, human_bytes, percent
from crosspool.ui.comparison.predictions import new_images_section, predictions_section
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.comparison.wording import in_one_line, method_markdown, method_title
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.exports import drawn_in_turn
from crosspool.ui.visit.labelled import LONGEST_NAME, LabelledSet
from crosspool.ui.visit.state import visit_state
from crosspool.ui.visit.waiting import errors_shown, place_shown
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.reveal import reveal
from crosspool.ui.widgets.text import as_it_is

COLUMN_ORDER = {"method": 0, "against": 1, "points": 2, "difference": 3}  # others follow
FULL_WIDTH = 2400  # pixels: a table with a width of its own takes less room than that, and keys can scroll it


def outcome_section(comparison: Comparison, chosen: LabelledSet | None) -> None:
    """The whole result, from the tables to the files; `chosen` are the images that would be compared next."""
    findings, title = comparison.findings, as_it_is(comparison.labelled.title)
    verdict = Outcome.of(findings).verdict
    reveal(comparison.report.dataset, f"The result is ready. {verdict}")
    st.header(f"Result: {title}", anchor=False)
    st.markdown(f"### {as_it_is(verdict)}")
    if chosen is None or not chosen.same_as(comparison.labelled):
        st.warning(
            f"This is the result for {title}, not for the images chosen above; press Train and compare for theirs.",
            icon=":material/history:",
        )
    st.caption(as_it_is(f"{findings.data_sentence} {findings.protocol_sentence}"))
    st.caption("Kept while this visit lasts: download what you want to keep.")
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
        _explain_no_difference(findings)
    _confusion(comparison)
    predictions_section(comparison)
    new_images_section(comparison)
    _downloads_section(comparison)


def _explain_no_difference(findings: AccuracyFindings) -> None:
    """Say why there may be no clear difference, where there is none."""
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
    """A table of the methods that are tested so far."""
    rows = [
        (method_markdown(name), f"{percent(result.measures['accuracy'].value)} %", human_bytes(result.bytes_per_image))
        for name, result in results.items()
    ]
    st.table(pd.DataFrame(rows, columns=["method", "accuracy", "storage"]).set_index("method"), width=FULL_WIDTH)


def _table(section: Section) -> None:
    columns = sorted(section.columns, key=lambda column: COLUMN_ORDER.get(column.title, len(COLUMN_ORDER)))
    cells = {column.title: _cells(column) for column in columns}
    st.table(pd.DataFrame(cells).set_index(columns[0].title), width=FULL_WIDTH)
    st.caption(as_it_is(" ".join(section.notes)).replace("McNemar", term("McNemar"), 1))


def _cells(column: Column) -> list[str]:
    return list(map(method_markdown if column.names else in_one_line, column.cells))


@errors_shown()
def _figure(comparison: Comparison) -> None:
    st.subheader("Accuracy against bytes", anchor=False)
    report = comparison.report
    description = "; ".join(
        f"{result.name} {percent(result.measures[report.measure].value)} % with {human_bytes(result.bytes_per_image)}"
        for result in report.methods
    )
    st.image(_file(comparison, f"{COST_FIGURE}.png"), alt=f"Accuracy against bytes per image: {description}.")


@st.fragment
@errors_shown()
def _confusion(comparison: Comparison) -> None:
    st.subheader("Confusion matrix: which classes are mixed up", anchor=False)
    results = {result.name: (stem, result.confusion) for stem, result in confusion_results(comparison.findings).items()}
    key = f"confused-{'-'.join(results)}"
    first, titles = next(iter(results)), {name: method_title(name) for name in results}
    name = st.pills("Method", list(results), default=first, required=True, format_func=titles.__getitem__, key=key)
    stem, confusion = results[name]
    assert confusion is not None
    classes = list(class_titles(comparison.report.classes).values())
    with st.container(key="halves-confusion"):
        left, right = st.columns([1.3, 1], gap="medium")
    with left:
        alt = f"Confusion matrix of {name}; the same numbers are in the table beside it."
        st.image(_file(comparison, f"{stem}.png"), alt=alt, width=min(900, 360 + 30 * len(classes)))
    with right:
        st.caption("Most frequent mistakes, over all splits")
        st.dataframe(_mistakes(confusion, classes), hide_index=True, key=f"mistakes-{name}")
    with st.expander("All counts as a table", icon=":material/table:"):
        st.dataframe(pd.DataFrame(confusion, index=classes, columns=classes), key=f"counts-{name}")


def _mistakes(confusion: NDArray[np.int64], classes: Sequence[str]) -> pd.DataFrame:
    """Pairs of a true class and the wrong prediction, the most frequent first."""
    pairs = [(int(true), int(predicted)) for true, predicted in np.argwhere(confusion) if true != predicted]
    pairs.sort(key=lambda pair: -confusion[pair])
    shares = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    rows = [(classes[i], classes[k], int(confusion[i, k]), f"{shares[i, k]:.0f} %") for i, k in pairs]
    return pd.DataFrame(rows, columns=["true class", "predicted", "times", "of its tests"])


def _file(comparison: Comparison, name: str) -> bytes:
    """One of the comparison's files, made once in a visit."""
    files = visit_state(ComparisonState).made_files
    if name not in files:
        server = current_server()
        with server.compute.turn(place_shown(), seconds=server.settings.wait_seconds):
            files[name] = accuracy_files(comparison.findings)[name]()
    return files[name]


# --- downloads


def _downloads_section(comparison: Comparison) -> None:
    """The comparison's files, its classifiers, and the commands that give the same results."""
    st.subheader("Download and share", anchor=False)
    files = accuracy_files(comparison.findings)
    (dataset,) = safe_file_names([comparison.dataset.name[:LONGEST_NAME]])
    start = f"{dataset}-" if dataset else ""  # so that files of several data sets can lie together
    with st.container(horizontal=True):
        _download("Table (CSV)", files["results.csv"], f"{start}results.csv", "text/csv")
        _download("All numbers (JSON)", files["results.json"], f"{start}results.json", "application/json")
        _download("Figure (PNG)", files[f"{COST_FIGURE}.png"], f"{start}{COST_FIGURE}.png", "image/png")
        _download("Figure (SVG)", files[f"{COST_FIGURE}.svg"], f"{start}{COST_FIGURE}.svg", "image/svg+xml")
        _download("All files (ZIP)", partial(zipped_files, files), f"{start}comparison.zip", "application/zip")
    names = [f"{start}{stem}.safetensors" for stem in safe_file_names(list(comparison.classifiers))]
    with st.container(horizontal=True):
        for name, (method, classifier) in zip(names, comparison.classifiers.items(), strict=True):
            label = f"Model: {as_it_is(method_in_words(method))} ({human_bytes(classifier.weights.nbytes)})"
            _download(label, classifier.to_bytes, name, "application/octet-stream")
    if comparison.labelled.spec is None:
        st.markdown(
            "About the same on the command line, where FOLDER has a folder of images for each class (large images were "
            "shrunk on upload here):"
        )
    else:
        st.markdown("The same on the command line, and a downloaded model applied to an image:")
    example = shlex.join(["crosspool", "classify", "IMAGE", "--model", names[0]])
    st.code(f"{comparison.findings.command_line}\n{example}", language="bash", wrap_lines=True)


def _download(label: str, data: Callable[[], bytes], name: str, kind: str) -> None:
    make, icon = drawn_in_turn(data, name, kind), ":material/download:"
    st.download_button(label, make, name, kind, icon=icon, on_click="ignore", key=f"download-{name}")


def zipped_files(files: Mapping[str, Callable[[], bytes]]) -> bytes:
    """A ZIP of files, each made by its function."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, make in files.items():
            archive.writestr(name, make())
    return data.getvalue()
