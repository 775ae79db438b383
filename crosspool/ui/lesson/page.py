"""The guided lesson: from a photo to P in eight steps, with the numbers of the chosen image."""

import streamlit as st

from crosspool.ui.lesson import answers, state, steps_beyond, steps_to_p
from crosspool.ui.lesson.quantities import COARSE
from crosspool.ui.maps.large_images import headline
from crosspool.ui.maps.page import start_from_link
from crosspool.ui.maps.presenter import present_button, presenting
from crosspool.ui.visit.images import SourceImage, choose_image
from crosspool.ui.visit.waiting import errors_shown, waiting
from crosspool.ui.widgets.keys import keys
from crosspool.ui.widgets.steps import steps

STEPS = (*steps_to_p.STEPS, *steps_beyond.STEPS)


def lesson_page() -> None:
    """The page."""
    start_from_link(state.CARRIED, others=["step"])
    state.current_step()
    state.write_lesson_link()
    with st.container(horizontal=True, vertical_alignment="center"):
        if not presenting():  # the audience needs no title, and the presenter no button
            st.title("Guided lesson", anchor=False)
            present_button()
            st.page_link("pages/teachers.py", label="For teachers", icon=":material/co_present:", width="content")
        with st.popover("Another photo", icon=":material/photo_library:"):
            image = choose_image(menu=False)
    _current_step(image)


@st.fragment
def _current_step(image: SourceImage) -> None:
    """The current step, below the row of all steps."""
    step, note = state.current_step()
    with st.container(key="lesson-steps"):
        steps(state.TITLES, step, marks=answers.marks(image.key), choose=state.go_to_step, key="steps")
    if note:
        st.info(note, icon=":material/link_off:")
    st.header(f"{step} · {state.TITLES[step - 1]}", anchor=False)
    with errors_shown():
        with waiting("Computing the maps …") as on_progress:
            view = state.lesson_state(image, COARSE, on_progress)
        STEPS[step - 1](view)
        headline(view.image, view.request, view.maps)
    keys(state.keys_of_step(step), key="step-keys")
    state.write_lesson_link()
