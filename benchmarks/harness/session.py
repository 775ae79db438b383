"""What a page run without a browser remembers, to read and to set."""

from typing import Any

from streamlit.testing.v1 import AppTest

from crosspool.ui.visit.state import NAME, VisitPart, VisitState


def visit_of(app: AppTest) -> VisitState:
    """All that the visit remembers, also before its first run."""
    if NAME not in app.session_state:
        app.session_state[NAME] = VisitState()
    state: VisitState = app.session_state[NAME]
    return state


def state_of(app: AppTest, kind: type[VisitPart]) -> Any:
    """A part of what the visit remembers; the caller knows which of its fields have a value."""
    return visit_of(app).part(kind)
