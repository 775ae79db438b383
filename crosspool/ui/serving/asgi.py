"""The server around the pages: its parts, built at the start, and the log of its requests."""

import asyncio
import logging
import os
import secrets
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnected
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from crosspool.backbones import given_network
from crosspool.backbones.given_module import VARIABLE
from crosspool.errors import BackboneError, CrosspoolError
from crosspool.ui.runtime.collection import MOSAIC_ROUTE
from crosspool.ui.runtime.confinement import hide_memory
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.runtime.scratch import delete_orphans
from crosspool.ui.runtime.server import Server, current_server, serve_with
from crosspool.ui.runtime.settings import KEY_VARIABLE, ServerSettings
from crosspool.ui.runtime.sprite_address import SPRITE_ROUTE
from crosspool.ui.serving.collection import answer_mosaic
from crosspool.ui.serving.connections import ConnectionWatch
from crosspool.ui.serving.document import Document
from crosspool.ui.serving.guard import RequestGuard, SecurityHeaders, names_of
from crosspool.ui.serving.messages import BrowserMessages
from crosspool.ui.serving.open_pages import OpenPageLimit
from crosspool.ui.serving.operator import ServerMetrics
from crosspool.ui.serving.readiness import Readiness
from crosspool.ui.serving.sprites import answer_sprite
from crosspool.ui.serving.static_files import StaticFiles
from crosspool.ui.serving.uploads import ROUTE, UploadLimit, upload_room

# A pass through a network asks for Python's lock some hundred times, and waits as long as this each time while others
# run Python: with Python's own 5 ms, thirteen times as long in all, see benchmarks/speed/lock.py.
SWITCH_SECONDS = 1e-4
SENDER_LEFT = 499  # in the log, as nginx has it, for a request that got no answer as its sender was gone


def app_parts(settings: ServerSettings) -> dict[str, Any]:
    """Build this process's server, and return the arguments of app.py's `App`."""
    os.environ.pop(KEY_VARIABLE, None)  # it has been read
    _import_module(settings)
    hide_memory()
    sys.setswitchinterval(SWITCH_SECONDS)
    server = _server_or_exit(settings)
    serve_with(server)
    server.log.take_over(settings)
    config.set_option("server.maxUploadSize", settings.largest_file_megabytes)
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
            Route(MOSAIC_ROUTE, answer_mosaic),
        ],
        "middleware": [
            Middleware(RequestLog, log=server.log),
            Middleware(SecurityHeaders),
            Middleware(RequestGuard, hosts=names_of(settings.hosts)),
            Middleware(OpenPageLimit, pages=server.open_pages),
            Middleware(BrowserMessages, log=server.log, account_of=server.visits.account_of),
            Middleware(UploadLimit, **upload_room(settings), visitor_of=server.visits.visitor_name),
            Middleware(StaticFiles),
            Middleware(Document),
        ],
        "lifespan": partial(_lifespan, server, readiness),
        "on_script_error": show_page_failure,
    }


def _import_module(settings: ServerSettings) -> None:
    """Make the operator's own network, if any; where that fails, end the process with a sentence and status 2."""
    os.environ[VARIABLE] = settings.module
    try:
        given_network()
    except BackboneError as error:
        print(f"crosspool: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _server_or_exit(settings: ServerSettings) -> Server:
    """The server, or the end of the process with a sentence and status 2."""
    try:
        return Server(settings)
    except CrosspoolError as error:
        print(f"crosspool: {error}", file=sys.stderr)
        raise SystemExit(2) from None


async def _answer_ready(readiness: Readiness, request: Request) -> JSONResponse:
    answer = await run_in_threadpool(readiness.answer)
    return JSONResponse(answer, 200 if answer["ready"] else 503, {"Cache-Control": "no-store"})


@asynccontextmanager
async def _lifespan(server: Server, readiness: Readiness, app: Any) -> AsyncIterator[None]:
    server.log.record("started", orphans=await run_in_threadpool(delete_orphans))
    server.start()
    threading.Thread(target=readiness.warm_up, name="warm-up", daemon=True).start()
    connections = ConnectionWatch()
    connections.attach(asyncio.get_running_loop())
    tasks = [asyncio.create_task(work) for work in (server.visits.end_closed_visits(), connections.run())]
    yield
    for task in tasks:
        task.cancel()
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
    """ASGI middleware that logs and counts visits, uploads, and requests that failed: not those whose sender left."""

    def __init__(self, app: ASGIApp, log: EventLog) -> None:
        self._app, self._log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages, received, status, start, has_left = 0, 0, 500, perf_counter(), False

        async def counted() -> Message:
            nonlocal messages, received, has_left
            message = await receive()
            has_left |= message["type"].endswith(".disconnect")
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
        except (ClientDisconnect, WebSocketDisconnected):
            if not has_left:
                raise
            status = SENDER_LEFT
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
