"""The state of a page that runs without a browser, to read and to set."""

from typing import Any

from streamlit.testing.v1 import AppTest

from crosspool.ui.visit.state import NAME, VisitPart, VisitState


def visit_of(app: AppTest) -> VisitState:
    """The whole state of the visit, also before its first run."""
    if NAME not in app.session_state:
        app.session_state[NAME] = VisitState()
    state: VisitState = app.session_state[NAME]
    return state


def state_of(app: AppTest, kind: type[VisitPart]) -> Any:
    """A part of the visit's state; the caller knows which of its fields have a value."""
    return visit_of(app).part(kind)
