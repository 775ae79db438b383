"""Files that are made when their download button is pressed: in turn, a few at a time for a visit."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from streamlit import runtime
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime.accounts import charged_to
from crosspool.ui.runtime.gate import BusyError, OnProgress
from crosspool.ui.runtime.quota import Reservation
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.state import VisitPart, plain, visit_state
from crosspool.ui.visit.uploads import visitor

MOST_AT_ONCE = 3  # files that are made for a visit, or wait for their turn

File = bytes | str


class LeftError(CrosspoolError):
    """The visitor for whom something was to be made has left."""


@dataclass
class ExportState(VisitPart):
    """Places for files that are being made, None before the first button; and the room of those that are held."""

    places: threading.Semaphore | None = plain(None)
    held: list[Reservation] = plain([])


def release_files() -> None:
    """Give back the room of the files that were taken from the visit's last page, as the next run begins."""
    visit_state(ExportState).held.clear()


def made_in_turn(make: Callable[[OnProgress], File], name: str, kind: str) -> Callable[[], bytes]:
    """A function for a download button, which Streamlit calls in a thread of its own.

    `make(on_progress)` waits for its turns with `on_progress`, which raises once the visitor's page is closed; they are
    charged to the visitor, and so are the bytes until the visit's page runs again. `name` and `kind` are the button's.
    The function raises BusyError where there is no room for the file.
    """
    state, context, server = visit_state(ExportState), get_script_run_ctx(), current_server()
    places = state.places = state.places or threading.Semaphore(MOST_AT_ONCE)
    session, account = context.session_id if context is not None else "", visitor()

    def check(place: int) -> None:
        if runtime.exists() and not runtime.get_instance().is_active_session(session):
            raise LeftError("The page was closed.")

    def file() -> bytes:
        if not places.acquire(blocking=False):
            raise BusyError(f"{MOST_AT_ONCE} of your files are being made already; wait for one of them.")
        try:
            with charged_to(account):
                made = make(check)
        finally:
            places.release()
        data = made.encode() if isinstance(made, str) else made
        reservation = server.files.reserve(len(data), account)
        if reservation is None:
            raise BusyError("There is no room for more files now; choose something on the page, then try again.")
        state.held.append(reservation)
        if context is not None and runtime.exists():
            _hold(context, data, name, kind)
        return data

    return file


def _hold(context: ScriptRunContext, data: bytes, name: str, kind: str) -> None:
    """Let Streamlit hold a file until the session's page runs again.

    Otherwise it drops the file once any two pages have run: in a class, before the browser has read it.
    """
    add = runtime.get_instance().media_file_mgr.add
    holder = threading.Thread(target=add, args=(data, kind, f"held {name}", name, True), name="hold file")
    add_script_run_ctx(holder, context)  # which is how `add` knows whose file it is
    holder.start()
    holder.join()


def drawn_in_turn(draw: Callable[[], File], name: str, kind: str) -> Callable[[], bytes]:
    """As `made_in_turn`, for a file that takes one turn."""

    def make(on_progress: OnProgress) -> File:
        server = current_server()
        with server.compute.turn(on_progress, seconds=server.settings.wait_seconds):
            return draw()

    return made_in_turn(make, name, kind)
