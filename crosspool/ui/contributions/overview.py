"""The image as a whole: the answer in a sentence, all evidence over the image, and the highest scores."""

import streamlit as st

from crosspool.classifiers import TRAINED_ON
from crosspool.drawing.rendering import PATCH_COLOUR, Look, cell_box, with_boxes
from crosspool.pooled_parts import Vector
from crosspool.ui.contributions.evidence_overlay import columns_that_wrap, evidence_overlay
from crosspool.ui.contributions.explaining import Explained, ExplainedClassifier, Question
from crosspool.ui.contributions.question import ContributionState, choose_contribution_cell
from crosspool.ui.contributions.wording import answer_sentence, balance_sentence, classes_to_show
from crosspool.ui.maps.large_images import LARGE
from crosspool.ui.visit.link import LinkState
from crosspool.ui.visit.state import visit_state
from crosspool.ui.widgets.bars import Bar, bars
from crosspool.ui.widgets.cell_image import cell_image
from crosspool.ui.widgets.text import as_it_is, signed

Baseline = tuple[ExplainedClassifier, Explained]


def answer_headline(view: ContributionState) -> None:
    """The answer, and how it was found."""
    subject, selected = view.subject, view.selected
    grid = "positions unknown" if selected is None else f"{selected.size[0]}×{selected.size[1]} positions"
    st.markdown(f"## {answer_sentence(view.explained.scores, view.classes, *view.question, view.contributions)}")
    st.markdown(balance_sentence(view.contributions.channels, view.contributions.intercept))
    st.markdown(
        f"{as_it_is(view.picture.title)} · {as_it_is(subject.network.title)} · {as_it_is(subject.name)} · "
        f"{len(view.classes):,} classes · {len(view.contributions.channels):,} channels · {grid}"
    )
    if subject.labels:
        labels, answer = " and ".join(map(as_it_is, subject.labels)), as_it_is(view.explained.explanation.predicted)
        st.info(
            f"Labelled **{labels}**; this classifier says **{answer}**. It was trained again without this image "
            "and its copies.",
            icon=":material/person_off:",
        )
    elif subject.classifier.was_trained_on(view.picture.key):
        st.warning(TRAINED_ON, icon=":material/school:")


def whole_image(view: ContributionState, look: Look, baseline: Baseline | None) -> None:
    """What the network saw, all evidence over it, the evidence of the fully-connected layer, and the scores."""
    positions = view.contributions.positions
    baseline = baseline if positions is not None else None
    columns = iter(columns_that_wrap("whole", 2 + (positions is not None) + (baseline is not None)))
    with next(columns):
        input_image(view)
    if positions is not None:
        with next(columns):
            st.markdown(f"**All evidence for {view.wording}**")
            evidence_overlay(view, positions, look, key="total", whose="all channels together")
    if baseline is not None:
        with next(columns):
            baseline_overlay(view, baseline, look)
    with next(columns):
        st.markdown("**Highest scores**")
        scores_chart(view, None, "scores")
        st.caption("Click a class to explain it.")


def input_image(view: ContributionState) -> None:
    """The network's input, with the selected position marked."""
    st.markdown("**What the network saw**")
    photo = view.explained.photo
    if view.selected is None:
        st.image(photo, alt="The image as the network saw it.", width="stretch")
        st.caption("It is not known where in the image these numbers come from, as there are views or layers between.")
        return
    (row, column), size = view.selected.cell, view.selected.size
    cell_image(
        with_boxes(photo, [(cell_box(row, column, size, LARGE), PATCH_COLOUR)]),
        alt=f"The image as the network saw it; position row {row}, column {column} is marked.",
        map_size=size,
        cell=(row, column),
        choose=choose_contribution_cell,
        key="seen",
    )
    st.caption("Click in any image, or use the arrow keys, to see which channels contribute at that position.")


def baseline_overlay(view: ContributionState, baseline: Baseline, look: Look) -> None:
    """The evidence of the fully-connected layer: for the same classes, or for the network's own best class."""
    subject, seen = baseline
    if subject.trained:
        question: Question = view.question
        st.markdown(f"**The same question to {as_it_is(subject.name)}, a fully-connected layer**")
        note = f"Class activation map for {view.wording}"
    else:
        question = (seen.explanation.predicted, "")
        st.markdown(f"**The network's own answer: {as_it_is(question[0])}**")
        note = "Class activation map of the network's own classes"
    contributions = seen.contributions(question)
    assert contributions.positions is not None
    evidence_overlay(
        view, contributions.positions, look, key="baseline", whose="the fully-connected layer", photo=seen.photo
    )
    st.caption(f"{note}, score {signed(contributions.score)}.")


def scores_chart(view: ContributionState, after: Vector | None, key: str) -> None:
    """The highest scores as bars, before and after; a click explains that class."""
    asked = [view.classes.index(name) for name in view.question if name]
    rows = []
    for k in classes_to_show(view.explained.scores, after, asked):
        before, then = float(view.explained.scores[k]), None if after is None else float(after[k])
        text = signed(before) if then is None else f"{signed(before)} → {signed(then)}"
        rows.append(Bar(str(k), view.classes[k], before, text, f"{view.classes[k]}: score {text}", after=then))

    def ask_for(row: str) -> None:
        visit_state(LinkState).positive = view.classes[int(row)]

    bars(rows, key=key, choose=ask_for, selected=str(asked[0]))
    if any(row.value < 0 or (row.after or 0) < 0 for row in rows):
        st.caption("Bars start at zero, the thin line. Blue bars are negative: the shorter, the higher the score.")
