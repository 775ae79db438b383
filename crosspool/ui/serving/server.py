"""The server around the pages: how ready it is, what it does at the start, and what it says of itself."""

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from crosspool.ui.runtime.log import event, session_name, write_log
from crosspool.ui.runtime.settings import settings
from crosspool.ui.serving.readiness import readiness, warm_up
from crosspool.ui.serving.upload_limit import ROUTE, UploadLimit, largest_file, room
from crosspool.ui.visit.visit import end_closed_visits


def server_parts() -> dict[str, Any]:
    """What app.py's `App` is made of besides the pages."""
    chosen = settings()
    write_log(chosen)
    config.set_option("server.maxUploadSize", largest_file(chosen))
    st.set_option("client.showErrorDetails", "none")
    st.set_option("logger.enableRich", False)  # it would print exceptions past the log
    # Else a link to a page would run the page without the frame, until the frame has run once.
    PagesManager.uses_pages_directory = False
    return {
        "routes": [Route("/ready", _ready)],
        "middleware": [Middleware(Watch), Middleware(UploadLimit, **room(chosen))],
        "lifespan": _lifespan,
        "on_script_error": say_that_the_page_failed,
    }


async def _ready(request: Request) -> JSONResponse:
    answer = await run_in_threadpool(readiness)
    return JSONResponse(answer, 200 if answer["ready"] else 503, {"Cache-Control": "no-store"})


@asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:
    event("started")
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    visits = asyncio.create_task(end_closed_visits())
    yield
    visits.cancel()
    event("stopped")


def say_that_the_page_failed(error: Exception) -> bool:
    """What a visitor and the log get to know of an exception that no page expects: the same number."""
    reference = secrets.token_hex(3)
    event("page_failed", level=logging.ERROR, reference=reference, error=error)
    st.error(
        "Something went wrong here, and it is not your doing. Your images and settings are still there: try again, or "
        f"choose something else. If it stays like this, tell whoever runs this server the number {reference}.",
        icon=":material/error:",
    )
    st.button("Try again", key=f"again-{reference}")
    return True


class Watch:
    """Logs and counts what is asked of the server: visits, uploads, and requests that failed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._visit(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _visit(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages, start = 0, perf_counter()

        async def counted() -> Message:
            nonlocal messages
            message = await receive()
            messages += message["type"] == "websocket.receive"
            return message

        event("visit_began")
        try:
            await self._app(scope, counted, send)
        finally:
            event("visit_ended", ms=1000 * (perf_counter() - start), messages=messages)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, received, start = 500, 0, perf_counter()

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, counted, noted)
        finally:
            ms = 1000 * (perf_counter() - start)
            _, upload, rest = scope["path"].partition(ROUTE)
            if upload and scope["method"] == "PUT":
                name = "upload_taken" if status < 400 else "upload_refused"
                event(name, session=session_name(rest.partition("/")[0]), status=status, bytes=received, ms=ms)
            elif status >= 500 and not scope["path"].endswith("/ready"):
                event("request_failed", level=logging.ERROR, status=status, ms=ms)
