"""What the steps of the lesson share: text, columns, images, something to try, and the way to another page."""

from collections.abc import Callable

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from crosspool.drawing.rendering import Look, colour_range_of
from crosspool.ui.lesson.answers import SHOWN, Answer, answer_of, ask_again, commit, has_moved_on
from crosspool.ui.lesson.quantities import COARSE
from crosspool.ui.lesson.questions import Question
from crosspool.ui.lesson.state import LessonState, take_along
from crosspool.ui.maps import large_images
from crosspool.ui.maps.presenter import presenting
from crosspool.ui.widgets.cell_image import Choose, cell_image
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


def input_image(column: DeltaGenerator, view: LessonState, choose: Choose | None = None) -> None:
    """The network's input, with the position marked, in a column; clicks call `choose`, or move the position."""
    with column:
        large_images.input_image(view.maps, view.request, view.position, choose or view.choose_cell)


def map_image(column: DeltaGenerator, view: LessonState, choose: Choose | None = None) -> None:
    """The map over the network's input, in a column; clicks call `choose`, or move the position."""
    with column:
        large_images.map_image(view.maps, view.channel, view.position, view.look, choose or view.choose_cell)


def framed(view: LessonState) -> Image.Image:
    """The network's input, large."""
    return large_images.enlarged(view.maps.framed)


def overlaid(view: LessonState) -> Image.Image:
    """The map over the network's input, large, without a mark."""
    colours = view.look.colour_range(view.maps.statistics.peak, view.channel)
    return view.look.over(framed(view), view.maps.upper[view.channel], colours)


def asking_image(column: DeltaGenerator, view: LessonState, title: str, image: Image.Image, choose: Choose) -> None:
    """An image without a mark, in a column: a click, or arrow keys and Enter, answer a question."""
    size = view.maps.upper.shape[1:]
    with column:
        st.subheader(title, anchor=False)
        alt = f"{title}. Click a cell, or point with the arrow keys and press Enter."
        cell_image(image, alt=alt, map_size=size, cell=None, choose=choose, key="asking")


def titled_overlay(
    view: LessonState, title: str, values: np.ndarray, *, label: str, key: str, look: Look | None = None
) -> None:
    """Values, (H, W), over the network's input on a scale of their own, below a title."""
    st.subheader(as_it_is(title), anchor=False)
    photo, look, alt = view.maps.framed, look or view.look, f"{title}, over the image."
    colours, choose = colour_range_of(values, signed=look.signed), view.choose_cell
    large_images.overlay_image(
        photo, values, colours, look, position=view.position, choose=choose, alt=alt, label=label, key=key
    )


def try_it(view: LessonState, step: int, question: str, answer: str) -> None:
    """One thing more to do, and once another map or position is looked at, what the numbers say there."""
    st.markdown(f"**Try it.** {question}")
    if has_moved_on(view, step):
        st.info(answer, icon=":material/touch_app:")


def ask(
    view: LessonState, step: int, question: Question, explanation: Callable[[], str], subject: int | None = None
) -> bool:
    """Show a question with its answers as buttons; once answered, which is right, and why. True then.

    `subject` is the map that it is about, the current one by default.
    """
    subject = view.channel if subject is None else subject
    answer = answer_of(view, step, subject)
    _question(question.text)
    if answer is None:
        for id_, text in question.options.items():
            given = (view, step, subject, id_, id_ == question.right)
            st.button(text, key=f"answer-{id_}", width="stretch", on_click=commit, args=given)
    else:
        st.markdown("\n".join(f"- {_after(id_, question, answer)}" for id_ in question.options))
    return _verdict(view, step, subject, explanation)


def _after(id_: str, question: Question, answer: Answer) -> str:
    """An answer to choose from as a line, once the question is answered."""
    text = as_it_is(question.options[id_])
    if id_ == question.right:
        return f":material/check_circle: **{text}**"
    return f":material/cancel: {text} (your answer)" if id_ == answer.chosen else text


def ask_for_click(view: LessonState, step: int, subject: int, text: str, explanation: Callable[[], str]) -> bool:
    """Show a question that is answered by a click elsewhere; once it was, the explanation. True then."""
    _question(text)
    return _verdict(view, step, subject, explanation)


def _question(text: str) -> None:
    st.markdown(f"**Your turn.** {text}")


def _verdict(view: LessonState, step: int, subject: int, explanation: Callable[[], str]) -> bool:
    """Whether the question is answered: the verdict on the answer then, and before that a way to be told."""
    answer = answer_of(view, step, subject)
    if answer is None:
        given = (view, step, subject, SHOWN, None)
        st.button("Show the answer", key="show-answer", on_click=commit, args=given)
        return False
    if answer.right:
        st.success(f"**Right.** {explanation()}", icon=":material/check_circle:")
    elif answer.right is None:
        st.info(explanation(), icon=":material/lightbulb:")
    else:
        st.warning(f"**Not quite.** {explanation()}", icon=":material/lightbulb:")
    st.button("Ask me again", key="ask-again", on_click=ask_again, args=(view, step))
    return True


def go_on(view: LessonState, page: str, label: str, icon: str, size: int = COARSE) -> None:
    """A button that leads to another page and shows the same sample and map there."""
    if st.button(label, icon=f":material/{icon}:", key=f"to-{page}"):
        take_along(view, size)
        st.switch_page(page)
