"""What a comparison found: tables, figures, image by image what the methods say, new images, and files."""

import io
import shlex
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from crosspool.datasets import UNKNOWN
from crosspool.errors import CrosspoolError
from crosspool.evaluation.files import COST_FIGURE, confusions, file_names, files_of
from crosspool.evaluation.findings import NONE_SHOWN, Findings, Section, how, percent, sections, verdict, what
from crosspool.evaluation.report import MethodResult, most_predicted
from crosspool.text import human_bytes
from crosspool.ui.comparison.job import Comparison
from crosspool.ui.runtime.gate import OnProgress, ignore_progress
from crosspool.ui.runtime.maps import gate
from crosspool.ui.runtime.settings import settings
from crosspool.ui.visit.labelled import LONGEST_NAME, LabelledSet, new_bird
from crosspool.ui.visit.pictures import SourceImage, add_image, choose_picture
from crosspool.ui.visit.waiting import refused, waiting
from crosspool.ui.widgets.text import as_it_is, signed

CONTRIBUTIONS = "pages/contributions.py"
COLUMNS = {title: place for place, title in enumerate(("method", "against", "points", "difference"))}  # first of all
CARDS = 8  # images of a page
GROUPS = {"differ": "Methods disagree", "wrong": "All wrong", "all": "All"}
NOBODY = {
    "differ": "On every image that was tested, all methods say the same.",
    "wrong": "Every image that was tested is right by at least one method.",
}
TOP = 5  # classes shown of a new image
FULL_WIDTH = 2400  # pixels: a table with a width of its own fills less room than that, and keys can scroll it


def outcome(comparison: Comparison, chosen: LabelledSet | None) -> None:
    """All of it, from the table to the files; `chosen` are the images that would be compared now."""
    findings, labelled = comparison.findings, comparison.labelled
    st.header(f"Result: {as_it_is(labelled.title)}", anchor=False, divider="gray")
    if chosen is None or not chosen.same_as(labelled):
        st.warning(
            f"This is the result of {as_it_is(labelled.title)}, not of the images that are chosen above; press Train "
            "and compare for theirs.",
            icon=":material/history:",
        )
    st.caption(as_it_is(f"{what(findings)} {how(findings)}"))
    st.caption(
        "Kept for this visit only: reloading the page forgets images, results and models; download what you want to "
        "keep."
    )
    first, *others = sections(findings)
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
    _images(comparison)
    _new_images(comparison)
    _files(comparison)


def _why_none(findings: Findings) -> None:
    """Where a difference is not shown: what that may come from."""
    report = findings.report
    if any(verdict(pair) == NONE_SHOWN for pair in report.paired):
        each, tested = report.train_images / len(report.classes), report.test_images
        st.info(
            f"A difference that is not shown may still be there: with {each:.3g} training images a class and {tested} "
            "to test on in a split, intervals are wide. More images narrow them.",
            icon=":material/expand:",
        )


def tables(findings: Findings) -> None:
    """The tables alone, while the rest is in the making."""
    for section in sections(findings):
        if section.title:
            st.markdown(f"**{section.title}**")
        _table(section)


