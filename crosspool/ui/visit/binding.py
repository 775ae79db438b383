"""The one way to keep a widget's value: it lives in a field of what the visit remembers.

Streamlit itself drops a value when a page, or a run that was cut short, does not draw its widget.
"""

from collections.abc import Callable
from typing import TypedDict, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.ui.visit.state import VisitPart, current_visit

T = TypeVar("T")


class Binding(TypedDict):
    """Arguments of any widget of Streamlit's."""

    key: str
    on_change: Callable[[], None]


def bound(part: VisitPart, name: str, *, then: Callable[[], None] = lambda: None) -> Binding:
    """Tie a widget to a field: it shows the field's value and changes it, and `then()` is called.

    The widget's key is the field's name, so the names of bound fields differ between all parts.
    """

    def keep(value: object) -> None:
        setattr(part, name, value)
        then()

    return bound_value(name, getattr(part, name), keep)


def bound_value(key: str, value: T, keep: Callable[[T], None]) -> Binding:
    """Tie a widget to any other value: it shows `value`, and `keep(new)` is called with what is chosen instead.

    The browser is only told of a value that it does not show yet: what somebody is typing meanwhile stays. To
    Streamlit, widgets of one key on two pages are two.
    """
    context, pages = get_script_run_ctx(), current_visit().pages
    page = context.page_script_hash if context is not None else ""
    if pages.get(key) != page or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    pages[key] = page
    return Binding(key=key, on_change=lambda: keep(st.session_state[key]))
