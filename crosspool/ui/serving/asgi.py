"""The server around the pages: its parts, built at the start, the log of its requests, and limits on uploads.

Uploads that no page has taken yet are limited for each visit, and for all visits together.
"""

import asyncio
import logging
import secrets
import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any

import streamlit as st
import streamlit.runtime
from starlette.concurrency import run_in_threadpool
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager

from crosspool.ui.runtime.log import EventLog
from crosspool.ui.runtime.server import Server, current_server, serve_with
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.sprite_address import SPRITE_ROUTE
from crosspool.ui.serving.document import Document
from crosspool.ui.serving.operator import ServerMetrics
from crosspool.ui.serving.readiness import Readiness
from crosspool.ui.serving.sprites import answer_sprite
from crosspool.ui.serving.static_files import StaticFiles

ROUTE = "/_stcore/upload_file/"
FRAME = 2**20  # bytes that a request may have around its file
WAITING_TIMES = 4  # what one visit may have waiting, as a multiple of its quota: photos are shrunk on receipt


def app_parts(settings: ServerSettings) -> dict[str, Any]:
    """Build this process's server, and return the arguments of app.py's `App`."""
    server = Server(settings)
    serve_with(server)
    server.log.take_over(settings)
    config.set_option("server.maxUploadSize", largest_file(settings))
    st.set_option("client.showErrorDetails", "none")
    st.set_option("logger.enableRich", False)  # it would print exceptions past the log
    # Otherwise a link to a page would run that page without the frame until the frame has run once.
    PagesManager.uses_pages_directory = False
    readiness = Readiness(server)
    return {
        "routes": [
            Route("/ready", partial(_answer_ready, readiness)),
            Route("/metrics", ServerMetrics(server).respond),
            Route(SPRITE_ROUTE, answer_sprite),
        ],
        "middleware": [
            Middleware(RequestLog, log=server.log),
            Middleware(UploadLimit, **upload_room(settings)),
            Middleware(StaticFiles),
            Middleware(Document),
        ],
        "lifespan": partial(_lifespan, server, readiness),
        "on_script_error": show_page_failure,
    }


async def _answer_ready(readiness: Readiness, request: Request) -> JSONResponse:
    answer = await run_in_threadpool(readiness.answer)
    return JSONResponse(answer, 200 if answer["ready"] else 503, {"Cache-Control": "no-store"})


@asynccontextmanager
async def _lifespan(server: Server, readiness: Readiness, app: Any) -> AsyncIterator[None]:
    server.log.record("started")
    server.start()
    threading.Thread(target=readiness.warm_up, name="warm-up", daemon=True).start()
    visits = asyncio.create_task(server.visits.end_closed_visits())
    yield
    visits.cancel()
    server.close()
    server.log.record("stopped")


def show_page_failure(error: Exception) -> bool:
    """Show a visitor an unexpected exception by a number, under which it is in the log."""
    reference = secrets.token_hex(3)
    current_server().log.record("page_failed", level=logging.ERROR, reference=reference, error=error)
    st.error(
        "Something went wrong here, and it is not your fault. Your images and settings are still there: try again, or "
        f"choose something else. If it happens again, give the person who runs this server the number {reference}.",
        icon=":material/error:",
    )
    st.button("Try again", key=f"again-{reference}")
    return True


class RequestLog:
    """ASGI middleware that logs and counts visits, uploads, and requests that failed."""

    def __init__(self, app: ASGIApp, log: EventLog) -> None:
        self._app, self._log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages, received, status, start = 0, 0, 500, perf_counter()

        async def counted() -> Message:
            nonlocal messages, received
            message = await receive()
            messages += message["type"] == "websocket.receive"
            received += len(message.get("body", b""))
            return message

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        if scope["type"] == "websocket":
            self._log.record("visit_began")
        try:
            await self._app(scope, counted, watched)
        finally:
            ms = 1000 * (perf_counter() - start)
            if scope["type"] == "websocket":
                self._log.record("visit_ended", ms=ms, messages=messages)
            elif scope["type"] == "http":
                self._record_request(scope, status, received, ms)

    def _record_request(self, scope: Scope, status: int, received: int, ms: float) -> None:
        _, is_upload, rest = scope["path"].partition(ROUTE)
        if is_upload and scope["method"] == "PUT":
            name, session = "upload_taken" if status < 400 else "upload_refused", rest.partition("/")[0]
            self._log.record(name, session=self._log.session_name(session), status=status, bytes=received, ms=ms)
        elif status >= 500 and not scope["path"].endswith("/ready"):
            self._log.record("request_failed", level=logging.ERROR, status=status, ms=ms)


# --- uploads


def largest_file(settings: ServerSettings) -> int:
    """The largest file that any page takes, in megabytes, for Streamlit's `server.maxUploadSize`."""
    return max(settings.upload_megabytes, settings.zip_megabytes, settings.visitor_megabytes)


def upload_room(settings: ServerSettings) -> dict[str, int]:
    """The middleware's arguments."""
    visit = max(WAITING_TIMES * settings.visitor_megabytes, largest_file(settings))
    return {"visit": visit * 2**20, "all_visits": max(settings.visitors_megabytes, visit) * 2**20}


class UploadLimit:
    """ASGI middleware that refuses an upload without room for it before its first byte is read.

    Streamlit itself limits each file, but not their number, and keeps them until the visit ends or a page takes them.
    `visit` and `all_visits` are numbers of bytes.
    """

    def __init__(self, app: ASGIApp, visit: int, all_visits: int) -> None:
        self._app, self._visit, self._all_visits = app, visit, all_visits
        self._arriving: Counter[str] = Counter()  # bytes by visit
        # Starlette would write files of more than a megabyte to disk, and Streamlit reads them into memory anyway.
        MultiPartParser.spool_max_size = all_visits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, is_upload, rest = scope.get("path", "").partition(ROUTE)
        if scope["type"] != "http" or scope["method"] != "PUT" or not is_upload:
            await self._app(scope, receive, send)
            return
        visit, declared = rest.partition("/")[0], _declared(scope)
        if (refusal := self._refusal(visit, declared)) is not None:
            await refusal(scope, receive, send)
            return
        self._arriving[visit] += declared
        try:
            await self._app(scope, receive, send)
        finally:
            self._arriving[visit] -= declared
            if not self._arriving[visit]:
                del self._arriving[visit]

    def _refusal(self, visit: str, declared: int) -> PlainTextResponse | None:
        """The answer to an upload of `declared` bytes that is refused, or None."""
        if declared < 0:
            return _answer(411, "The request must declare the length of the file.")
        waiting = _waiting()
        if waiting.get(visit, 0) + self._arriving[visit] + declared > self._visit + FRAME:
            return _answer(413, "These are too many files at once; send fewer.")
        if sum(waiting.values()) + self._arriving.total() + declared > self._all_visits + FRAME:
            return _answer(503, "The server has no room for more files at the moment; try again in a minute.")
        return None


def _answer(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(sentence, status, {"Connection": "close"})


def _declared(scope: Scope) -> int:
    """The number of bytes that the request declares, or -1."""
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if len(values) == 1 and values[0].isdigit() else -1


def _waiting() -> Mapping[str, int]:
    """The bytes of each visit's files that Streamlit keeps."""
    if not streamlit.runtime.exists():
        return {}
    manager: Any = streamlit.runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    with manager._lock:
        return {visit: sum(len(file.data) for file in files.values()) for visit, files in manager.file_storage.items()}
