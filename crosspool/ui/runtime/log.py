"""What the server does, one line an event: numbers and names of ours, never what visitors bring, name or type.

What Streamlit, uvicorn and other libraries log goes the same way: of their words only those remain that stand in their
source code, and of exceptions the types and the places, as messages may quote a file's name.
"""

import json
import linecache
import logging
import secrets
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

from streamlit import logger as streamlit_logger
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.ui.runtime.counters import count
from crosspool.ui.runtime.settings import ServerSettings

FRAMES = 12  # of a stack, the innermost
SERVER = "uvicorn.error"  # tells of each visit, as `visit_began` does
REQUESTS = "uvicorn.access"  # stays as quiet as Streamlit makes it
LINES_AROUND = 10  # a call, in which its words are looked for
SAID_BY_US = "Uncaught app execution"  # of Streamlit's, which `page_failed` says with its number

_logger = logging.getLogger("crosspool.server")
_secret = secrets.token_bytes(16)


def event(
    name: str, *, level: int = logging.INFO, network: str = "", pair: str = "", kind: str = "", reference: str = "",
    session: str = "", error: BaseException | None = None, **numbers: float,
) -> None:  # fmt: skip
    """Log that something happened, and count it.

    Words are only those that are known beforehand: ids of networks and layer pairs, and a `kind` out of a few. `ms` is
    how long it took. The session is the one whose page is running, by a name of its own.
    """
    count(name, numbers.get("ms", 0.0))
    words = {
        "session": session or this_session(),
        "network": network,
        "pair": pair,
        "kind": kind,
        "reference": reference,
    }
    facts = {key: word for key, word in words.items() if word} | {
        key: round(number, 1) for key, number in numbers.items()
    }
    _logger.log(level, name, extra={"facts": facts}, exc_info=error)


@contextmanager
def timed(name: str, *, level: int = logging.INFO, kind: str = "") -> Iterator[None]:
    """An event that says how long the block took, whether it succeeded or not."""
    start = perf_counter()
    try:
        yield
    finally:
        event(name, level=level, kind=kind, ms=1000 * (perf_counter() - start))


def this_session() -> str:
    """A short name of the session whose page is running, which opens nothing; empty outside of pages."""
    context = get_script_run_ctx(suppress_warning=True)
    return session_name(context.session_id) if context else ""


def session_name(session_id: str) -> str:
    """The log's name of a session of Streamlit's."""
    return blake2b(session_id.encode(), key=_secret, digest_size=4).hexdigest()


class Line(logging.Formatter):
    """A record as a line of a `kind`: text or json."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._json = kind == "json"

    def format(self, record: logging.LogRecord) -> str:
        facts = {**_facts(record), **(_failure(record.exc_info[1]) if record.exc_info and record.exc_info[1] else {})}
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._json:
            return json.dumps({"time": time, "level": record.levelname.lower(), **facts})
        return " ".join([time, f"{record.levelname:<7}", facts.pop("event"), *(f"{k}={v}" for k, v in facts.items())])


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    if isinstance(facts := getattr(record, "facts", None), dict):
        return {"event": record.msg, **facts}
    return {"event": "message", "logger": record.name, "at": f"{record.module}:{record.lineno}", "text": _words(record)}


def _words(record: logging.LogRecord) -> str:
    """A library's message without what it was filled in with, if it stands like that in the library's source code."""
    around = slice(max(record.lineno - LINES_AROUND, 0), record.lineno + LINES_AROUND)
    source = "".join(linecache.getlines(record.pathname)[around])
    return record.msg if isinstance(record.msg, str) and record.msg in source else ""


def _failure(error: BaseException) -> dict[str, Any]:
    """An exception without its message: its type, where it comes from, and the types of those before it."""
    stack = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    causes: list[str] = []
    before = error.__cause__ or error.__context__
    while before and len(causes) < FRAMES:
        causes.append(type(before).__name__)
        before = before.__cause__ or before.__context__
    places = [f"{'/'.join(Path(at.filename).parts[-2:])}:{at.lineno} {at.name}" for at in stack]
    return {"error": type(error).__name__, "stack": places} | ({"because_of": causes} if causes else {})


def write_log(settings: ServerSettings) -> None:
    """From now on the whole process logs to standard error like this."""
    handler = logging.StreamHandler()
    handler.setFormatter(Line(settings.log))
    handler.setLevel(settings.log_level.upper())
    handler.addFilter(lambda record: record.msg != SAID_BY_US)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for logger in list(root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.name != REQUESTS:
            _pass_on(logger)
    logging.getLogger(SERVER).setLevel(logging.WARNING)
    streamlit_logger.setup_formatter = (
        _pass_on  # it gives each of its loggers, present and future, a handler of its own
    )
    warnings.showwarning = _warned
    sys.excepthook = _uncaught
    threading.excepthook = lambda thread: _uncaught(thread.exc_type, thread.exc_value, thread.exc_traceback)
    sys.unraisablehook = lambda caught: _uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def _pass_on(logger: logging.Logger) -> None:
    """Let the root logger write what this one is told."""
    logger.handlers = []
    logger.propagate = True


def _warned(
    message: Warning | str, category: type[Warning], filename: str, lineno: int,
    file: Any = None, line: str | None = None,
) -> None:  # fmt: skip
    event("warning", level=logging.WARNING, kind=f"{category.__name__} at {Path(filename).name}:{lineno}")


def _uncaught(kind: type[BaseException], error: BaseException | None, stack: TracebackType | None) -> None:
    if issubclass(kind, Exception):  # others only end a thread, or the server
        event("uncaught", level=logging.ERROR, kind=kind.__name__, error=error)
