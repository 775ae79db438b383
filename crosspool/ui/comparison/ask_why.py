"""From a method's answer to the evidence for it: the button that leads to Contributions."""

from collections.abc import Callable

import streamlit as st

from crosspool.ui.visit.link import ChosenClassifier, LinkState
from crosspool.ui.visit.state import visit_state
from crosspool.ui.widgets.text import as_it_is

CONTRIBUTIONS = "pages/contributions.py"


def why_button(name: str, place: str, ask: Callable[..., None], args: tuple[object, ...]) -> None:
    """A button that leads to the evidence for a method's answer; `ask` says what is taken along."""
    wanted = st.button(
        "Why?",
        key=f"why-{place}-{name}",
        type="tertiary",
        on_click=ask,
        args=args,
        help=f"What in this image is evidence for the answer of {as_it_is(name)}?",
    )
    if wanted:
        st.switch_page(CONTRIBUTIONS)


def ask_why(method: str, answer: str) -> None:
    """Take classifier and question along; the image is the one that is chosen."""
    link = visit_state(LinkState)
    visit_state(ChosenClassifier).classifier, link.positive, link.against = method, answer, ""
