"""Files that are made when their download button is pressed: in turn, a few at a time for a visit."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime.accounts import charged_to
from crosspool.ui.runtime.gate import BusyError, OnProgress
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.state import VisitPart, plain, visit_state
from crosspool.ui.visit.uploads import visitor

MOST_AT_ONCE = 3  # files that are made for a visit, or wait for their turn

File = TypeVar("File", bytes, str)


class LeftError(CrosspoolError):
    """The visitor for whom something was to be made has left."""


@dataclass
class ExportState(VisitPart):
    """Places for files that are being made; None before the first button."""

    places: threading.Semaphore | None = plain(None)


def made_in_turn(make: Callable[[OnProgress], File]) -> Callable[[], File]:
    """A function for a download button, which Streamlit calls in a thread of its own.

    `make(on_progress)` waits for its turns with `on_progress`, which raises once the visitor's page is closed; they are
    charged to the visitor. The function raises BusyError where there is no room for the file.
    """
    state, context, files = visit_state(ExportState), get_script_run_ctx(), current_server().held_files
    places = state.places = state.places or threading.Semaphore(MOST_AT_ONCE)
    session, account = context.session_id if context is not None else "", visitor()

    def check(place: int) -> None:
        if runtime.exists() and not runtime.get_instance().is_active_session(session):
            raise LeftError("The page was closed.")

    def file() -> File:
        if not places.acquire(blocking=False):
            raise BusyError(f"{MOST_AT_ONCE} of your files are being made already; wait for one of them.")
        try:
            with charged_to(account):
                data = make(check)
        finally:
            places.release()
        if not files.hold(len(data), account):
            raise BusyError("There is no room for more files now; choose something on the page, then try again.")
        return data

    return file


def drawn_in_turn(draw: Callable[[], File]) -> Callable[[], File]:
    """As `made_in_turn`, for a file that takes one turn."""

    def make(on_progress: OnProgress) -> File:
        server = current_server()
        with server.compute.turn(on_progress, seconds=server.settings.wait_seconds):
            return draw()

    return made_in_turn(make)
