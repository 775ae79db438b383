"""What the methods of a comparison predict for an image that is not labelled."""

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from crosspool.errors import CrosspoolError
from crosspool.ui.comparison.ask_why import ask_why, why_button
from crosspool.ui.comparison.result import Comparison
from crosspool.ui.comparison.state import Answers, ComparisonState
from crosspool.ui.runtime.gate import OnProgress, ignore_progress
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.images import SourceImage, add_image, choose_image
from crosspool.ui.visit.labelled import new_bird
from crosspool.ui.visit.state import visit_state
from crosspool.ui.visit.waiting import show_error, waiting
from crosspool.ui.widgets.text import as_it_is, signed

TOP_CLASSES = 5  # classes shown of a new image


@st.fragment
def new_images_section(comparison: Comparison) -> None:
    st.subheader("Classify new images", anchor=False)
    if comparison.labelled.spec is not None:
        st.button("Draw a new bird", icon=":material/draw:", on_click=_draw_bird)
    picture = choose_image()
    if picture is None:
        st.info("Add an image to see what the methods predict for it.", icon=":material/add_photo_alternate:")
        return
    left, right = st.columns([1, 3], gap="medium")
    with left:
        st.image(picture.image, alt=picture.alt, width="stretch", caption=as_it_is(picture.title))
    with right:
        try:
            with waiting("Classifying the image …") as on_progress:
                answers = scores_of_image(comparison, picture, on_progress)
        except CrosspoolError as error:
            show_error(error)
            return
        if answers.left_out:
            st.info(
                "This image is one of the labelled ones: each method was trained again without it and its copies.",
                icon=":material/person_off:",
            )
        with st.container(horizontal=True, gap="medium"):
            for name, scores in answers.scores.items():
                _answer(comparison, name, scores)
        st.caption(
            "The classes with the highest scores. Scores are those of a linear support vector machine: not "
            "probabilities, and not comparable between methods. A score above zero is evidence for the class. Every "
            "image gets some class, even one that shows none of them."
        )


def _draw_bird() -> None:
    state = visit_state(ComparisonState)
    data, species = new_bird(state.drawn_birds)
    state.drawn_birds += 1
    add_image(data, f"New bird {state.drawn_birds}: {species}")


def _answer(comparison: Comparison, name: str, scores: NDArray[np.float64]) -> None:
    """A method's top classes with their scores, and the way to the evidence for the first."""
    classes = comparison.classifiers[name].classes
    best = (-scores).argsort(kind="stable")[:TOP_CLASSES]
    cells = [f"{as_it_is(classes[k])} ({signed(scores[k])})" for k in best]
    with st.container(width=240, gap="small"):
        st.table(pd.DataFrame({as_it_is(name): cells}, index=[f"{place}." for place in range(1, len(cells) + 1)]))
        why_button(name, "new", ask_why, (name, classes[best[0]]))


def scores_of_image(comparison: Comparison, picture: SourceImage, on_progress: OnProgress = ignore_progress) -> Answers:
    """What each method says of the image, remembered until another one is chosen. Raises CrosspoolError."""
    state = visit_state(ComparisonState)
    if state.answers is None or state.answers.image != picture.key:
        scores, left_out = {}, False
        for name, ordinary in comparison.classifiers.items():
            classifier = comparison.without(name, picture.key, on_progress)
            left_out |= classifier is not ordinary
            with current_server().compute.turn(on_progress, seconds=current_server().settings.wait_seconds):
                scores[name] = classifier.scores([picture.image], comparison.network.backbone)[0]
        state.answers = Answers(picture.key, scores, left_out)
    return state.answers
