"""The limit on open pages, and the page that says so."""

import html

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from crosspool.ui.runtime.open_pages import OpenPages
from crosspool.ui.runtime.visits import browser_in

TRY_AGAIN_LATER = 1013  # a WebSocket's status
RETRY_SECONDS = 60
REFUSED_COOKIE = "crosspool_refused"  # see full.js
NO_PAGES = ("/_stcore/", "/static/", "/ready", "/metrics")  # parts of the addresses of what is no page
FULL_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="{seconds}">
<title>crosspool is full</title>
<style>body {{ font: 1.1rem/1.5 sans-serif; max-width: 36rem; margin: 20vh auto; padding: 0 1rem }}</style>
</head>
<body><h1>crosspool</h1><p>{sentence}</p><p>This page tries again by itself every {seconds} seconds.</p></body>
</html>
"""


class OpenPageLimit:
    """ASGI middleware that answers a page with 503, and closes a WebSocket, where too many pages are open."""

    def __init__(self, app: ASGIApp, pages: OpenPages) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        elif _is_page(scope) and (sentence := self._why_no_page(scope)):
            self._pages.refusals += 1
            page = FULL_PAGE.format(sentence=html.escape(sentence), seconds=RETRY_SECONDS)
            headers = {"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"}
            await HTMLResponse(page, 503, headers)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _why_no_page(self, scope: Scope) -> str:
        """Why a browser gets no page, in a sentence, or "". One that was refused a connection has none to give up."""
        was_refused = REFUSED_COOKIE in HTTPConnection(scope).cookies
        why = self._pages.why_not if was_refused else self._pages.why_no_page
        return why(_browser(scope))

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        browser = _browser(scope)
        if self._pages.why_not(browser):
            self._pages.refusals += 1
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        with self._pages.opened(browser):
            await self._app(scope, receive, send)


def _browser(scope: Scope) -> str:
    return browser_in(HTTPConnection(scope).cookies)


def _is_page(scope: Scope) -> bool:
    """Whether a browser asks for a page's document."""
    if scope["type"] != "http" or scope["method"] != "GET" or any(part in scope["path"] for part in NO_PAGES):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")
