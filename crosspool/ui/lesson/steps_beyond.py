"""Steps 6 to 8: finer maps, what an average loses, and where to go from here."""

from dataclasses import replace

import numpy as np
import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP
from crosspool.ui.contributions.explaining import explain_image, network_classifier
from crosspool.ui.lesson import quantities, questions
from crosspool.ui.lesson import step_parts as parts
from crosspool.ui.lesson.answers import answer_of, asked_map, right_answers
from crosspool.ui.lesson.quantities import COARSE, FINE
from crosspool.ui.lesson.state import TITLES, LessonState, choose_map, lesson_state
from crosspool.ui.maps.selection import channel_input
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.waiting import waiting
from crosspool.ui.widgets.text import cell_name, number, signed

ROUNDING = 1e-9  # of a vector's length, in double precision


def finer_maps(view: LessonState) -> None:
    """Step 6: the same map at twice the input size."""
    k = view.channel
    parts.step_text(
        f"Enlarge the photo from {COARSE} to {FINE} pixels and the same network gives maps twice as fine: "
        f"{quantities.positions_at(FINE)} positions instead of {quantities.positions_at(COARSE)}. Everything now looks "
        f"twice as large to it, and it was trained at {COARSE}, so a finer map is not just a sharper drawing of the "
        "coarse one."
    )
    columns = parts.step_columns("finer")
    with columns[1], waiting("Computing the finer maps …") as on_progress:
        fine = lesson_state(view.image, FINE, on_progress)
    cosine = quantities.similarity_to_finer(view.maps.upper[k], fine.maps.upper[k])
    is_answered = answer_of(view, 6, k) is not None
    for column, state in zip(columns, (view, fine) if is_answered else (view,), strict=False):
        size, (rows, sides) = state.request.size, state.maps.upper[k].shape
        title, label = f"Map {k} at {size} px: {rows} × {sides}", "weight, on the scale of this map"
        with column:
            parts.titled_overlay(state, title, state.maps.upper[k], label=label, key=f"over-{size}")
    if not is_answered:
        with columns[1]:
            st.subheader(f"The photo at {FINE} px", anchor=False)
            st.image(parts.framed(fine), width="stretch")

    def explanation() -> str:
        return (
            f"Averaged down, the fine map's similarity to the coarse map is **{number(cosine, 2)}** (cosine; 1 = same "
            "shape). It is a map of its own, which sees smaller things."
        )

    with columns[-1]:
        if parts.ask(view, 6, questions.how_similar(cosine), explanation):
            parts.try_it(
                view, 6, "Click small things in the right image. Does the map change within one cell of the left one?",
                f"Here: **{number(view.weight)}** at {cell_name(view.position)} of the coarse map, "
                f"**{number(fine.weight)}** at {cell_name(fine.position)} of the fine one.",
            )  # fmt: skip
            channel_input(view.maps, k, "lesson_map", choose_map)
            parts.go_on(view, parts.MAPS_PAGE, "See all maps at 448 px", "grid_view", size=FINE)


def fully_connected(view: LessonState) -> None:
    """Step 7: what a layer loses that reads only the average of each map."""
    maps, k, asked = view.maps, view.channel, asked_map(view, 7)
    parts.step_text(
        "The network's fully-connected layer reads one number of each map: its **average**. P keeps a whole block for "
        "each: the patches, weighted and added up. What is lost where only the average is kept?"
    )
    map_column, mirrored_column, evidence_column, text_column = parts.step_columns("connected", 4)
    with map_column:
        _with_average(view, f"Map {k}", maps.upper[k], "over")
    with mirrored_column:
        _with_average(view, f"Map {k}, mirrored", quantities.mirrored_map(maps, k)[0], "mirrored")
    mirrored, change = quantities.mirrored_map(maps, asked)[0], quantities.change_by_mirroring(maps, asked)

    def explanation() -> str:
        return (
            f"Average of map {asked}: **{number(maps.upper[asked].mean(), 4)}** before, "
            f"**{number(mirrored.mean(), 4)}** after. {what_mirroring_does(view, asked)} Whether that tells classes "
            "apart better has to be measured, class by class."
        )

    with text_column:
        if parts.ask(view, 7, questions.what_mirroring_changes(change), explanation, asked):
            parts.try_it(
                view, 7, "Choose another map. Which blocks hardly change when the map is mirrored?",
                what_mirroring_does(view, k),
            )  # fmt: skip
            channel_input(maps, k, "lesson_map", choose_map)
            parts.go_on(view, parts.WHY_PAGE, "Why this class?", "balance")
            with evidence_column:
                class_evidence(view)


