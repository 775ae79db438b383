"""While something is computed for a visitor: what it is, the place in the queue, and why it failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime.gate import BusyError, OnProgress
from crosspool.ui.visit.state import current_visit
from crosspool.ui.widgets.text import as_it_is


@contextmanager
def waiting(text: str) -> Iterator[OnProgress]:
    """Show what the block does, and yield a function that shows the place in the queue.

    Visitors who have left the page lose their place at its next call, as Streamlit ends the run there.
    """
    line = st.empty()
    with st.spinner(text, show_time=True):
        yield partial(_show_place, line)


def place_shown() -> OnProgress:
    """As what `waiting` yields, for work that is short by itself: nothing is shown unless there is a queue."""
    lines: list[DeltaGenerator] = []

    def show(place: int) -> None:
        current_visit()  # ends the run, too
        if place and not lines:
            lines.append(st.empty())
        for line in lines:
            _show_place(line, place)

    return show


def _show_place(line: DeltaGenerator, place: int) -> None:
    if place > 1:
        line.info(f"Place {place} in the queue: {place - 1} ahead of you.", icon=":material/hourglass:")
    elif place:
        line.info("You are next.", icon=":material/hourglass:")
    else:
        line.empty()


@contextmanager
def errors_shown() -> Iterator[None]:
    """Show a CrosspoolError that ends the block as a sentence; a decorator, too."""
    try:
        yield
    except CrosspoolError as error:
        st.error(as_it_is(str(error)), icon=":material/error:")
        if isinstance(error, BusyError):
            st.button("Try again", icon=":material/refresh:", key="try-again")  # every press runs the page again
