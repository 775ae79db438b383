"""What each method predicts, for labelled images and for new ones, and the way to the evidence for it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from crosspool.datasets import UNKNOWN
from crosspool.evaluation.report import most_predicted
from crosspool.methods.wording import method_in_words
from crosspool.text import class_titles
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.comparison.state import Answers, ComparisonState
from crosspool.ui.comparison.wording import method_markdown, method_title
from crosspool.ui.runtime.gate import OnProgress
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, add_image, choose_image
from crosspool.ui.visit.labelled import new_bird
from crosspool.ui.visit.link import ChosenClassifier, LinkState
from crosspool.ui.visit.state import bound, visit_state
from crosspool.ui.visit.waiting import errors_shown, waiting
from crosspool.ui.widgets.text import as_it_is, signed

CARDS_PER_PAGE = 8
TOP_CLASSES = 5  # classes listed for a new image
GROUPS = {"differ": "Methods disagree", "wrong": "All wrong", "all": "All"}
NO_SUCH_IMAGES = {
    "differ": "All methods agree on every image that was tested.",
    "wrong": "Every image that was tested is classified correctly by at least one method.",
}


# --- labelled images


def image_groups(comparison: Comparison) -> tuple[dict[str, list[int]], dict[str, NDArray[np.intp]]]:
    """The groups of images to choose from, and each method's prediction for every image (or UNKNOWN).

    `differ` are the images for which the methods predict different classes, those first where right and wrong are most
    evenly divided. `wrong` are those that no method gets right.
    """
    dataset = comparison.dataset
    predictions = {result.name: most_predicted(result, len(dataset)) for result in comparison.report.methods}
    answers = np.stack(list(predictions.values()))  # (methods, n)
    tested = (answers != UNKNOWN).all(axis=0)
    right = (answers == dataset.targets).mean(axis=0)
    differ = np.flatnonzero(tested & (answers != answers[0]).any(axis=0)).tolist()
    members = {
        "differ": sorted(differ, key=lambda index: (abs(right[index] - 0.5), index)),
        "wrong": np.flatnonzero(tested & (right == 0)).tolist(),
        "all": list(range(len(dataset))),
    }
    return members, predictions


@st.fragment
def predictions_section(comparison: Comparison) -> None:
    """Cards of labelled images, in groups and pages."""
    st.subheader("Predictions for each image", anchor=False)
    members, predictions = image_groups(comparison)
    state = visit_state(ComparisonState)
    sizes = {group: f"{title} ({len(members[group]):,})" for group, title in GROUPS.items()}
    binding = bound(state, "image_group", among=GROUPS, then=state.first_page)
    st.segmented_control(
        "Images", list(GROUPS), format_func=sizes.__getitem__, required=True, label_visibility="collapsed", **binding
    )
    indices = members[state.image_group]
    if not indices:
        st.info(NO_SUCH_IMAGES[state.image_group], icon=":material/handshake:")
        return
    st.caption(
        f"{len(indices):,} of {len(comparison.dataset):,} images. A prediction is what the method said in most of the "
        "splits that tested the image, each time trained without it. Why? shows the parts of the image that are "
        "evidence for it, by a classifier that was trained on all the other images."
    )
    pages = -(-len(indices) // CARDS_PER_PAGE)
    page = st.pagination(pages, **bound(state, "image_page")) if pages > 1 else 1
    with st.container(horizontal=True, gap="medium"):
        for index in indices[(page - 1) * CARDS_PER_PAGE : page * CARDS_PER_PAGE]:
            _card(comparison, index, {name: int(answers[index]) for name, answers in predictions.items()})


def _card(comparison: Comparison, index: int, predictions: Mapping[str, int]) -> None:
    dataset = comparison.dataset
    sample, target = dataset.samples[index], int(dataset.targets[index])
    titles = list(class_titles(dataset.classes).values())
    label = titles[target]
    with st.container(border=True, width=300, height="stretch", gap="small"):
        st.image(comparison.labelled.thumbnail_of(sample), alt=f"{sample.name}, of the class {label}", width=160)
        st.markdown(f"**{as_it_is(label)}**")
        for name, answer in predictions.items():
            with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
                st.markdown(verdict_on_answer(name, answer, target, titles), width="stretch")
                positive = "" if answer == UNKNOWN else dataset.classes[answer]  # "" is the class of the highest score
                _why_button(name, str(index), ask_why_of_sample, (comparison, index, name, positive))


def verdict_on_answer(name: str, answer: int, target: int, classes: Sequence[str]) -> str:
    """Two lines of Markdown: whether a method's answer is right, or which class it is instead; and the method."""
    if answer == UNKNOWN:
        verdict = ":gray[:material/question_mark:] tested in no split, or a tie"
    elif answer == target:
        verdict = ":green[:material/check:] right"
    else:
        verdict = f":red[:material/close:] {as_it_is(classes[answer])}"
    return f"{verdict}  \n:small[:gray[{method_title(name)}]]"


