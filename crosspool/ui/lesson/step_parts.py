"""What the steps of the lesson share: text, columns, images, something to try, and the way to another page."""

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from crosspool.drawing.rendering import Look, colour_range_of
from crosspool.ui.lesson.quantities import COARSE
from crosspool.ui.lesson.state import LessonState, take_along
from crosspool.ui.maps import large_images
from crosspool.ui.maps.presenter import presenting
from crosspool.ui.widgets.text import as_it_is

MAPS_PAGE, WHY_PAGE, BUILD_PAGE = "pages/weighting_maps.py", "pages/contributions.py", "pages/build_p.py"
EXPLAINED_PAGE, TRAIN_PAGE = "pages/what_am_i_looking_at.py", "pages/train_and_compare.py"


def step_text(text: str) -> None:
    """The two or three sentences of a step, in lines that are not too long to read."""
    st.markdown(text, width="stretch" if presenting() else 1000)


def step_columns(key: str, count: int = 3) -> list[DeltaGenerator]:
    """Columns that wrap: the images, and beside or below them what to try."""
    with st.container(key=f"large-{key}"):
        return st.columns(count, gap="medium")


def input_image(column: DeltaGenerator, view: LessonState) -> None:
    """The network's input, with the position marked, in a column."""
    with column:
        large_images.input_image(view.maps, view.request, view.position, view.choose_cell)


def map_image(column: DeltaGenerator, view: LessonState) -> None:
    """The map over the network's input, in a column."""
    with column:
        large_images.map_image(view.maps, view.channel, view.position, view.look, view.choose_cell)


def titled_overlay(
    view: LessonState, title: str, values: np.ndarray, *, label: str, key: str, look: Look | None = None
) -> None:
    """Values, (H, W), over the network's input on a scale of their own, below a title."""
    st.markdown(f"**{as_it_is(title)}**")
    framed, look, alt = view.maps.framed, look or view.look, f"{title}, over the image."
    colours, choose = colour_range_of(values, signed=look.signed), view.choose_cell
    large_images.overlay_image(
        framed, values, colours, look, position=view.position, choose=choose, alt=alt, label=label, key=key
    )


def try_it(question: str, answer: str) -> None:
    """One thing to do, and the answer that the numbers give at the moment."""
    st.markdown(f"**Try it.** {question}")
    st.info(answer, icon=":material/touch_app:")


def go_on(view: LessonState, page: str, label: str, icon: str, size: int = COARSE) -> None:
    """A button that leads to another page and shows the same sample and map there."""
    if st.button(label, icon=f":material/{icon}:", key=f"to-{page}"):
        take_along(view, size)
        st.switch_page(page)