def _with_average(view: LessonState, title: str, weights: np.ndarray, key: str) -> None:
    """A map with its average."""
    parts.titled_overlay(view, title, weights, label=f"weight; average {number(weights.mean(), 4)}", key=key)


def what_mirroring_does(view: LessonState, channel: int) -> str:
    """What becomes of a map's block where the map is mirrored, in a sentence of Markdown."""
    if view.maps.statistics.dead[channel]:
        return f"Map {channel} is zero everywhere on this photo, and so is its block."
    change = number(100 * quantities.change_by_mirroring(view.maps, channel), 2)
    return f"The block of map {channel} changes by **{change} %** of its size, as other patches lie under the weights."


def class_evidence(view: LessonState) -> None:
    """The network's answer, which uses only the averages, split by position afterwards."""
    network = current_server().networks.named(view.request.backbone, view.request.weights)
    with waiting("Asking the network …") as on_progress:
        explained = explain_image(view.image, network_classifier(network, COARSE, view.request.framing), on_progress)
    answer = explained.explanation.predicted
    evidence = explained.contributions((answer, "")).positions
    assert evidence is not None  # averages of maps always have them
    label = f"what each position adds to the score {signed(float(explained.scores.max()))}"
    look = replace(view.look, colour_map=SIGNED_COLOUR_MAP, signed=True)
    parts.titled_overlay(view, f"Evidence for {answer}", evidence, label=label, key="evidence", look=look)
    st.caption(
        "An average is a sum over positions, so its score can be split by position afterwards (a class activation "
        "map). The layer itself gets no positions to work with."
    )


def now_you(view: LessonState) -> None:
    """Step 8: where to go from here."""
    parts.step_text(
        "A map says where to look, a patch what is there, and P puts the two together for every map. One more "
        "question; then take your own photo, or go on with this one: each page starts with the map that you looked at."
    )
    change = quantities.change_by_shuffling(view.maps, view.channel)

    def explanation() -> str:
        return (
            f"Shuffled and added up again, block {view.channel} {what_changed(change)}: a sum does not depend on the "
            "order of its terms. P says **what** was there under each map, and forgets where. Nor does it name a "
            "class: a classifier has to be trained on it."
        )

    input_column, map_column, text_column = parts.step_columns("you")
    parts.input_image(input_column, view)
    parts.map_image(map_column, view)
    with text_column:
        if parts.ask(view, 8, questions.what_moving_changes(change), explanation):
            rights = right_answers(view.image.key)
            st.markdown(f"**{rights} of {len(TITLES)}** answered right with this photo. Try another one, or go on:")
        parts.go_on(view, parts.MAPS_PAGE, "See every map, of your own photo too", "grid_view")
        parts.go_on(view, parts.BUILD_PAGE, "Build the feature, and try what follows", "stacked_bar_chart")
        parts.go_on(view, parts.WHY_PAGE, "Why this class?", "balance")
        parts.go_on(view, parts.TRAIN_PAGE, "Train on your own classes, and compare", "model_training")


def what_changed(change: float) -> str:
    """By how much a vector has moved, relative to its length: a predicate."""
    if change < ROUNDING:
        return "does not change (by 0 %, but for rounding)"
    return f"changes by {number(100 * change, 2)} %"


STEPS = (finer_maps, fully_connected, now_you)