# --- new images


@st.fragment
def new_images_section(comparison: Comparison) -> None:
    """The choice of an image that is not labelled, and what the methods predict for it."""
    st.subheader("Classify new images", anchor=False)
    if comparison.labelled.spec is not None:
        st.button("Draw a new bird", icon=":material/draw:", on_click=_draw_bird)
    image = choose_image()
    left, right = st.columns([1, 3], gap="medium")
    with left:
        st.image(image.image, alt=image.alt, width="stretch", caption=as_it_is(image.title))
    with right, errors_shown():
        with waiting("Classifying the image …") as on_progress:
            answers = _classify(comparison, image, on_progress)
        if answers.left_out:
            st.info(
                "This image is one of the labelled ones: each method was trained again without it and its copies.",
                icon=":material/person_off:",
            )
        with st.container(horizontal=True, gap="medium"):
            for name, scores in answers.scores.items():
                _top_classes(name, scores, comparison.classifiers[name].classes)
        st.caption(
            "The classes with the highest scores. Scores are those of a linear support vector machine: not "
            "probabilities, and not comparable between methods. A score above zero is evidence for the class. Every "
            "image gets some class, even one that shows none of them."
        )


def _draw_bird() -> None:
    state = visit_state(ComparisonState)
    data, species = new_bird(state.drawn_birds)
    state.drawn_birds += 1
    add_image(data, f"Generated bird {state.drawn_birds}: {species}")


def _classify(comparison: Comparison, image: SourceImage, on_progress: OnProgress) -> Answers:
    """Each method's scores of the image, remembered until another one is chosen. Raises CrosspoolError."""
    state, server = visit_state(ComparisonState), current_server()
    if state.answers is None or state.answers.image != image.key:
        scores, left_out = {}, False
        for name, ordinary in comparison.classifiers.items():
            classifier = comparison.without(name, image.key, on_progress)
            left_out |= classifier is not ordinary
            with server.compute.turn(on_progress, seconds=server.settings.wait_seconds):
                backbone = comparison.network.beside(classifier.method.networks)
                scores[name] = classifier.scores([image.image], backbone)[0]
        state.answers = Answers(image.key, scores, left_out)
    return state.answers


def _top_classes(name: str, scores: NDArray[np.float64], classes: Sequence[str]) -> None:
    """A method's top classes with their scores, and the way to the evidence for the first."""
    best = (-scores).argsort(kind="stable")[:TOP_CLASSES]
    titles = class_titles(classes)
    cells = [f"{as_it_is(titles[classes[k]])} ({signed(scores[k])})" for k in best]
    with st.container(width=220, gap="small"):
        st.table(pd.DataFrame({method_markdown(name): cells}, index=[f"{k}." for k in range(1, len(cells) + 1)]))
        if scores.max() < 0:
            st.caption("None of the classes fits: all scores are negative.")
        _why_button(name, "new", _ask_why, (name, classes[best[0]]))


# --- why


def _why_button(method: str, place: str, ask: Callable[..., None], args: tuple[object, ...]) -> None:
    """A button that leads to the evidence for a method's answer; `ask` takes along what is asked about."""
    hint = f"What in this image is evidence for the answer of {as_it_is(method_in_words(method))}?"
    if st.button("Why?", key=f"why-{place}-{method}", on_click=ask, args=args, help=hint):
        st.switch_page("pages/contributions.py")


def _ask_why(method: str, answer: str) -> None:
    """Take classifier and question along; the image is the one that is chosen."""
    link = visit_state(LinkState)
    visit_state(ChosenClassifier).classifier, link.positive, link.against = method, answer, ""


def ask_why_of_sample(comparison: Comparison, index: int, method: str, answer: str) -> None:
    """Take a labelled image, classifier and question along to the page "Why this class?"."""
    dataset = comparison.dataset
    sample, label = dataset.samples[index], dataset.classes[dataset.targets[index]]
    is_generated = comparison.labelled.spec is not None
    add_image(sample.read(), f"Generated bird: {label}" if is_generated else sample.name)
    _ask_why(method, answer)
