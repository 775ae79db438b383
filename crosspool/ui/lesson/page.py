"""The guided lesson: from a photo to P in eight steps, with the numbers of a sample image."""

import streamlit as st

from crosspool.errors import CrosspoolError
from crosspool.ui.lesson.quantities import COARSE
from crosspool.ui.lesson.state import (
    TITLES,
    chosen_sample,
    current_step,
    go_to_step,
    keys_of_step,
    lesson_state,
    note_of_link,
    write_lesson_link,
)
from crosspool.ui.lesson.steps_beyond import finer_maps, fully_connected, now_you
from crosspool.ui.lesson.steps_maps import a_thousand_maps, what_is_a_map, why_a_weight
from crosspool.ui.lesson.steps_pooling import all_of_p, one_block_of_p
from crosspool.ui.maps.large_images import headline
from crosspool.ui.maps.page import start_from_link
from crosspool.ui.maps.presenter import present_button, presenting
from crosspool.ui.visit.waiting import show_error, waiting
from crosspool.ui.widgets.keys import keys
from crosspool.ui.widgets.steps import steps

STEPS = (
    what_is_a_map,
    a_thousand_maps,
    why_a_weight,
    one_block_of_p,
    all_of_p,
    finer_maps,
    fully_connected,
    now_you,
)


@st.fragment
def current_step_section() -> None:
    """The step that is on, below the row of all steps."""
    step = current_step()
    with st.container(key="lesson-steps"):
        steps(TITLES, step, choose=go_to_step, key="steps")
    if note_of_link():
        st.info(note_of_link(), icon=":material/link_off:")
    st.header(f"{step} · {TITLES[step - 1]}", anchor=False)
    try:
        with waiting("Computing the maps …") as on_progress:
            view = lesson_state(chosen_sample(), COARSE, on_progress)
        STEPS[step - 1](view)
    except CrosspoolError as error:
        show_error(error)
    else:
        headline(view.picture, view.request, view.maps)
    keys(keys_of_step(step), key="step-keys")
    write_lesson_link()


def lesson_page() -> None:
    """The page."""
    start_from_link()
    with st.container(horizontal=True, vertical_alignment="center"):
        if not presenting():  # whoever presents it knows what it is
            st.title("Guided lesson", anchor=False)
            present_button()
    current_step_section()