def preliminary(results: Mapping[str, MethodResult]) -> None:
    """The methods that are tested so far."""
    rows = [
        (as_it_is(name), f"{percent(found.value)} %", human_bytes(result.bytes_per_image))
        for name, result in results.items()
        for found in [result.measures["accuracy"]]
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


def _made(comparison: Comparison, name: str) -> bytes:
    """A file of the comparison's, made once for a session."""
    kept = st.session_state.get("made_files")
    if kept is None or kept[0] is not comparison:
        kept = st.session_state.made_files = (comparison, {})
    files: dict[str, bytes] = kept[1]
    if name not in files:
        files[name] = files_of(comparison.findings)[name]()
    return files[name]


def _figure(comparison: Comparison) -> None:
    st.subheader("Accuracy against bytes", anchor=False)
    report = comparison.report
    said = "; ".join(
        f"{result.name} {percent(result.measures[report.measure].value)} % with {human_bytes(result.bytes_per_image)}"
        for result in report.methods
    )
    st.image(_made(comparison, f"{COST_FIGURE}.png"), alt=f"Accuracy against the bytes of an image: {said}.")


@st.fragment
def _confusion(comparison: Comparison) -> None:
    st.subheader("Which class is taken for which", anchor=False)
    found = {result.name: stem for stem, result in confusions(comparison.findings).items()}
    name = st.segmented_control(
        "Method", list(found), default=next(iter(found)), required=True, key=f"confused-{'-'.join(found)}"
    )
    result = next(result for result in comparison.report.methods if result.name == name)
    assert result.confusion is not None
    classes = list(comparison.report.classes)
    with st.container(key="halves-confusion"):
        picture, table = st.columns([1.3, 1], gap="medium")
    with picture:
        st.image(
            _made(comparison, f"{found[name]}.png"),
            alt=f"Confusion matrix of {name}; the same numbers are in the table beside it.",
            width=min(900, 360 + 30 * len(classes)),
        )
    with table:
        st.caption("Most frequent mistakes, over all splits")
        st.dataframe(_mistakes(result.confusion, classes), hide_index=True, key=f"mistakes-{name}")
    with st.expander("All counts as a table", icon=":material/table:"):
        st.dataframe(pd.DataFrame(result.confusion, index=classes, columns=classes), key=f"counts-{name}")


def _mistakes(confusion: NDArray[np.int64], classes: Sequence[str]) -> pd.DataFrame:
    """Pairs of a true class and another that it was taken for, the most frequent first."""
    tested = confusion.sum(axis=1)
    pairs = [(int(true), int(said)) for true, said in np.argwhere(confusion) if true != said]
    pairs.sort(key=lambda pair: -confusion[pair])
    return pd.DataFrame(
        {
            "true class": [classes[true] for true, _ in pairs],
            "taken for": [classes[said] for _, said in pairs],
            "times": [int(confusion[pair]) for pair in pairs],
            "of its tests": [f"{100 * confusion[pair] / tested[pair[0]]:.0f} %" for pair in pairs],
        }
    )


# --- image by image


def groups(comparison: Comparison) -> tuple[dict[str, list[int]], dict[str, NDArray[np.intp]]]:
    """Which images there are to look at, and what each method says of every image (or UNKNOWN).

    `differ` are those to which the methods give different classes; where right and wrong are most evenly divided comes
    first. `wrong` are those that no method gets right.
    """
    dataset = comparison.dataset
    said = {result.name: most_predicted(result, len(dataset)) for result in comparison.report.methods}
    answers = np.stack(list(said.values()))  # (methods, n)
    known = (answers != UNKNOWN).all(axis=0)
    right = (answers == dataset.targets).mean(axis=0)
    differ = np.flatnonzero(known & (answers != answers[0]).any(axis=0)).tolist()
    found = {
        "differ": sorted(differ, key=lambda index: (abs(right[index] - 0.5), index)),
        "wrong": np.flatnonzero(known & (right == 0)).tolist(),
        "all": list(range(len(dataset))),
    }
    return found, said


@st.fragment
def _images(comparison: Comparison) -> None:
    st.subheader("What the methods say of each image", anchor=False)
    found, said = groups(comparison)
    group = st.segmented_control(
        "Images",
        list(GROUPS),
        default="differ",
        format_func=lambda group: f"{GROUPS[group]} ({len(found[group]):,})",
        required=True,
        key=f"group-{id(comparison)}",
        label_visibility="collapsed",
        persist_state="session",
    )
    shown = found[group]
    if not shown:
        st.info(NOBODY[group], icon=":material/handshake:")
        return
    st.caption(
        f"{len(shown):,} of {len(comparison.dataset):,} images. What a method says is what it said in most of the "
        "splits that tested the image, each time trained without it. Why? shows the parts of the image that speak for "
        "it, by a classifier that was trained on all the other images."
    )
    pages = -(-len(shown) // CARDS)
    page = st.pagination(pages, key=f"page-{group}-{id(comparison)}", persist_state="session") if pages > 1 else 1
    with st.container(horizontal=True, gap="medium"):
        for index in shown[(page - 1) * CARDS : page * CARDS]:
            _card(comparison, index, {name: int(answers[index]) for name, answers in said.items()})


def _card(comparison: Comparison, index: int, said: Mapping[str, int]) -> None:
    dataset = comparison.dataset
    sample, target = dataset.samples[index], int(dataset.targets[index])
    label = dataset.classes[target]
    with st.container(border=True, width=300, gap="small"):
        st.image(comparison.labelled.thumbnail_of(sample), alt=f"{sample.name}, of the class {label}", width=160)
        st.markdown(f"**{as_it_is(label)}**")
        for name, answer in said.items():
            with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
                st.markdown(_judged(name, answer, target, dataset.classes), width="stretch")
                asked = "" if answer == UNKNOWN else dataset.classes[answer]  # "" is the class of the highest score
                _why(name, str(index), _ask_of, (comparison, index, name, asked))


def _judged(name: str, answer: int, target: int, classes: Sequence[str]) -> str:
    """Whether a method's answer is right, or what it is instead, as Markdown."""
    if answer == UNKNOWN:
        return f":gray[:material/question_mark:] `{name}`: tested in no split, or a tie"
    if answer == target:
        return f":green[:material/check:] `{name}`: right"
    return f":red[:material/close:] `{name}`: {as_it_is(classes[answer])}"


def _why(name: str, place: str, ask: Callable[..., None], args: tuple[object, ...]) -> None:
    """A button that leads to what speaks for a method's answer; `ask` says what is taken along."""
    wanted = st.button(
        "Why?",
        key=f"why-{place}-{name}",
        type="tertiary",
        on_click=ask,
        args=args,
        help=f"What in this image speaks for the answer of {as_it_is(name)}?",
    )
    if wanted:
        st.switch_page(CONTRIBUTIONS)


def _ask_of(comparison: Comparison, index: int, method: str, answer: str) -> None:
    """Take picture, classifier and question along to the other page."""
    sample = comparison.dataset.samples[index]
    add_image(sample.read(), sample.name)
    _ask(method, answer)


def _ask(method: str, answer: str) -> None:
    """Take classifier and question along; the picture is the one that is chosen."""
    state = st.session_state
    state.classifier, state.positive, state.against = method, answer, ""


# --- new images


@st.fragment
def _new_images(comparison: Comparison) -> None:
    st.subheader("Classify new images", anchor=False)
    if comparison.labelled.spec is not None:
        st.button("Draw a new bird", icon=":material/draw:", on_click=_draw_bird)
    picture = choose_picture()
    if picture is None:
        st.info("Add an image to see what the methods say of it.", icon=":material/add_photo_alternate:")
        return
    left, right = st.columns([1, 3], gap="medium")
    with left:
        st.image(picture.image, alt=picture.alt, width="stretch", caption=as_it_is(picture.title))
    with right:
        try:
            with waiting("Looking at the image …") as on_progress:
                scores, left_out = answers_to(comparison, picture, on_progress)
        except CrosspoolError as error:
            refused(error)
            return
        if left_out:
            st.info(
                "This picture is one of the labelled ones: each method was trained again without it and its copies.",
                icon=":material/person_off:",
            )
        with st.container(horizontal=True, gap="medium"):
            for name, found in scores.items():
                _answer(comparison, name, found)
        st.caption(
            "The classes with the highest scores: those of a linear support vector machine, no probabilities, and not "
            "comparable between methods. Above zero speaks for the class. Every image gets some class, also one that "
            "shows none."
        )


def _draw_bird() -> None:
    state = st.session_state
    state.drawn_birds = state.get("drawn_birds", -1) + 1
    data, species = new_bird(state.drawn_birds)
    add_image(data, f"New bird {state.drawn_birds + 1}: {species}")


def _answer(comparison: Comparison, name: str, scores: NDArray[np.float64]) -> None:
    """A method's first classes with their scores, and the way to what speaks for the first."""
    classes = comparison.classifiers[name].classes
    best = (-scores).argsort(kind="stable")[:TOP]
    cells = [f"{as_it_is(classes[k])} ({signed(scores[k])})" for k in best]
    with st.container(width=240, gap="small"):
        st.table(pd.DataFrame({as_it_is(name): cells}, index=[f"{place}." for place in range(1, len(cells) + 1)]))
        _why(name, "new", _ask, (name, classes[best[0]]))


def answers_to(
    comparison: Comparison, picture: SourceImage, on_progress: OnProgress = ignore_progress
) -> tuple[dict[str, NDArray[np.float64]], bool]:
    """Each method's scores of the picture, (L,), and whether it is a labelled one, which they then have not seen.

    StoredImage while it is looked at.
    """
    kept = st.session_state.get("scored")
    if kept is None or kept[0] is not comparison or kept[1] != picture.key:
        found, left_out = {}, False
        for name, ordinary in comparison.classifiers.items():
            classifier = comparison.without(name, picture.key, on_progress)
            left_out |= classifier is not ordinary
            with gate.turn(on_progress, seconds=settings().wait_seconds):
                found[name] = classifier.scores([picture.image], comparison.network.backbone)[0]
        kept = st.session_state.scored = (comparison, picture.key, (found, left_out))
    answers: tuple[dict[str, NDArray[np.float64]], bool] = kept[2]
    return answers


# --- files


def _files(comparison: Comparison) -> None:
    st.subheader("Take it away", anchor=False)
    findings = comparison.findings
    files = files_of(findings)
    (dataset,) = file_names([comparison.dataset.name[:LONGEST_NAME]])
    start = f"{dataset}-" if dataset else ""  # so that files of several data sets can lie together
    with st.container(horizontal=True):
        _download("Table (CSV)", files["results.csv"], f"{start}results.csv", "text/csv")
        _download("All numbers (JSON)", files["results.json"], f"{start}results.json", "application/json")
        _download("Figure (PNG)", files[f"{COST_FIGURE}.png"], f"{start}{COST_FIGURE}.png", "image/png")
        _download("Figure (SVG)", files[f"{COST_FIGURE}.svg"], f"{start}{COST_FIGURE}.svg", "image/svg+xml")
        _download("All files (ZIP)", partial(_zipped, files), f"{start}comparison.zip", "application/zip")
    names = [f"{start}{stem}.safetensors" for stem in file_names(list(comparison.classifiers))]
    with st.container(horizontal=True):
        for name, (method, classifier) in zip(names, comparison.classifiers.items(), strict=True):
            size = human_bytes(classifier.weights.nbytes)
            _download(f"Model {as_it_is(method)}, {size}", classifier.file, name, "application/octet-stream")
    example = shlex.join(["crosspool", "classify", "IMAGE", "--model", names[0]])
    if comparison.labelled.spec is None:
        st.markdown(
            "About the same on the command line, where FOLDER has a folder of images for each class (large ones were "
            "shrunk here on receipt):"
        )
    else:
        st.markdown("The same on the command line, and what a downloaded model says of an image:")
    st.code(f"{findings.command_line}\n{example}", language="bash", wrap_lines=True)


def _download(label: str, made: Callable[[], bytes], name: str, kind: str) -> None:
    st.download_button(label, made, name, kind, icon=":material/download:", on_click="ignore", key=f"download-{name}")


def _zipped(files: Mapping[str, Callable[[], bytes]]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, made in files.items():
            archive.writestr(name, made())
    return data.getvalue()
