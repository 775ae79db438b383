"""What the server does, one line an event: numbers and names of our own, never what visitors upload, name or type.

What Streamlit, uvicorn and other libraries log goes the same way: of their words only those remain that appear in
their source code, and of exceptions the types and places, as messages may quote a file's name.
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
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

from streamlit import logger as streamlit_logger
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.ui.runtime.settings import ServerSettings

FRAMES = 12  # of a stack, the innermost
SERVER_LOGGER = "uvicorn.error"  # reports each visit, as `visit_began` does
REQUEST_LOGGER = "uvicorn.access"  # stays as quiet as Streamlit makes it
LINES_AROUND = 10  # a call, in which its words are looked for
REPEATED = "Uncaught app execution"  # a message of Streamlit's, which `page_failed` gives with its number

_logger = logging.getLogger("crosspool.server")


@dataclass(frozen=True)
class EventCount:
    """One kind of event: how often it happened, and the milliseconds of all together and of the longest."""

    times: int = 0
    ms: float = 0.0
    longest_ms: float = 0.0


class Counters:
    """Counts of events by name."""

    def __init__(self) -> None:
        self._counts: dict[str, EventCount] = {}
        self._lock = threading.RLock()  # an error in a finaliser is counted wherever garbage is collected, here too

    def add(self, event: str, ms: float = 0.0) -> None:
        """Count one more event of that name."""
        with self._lock:
            before = self._counts.get(event, EventCount())
            self._counts[event] = EventCount(before.times + 1, before.ms + ms, max(before.longest_ms, ms))

    def counts(self) -> dict[str, EventCount]:
        """All events so far, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))


class EventLog:
    """Logs and counts what happens in a server; names sessions in a way that opens nothing."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._secret = secrets.token_bytes(16)

    def record(
        self, event: str, *, level: int = logging.INFO, network: str = "", pair: str = "", kind: str = "",
        reference: str = "", session: str = "", error: BaseException | None = None, **numbers: float,
    ) -> None:  # fmt: skip
        """Log that something happened, and count it.

        Words are only those that are known beforehand: ids of networks and layer pairs, and a `kind` out of a few.
        `ms` is how long it took. The session is by default the one whose page is running.
        """
        self.counters.add(event, numbers.get("ms", 0.0))
        words = {
            "session": session or self._running_session(),
            "network": network,
            "pair": pair,
            "kind": kind,
            "reference": reference,
        }
        facts = {key: word for key, word in words.items() if word} | {
            key: round(number, 1) for key, number in numbers.items()
        }
        _logger.log(level, event, extra={"facts": facts}, exc_info=error)

    @contextmanager
    def timed(self, event: str, *, kind: str = "") -> Iterator[None]:
        """Record how long the block took, whether it succeeded or not."""
        start = perf_counter()
        try:
            yield
        finally:
            self.record(event, kind=kind, ms=1000 * (perf_counter() - start))

    def session_name(self, session_id: str) -> str:
        """The log's name for one of Streamlit's sessions."""
        return blake2b(session_id.encode(), key=self._secret, digest_size=4).hexdigest()

    def _running_session(self) -> str:
        context = get_script_run_ctx(suppress_warning=True)
        return self.session_name(context.session_id) if context else ""

    def take_over(self, settings: ServerSettings) -> None:
        """From now on the whole process logs to standard error, in this log's words."""
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
        # Streamlit gives each of its loggers, present and future, a handler of its own.
        streamlit_logger.setup_formatter = _propagate
        warnings.showwarning = self._record_warning
        sys.excepthook = self._record_uncaught
        threading.excepthook = lambda thread: self._record_uncaught(
            thread.exc_type, thread.exc_value, thread.exc_traceback
        )
        sys.unraisablehook = lambda caught: self._record_uncaught(
            caught.exc_type, caught.exc_value, caught.exc_traceback
        )

    def _record_warning(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: Any = None, line: str | None = None,
    ) -> None:  # fmt: skip
        self.record("warning", level=logging.WARNING, kind=f"{category.__name__} at {Path(filename).name}:{lineno}")

    def _record_uncaught(
        self, kind: type[BaseException], error: BaseException | None, stack: TracebackType | None
    ) -> None:
        if issubclass(kind, Exception):  # others only end a thread, or the server
            self.record("uncaught", level=logging.ERROR, kind=kind.__name__, error=error)


def _propagate(logger: logging.Logger) -> None:
    """Leave it to the root logger to write what this one is given."""
    logger.handlers = []
    logger.propagate = True


class LogFormatter(logging.Formatter):
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
    """A library's message before it was formatted, if the library's source code contains it like that."""
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
