"""What the steps of the lesson are made of: text, columns, something to try, and the way to another page."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from crosspool.ui.lesson.quantities import COARSE
from crosspool.ui.lesson.state import LessonState, choose_cell, take_along
from crosspool.ui.maps.presenter import presenting
from crosspool.ui.widgets.cell_image import Cell

MAPS_PAGE, WHY_PAGE, BUILD_PAGE = "pages/weighting_maps.py", "pages/contributions.py", "pages/build_p.py"


EXPLAINED_PAGE, TRAIN_PAGE = "pages/what_am_i_looking_at.py", "pages/train_and_compare.py"


def step_text(text: str) -> None:
    """The two or three sentences of a step, in lines that are not too long to read."""
    st.markdown(text, width="stretch" if presenting() else 1000)


def step_columns(key: str, count: int = 3) -> list[DeltaGenerator]:
    """Columns that wrap: the images, and beside or below them what to try."""
    with st.container(key=f"large-{key}"):
        return st.columns(count, gap="medium")


def cell_chooser(view: LessonState) -> Callable[[Cell], None]:
    return lambda cell: choose_cell(view, cell)


def try_it(question: str, answer: str) -> None:
    """One thing to do, and what the numbers say to it by now."""
    st.markdown(f"**Try it.** {question}")
    st.info(answer, icon=":material/touch_app:")


def go_on(view: LessonState, page: str, label: str, icon: str, size: int = COARSE) -> None:
    """To another page, which then looks at the same sample and map."""
    if st.button(label, icon=f":material/{icon}:", key=f"to-{page}"):
        take_along(view, size)
        st.switch_page(page)


def weight_here(view: LessonState) -> float:
    return float(view.maps.upper[view.channel][view.position])


def cell_name(cell: Cell) -> str:
    return f"row {cell[0]}, column {cell[1]}"
