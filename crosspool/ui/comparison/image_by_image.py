"""What each method predicts for every labelled image, and the way to the evidence for it."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from crosspool.datasets import UNKNOWN
from crosspool.evaluation.report import most_predicted
from crosspool.ui.comparison.ask_why import ask_why, why_button
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.visit.images import add_image
from crosspool.ui.visit.state import bound, visit_state
from crosspool.ui.widgets.text import as_it_is

CARDS_PER_PAGE = 8  # images of a page


GROUPS = {"differ": "Methods disagree", "wrong": "All wrong", "all": "All"}


NO_SUCH_IMAGES = {
    "differ": "All methods agree on every image that was tested.",
    "wrong": "Every image that was tested is classified correctly by at least one method.",
}


def image_groups(comparison: Comparison) -> tuple[dict[str, list[int]], dict[str, NDArray[np.intp]]]:
    """The groups of images to choose from, and what each method says of every image (or UNKNOWN).

    `differ` are those to which the methods give different classes; where right and wrong are most evenly divided comes
    first. `wrong` are those that no method gets right.
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
    st.subheader("Predictions for each image", anchor=False)
    members, predictions = image_groups(comparison)
    state = visit_state(ComparisonState)
    st.segmented_control(
        "Images",
        list(GROUPS),
        format_func=lambda group: f"{GROUPS[group]} ({len(members[group]):,})",
        required=True,
        label_visibility="collapsed",
        **bound(state, "image_group", then=state.first_page),
    )
    group = state.image_group
    indices = members[group]
    if not indices:
        st.info(NO_SUCH_IMAGES[group], icon=":material/handshake:")
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
    label = dataset.classes[target]
    with st.container(border=True, width=300, gap="small"):
        st.image(comparison.labelled.thumbnail_of(sample), alt=f"{sample.name}, of the class {label}", width=160)
        st.markdown(f"**{as_it_is(label)}**")
        for name, answer in predictions.items():
            with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
                st.markdown(_judged(name, answer, target, dataset.classes), width="stretch")
                asked = "" if answer == UNKNOWN else dataset.classes[answer]  # "" is the class of the highest score
                why_button(name, str(index), _ask_of, (comparison, index, name, asked))


def _judged(name: str, answer: int, target: int, classes: Sequence[str]) -> str:
    """Whether a method's answer is right, or what it is instead, as Markdown."""
    if answer == UNKNOWN:
        return f":gray[:material/question_mark:] `{name}`: tested in no split, or a tie"
    if answer == target:
        return f":green[:material/check:] `{name}`: right"
    return f":red[:material/close:] `{name}`: {as_it_is(classes[answer])}"


def _ask_of(comparison: Comparison, index: int, method: str, answer: str) -> None:
    """Take image, classifier and question along to the other page."""
    sample = comparison.dataset.samples[index]
    add_image(sample.read(), sample.name)
    ask_why(method, answer)
