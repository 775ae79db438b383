"""The server's log, a line for each event: numbers and our own names, never what visitors upload, name or type.

The log of Streamlit, uvicorn and other libraries is written the same way: only those of their words remain that appear
in their source code, and of exceptions only types and places, as messages may quote a file's name.
"""

import linecache
import logging
import secrets
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any

from streamlit import logger as streamlit_logger
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.strict_json import json_text
from crosspool.ui.runtime.settings import ServerSettings

FRAMES = 12  # of a stack, the innermost
SERVER_LOGGER = "uvicorn.error"  # reports each visit, as `visit_began` does
REQUEST_LOGGER = "uvicorn.access"  # stays as quiet as Streamlit makes it
LINES_AROUND = 10  # a call, to be searched for its words
WIDGETS = "crosspool.ui.widgets"  # which know no server, and log their events by names
REPEATED = "Uncaught app execution"  # Streamlit's message; `page_failed` says the same, with a number

_logger = logging.getLogger("crosspool.server")


@dataclass(frozen=True)
class EventCount:
    """How often an event happened, and the milliseconds of all together and of the longest."""

    times: int = 0
    ms: float = 0.0
    longest_ms: float = 0.0


class EventLog:
    """Logs and counts a server's events, and names sessions without giving access to them."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._counts: dict[str, EventCount] = {}
        self._lock = threading.RLock()  # an error in a finaliser is counted wherever garbage is collected, here too

    def record(
        self, event: str, *, level: int = logging.INFO, network: str = "", pair: str = "", kind: str = "",
        reference: str = "", session: str = "", error: BaseException | None = None, **numbers: float,
    ) -> None:  # fmt: skip
        """Log an event, and count it.

        Its words are known beforehand: ids of networks and layer pairs, one of a few kinds, or why weights could not be
        downloaded, or a collection not be used. The number `ms` is how long it took. The session is by default the one
        whose page is running.
        """
        ms = numbers.get("ms", 0.0)
        with self._lock:
            before = self._counts.get(event, EventCount())
            self._counts[event] = EventCount(before.times + 1, before.ms + ms, max(before.longest_ms, ms))
        session = session or self.running_session()
        words = {"session": session, "network": network, "pair": pair, "kind": kind, "reference": reference}
        facts: dict[str, Any] = {key: word for key, word in words.items() if word}
        facts |= {key: round(number, 1) for key, number in numbers.items()}
        _logger.log(level, event, extra={"facts": facts}, exc_info=error)

    def counts(self) -> dict[str, EventCount]:
        """How often each event has happened since the server started, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    @contextmanager
    def timed(self, event: str, *, kind: str = "") -> Iterator[None]:
        """Record how long the block took, whether or not it succeeded."""
        start = perf_counter()
        try:
            yield
        finally:
            self.record(event, kind=kind, ms=1000 * (perf_counter() - start))

    def session_name(self, session_id: str) -> str:
        """The log's name for one of Streamlit's sessions."""
        return blake2b(session_id.encode(), key=self._secret, digest_size=4).hexdigest()

    def running_session(self) -> str:
        """The log's name for the session whose page is running; "" where none is."""
        context = get_script_run_ctx(suppress_warning=True)
        return self.session_name(context.session_id) if context else ""

    def take_over(self, settings: ServerSettings) -> None:
        """Let the whole process log to standard error from now on, in this log's words."""
        handler = logging.StreamHandler()
        handler.setFormatter(LogFormatter(settings.log))
        handler.setLevel(settings.log_level.upper())
        handler.addFilter(lambda record: record.msg != REPEATED)
        root = logging.getLogger()
        root.handlers = [handler]
        root.setLevel(settings.log_level.upper())
        for logger in list(root.manager.loggerDict.values()):
            if isinstance(logger, logging.Logger) and logger.name != REQUEST_LOGGER:
                _propagate(logger)
        logging.getLogger(SERVER_LOGGER).setLevel(logging.WARNING)
        self.listen_to_widgets()
        # Streamlit gives each of its loggers, present and future, a handler of its own.
        streamlit_logger.setup_formatter = _propagate
        warnings.showwarning = self._record_warning
        sys.excepthook = lambda kind, error, stack: self._record_uncaught(kind, error)
        threading.excepthook = lambda failure: self._record_uncaught(failure.exc_type, failure.exc_value)
        sys.unraisablehook = lambda failure: self._record_uncaught(failure.exc_type, failure.exc_value)

    def listen_to_widgets(self) -> None:
        """Record the events of widgets here from now on."""
        logger = logging.getLogger(WIDGETS)
        logger.handlers, logger.propagate = [_Recorder(self)], False

    def _record_warning(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: Any = None, line: str | None = None,
    ) -> None:  # fmt: skip
        self.record("warning", level=logging.WARNING, kind=f"{category.__name__} at {Path(filename).name}:{lineno}")

    def _record_uncaught(self, kind: type[BaseException], error: BaseException | None) -> None:
        if issubclass(kind, Exception):  # others only end a thread, or the server
            self.record("uncaught", level=logging.ERROR, kind=kind.__name__, error=error)


class _Recorder(logging.Handler):
    """Makes events of the server's log from what is logged by name, with a `kind`."""

    def __init__(self, log: EventLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.record(str(record.msg), level=record.levelno, kind=getattr(record, "kind", ""))


def _propagate(logger: logging.Logger) -> None:
    """Leave a logger's records to the root logger."""
    logger.handlers = []
    logger.propagate = True


class LogFormatter(logging.Formatter):
    """Formats a record as one line, of a `kind`: text or json."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._json = kind == "json"

    def format(self, record: logging.LogRecord) -> str:
        facts = _facts(record)
        if record.exc_info and record.exc_info[1]:
            facts |= _failure(record.exc_info[1])
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._json:
            return json_text({"time": time, "level": record.levelname.lower(), **facts})
        return " ".join([time, f"{record.levelname:<7}", facts.pop("event"), *(f"{k}={v}" for k, v in facts.items())])


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    if isinstance(facts := getattr(record, "facts", None), dict):
        return {"event": record.msg, **facts}
    return {"event": "message", "logger": record.name, "at": f"{record.module}:{record.lineno}", "text": _words(record)}


def _words(record: logging.LogRecord) -> str:
    """A library's message before it was filled in, if it stands like that in the library's source code."""
    around = slice(max(record.lineno - LINES_AROUND, 0), record.lineno + LINES_AROUND)
    source = "".join(linecache.getlines(record.pathname)[around])
    return record.msg if isinstance(record.msg, str) and record.msg in source else ""


def _failure(error: BaseException) -> dict[str, Any]:
    """An exception without its message: its type, its stack, and the types of its causes."""
    stack = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    causes: list[str] = []
    before = error.__cause__ or error.__context__
    while before and len(causes) < FRAMES:
        causes.append(type(before).__name__)
        before = before.__cause__ or before.__context__
    places = [f"{'/'.join(Path(at.filename).parts[-2:])}:{at.lineno} {at.name}" for at in stack]
    return {"error": type(error).__name__, "stack": places} | ({"because_of": causes} if causes else {})
