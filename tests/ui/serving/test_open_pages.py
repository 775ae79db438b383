"""How many pages may be open at a time, and what is said where that is too many."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from crosspool.ui.runtime import open_pages as runtime
from crosspool.ui.runtime.open_pages import OpenPages
from crosspool.ui.runtime.visits import COOKIE, new_token
from crosspool.ui.serving.open_pages import REFUSED_COOKIE, TRY_AGAIN_LATER, OpenPageLimit
from tests import loops
from tests.asgi import asked

PAGE = {"Accept": "text/html,*/*"}


class App:
    """An app whose WebSockets stay open until they are closed; all requests of a test are made in one event loop."""

    def __init__(self, limit):
        self.pages = OpenPages(limit)
        self.ends: list[asyncio.Event] = []

        async def talk(socket):
            await socket.accept()
            self.ends.append(asyncio.Event())
            await self.ends[-1].wait()

        async def answer(request):
            return PlainTextResponse("here")

        routes = [WebSocketRoute("/_stcore/stream", talk), Route("/{path:path}", answer)]
        self.app = Starlette(routes=routes, middleware=[Middleware(OpenPageLimit, pages=self.pages)])
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self, token=""):
        """Open a WebSocket: what the server sends first."""
        cookie = [(b"cookie", f"{COOKIE}={token}".encode())] if token else []
        scope = {
            "type": "websocket",
            "path": "/_stcore/stream",
            "headers": cookie,
            "query_string": b"",
            "subprotocols": [],
        }
        first = asyncio.get_running_loop().create_future()

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            if not first.done():
                first.set_result(message)

        self.tasks.append(asyncio.create_task(self.app(scope, receive, send)))
        return await first

    async def close(self, number):
        """Close the WebSocket that was opened as this one."""
        self.ends[number].set()
        await self.tasks[number]

    async def page(self, token="", path="/", more=""):
        return await asked(self.app, path, PAGE | ({"Cookie": f"{COOKIE}={token}{more}"} if token else {}), "http")


def test_a_full_server_says_so_and_goes_on_when_a_page_is_closed():
    async def visit():
        app, tokens = App(2), [new_token() for _ in range(3)]
        for token in tokens[:2]:
            assert (await app.page(token)).text == "here"
            assert (await app.open(token))["type"] == "websocket.accept"
        full = await app.page(tokens[2])
        assert (full.status, full.headers["retry-after"], full.headers["cache-control"]) == (503, "60", "no-store")
        assert "This server is full" in full.text
        assert "Try again in a few minutes." in full.text
        assert await app.open(tokens[2]) == {"type": "websocket.close", "code": TRY_AGAIN_LATER}
        assert (len(app.pages), app.pages.refusals) == (2, 2)
        assert (await app.page(tokens[0])).text == "here"  # a reload
        await app.close(0)
        assert len(app.pages) == 1
        assert (await app.open(tokens[2]))["type"] == "websocket.accept"

    loops.run(visit())


def test_one_more_page_of_a_browser_that_has_some_is_told_too():
    """Its document could be a reload of another one, so only the refused connection tells; see full.js."""

    async def visit():
        app, token = App(1), new_token()
        await app.open(token)
        assert (await app.page(token)).text == "here"
        assert (await app.open(token))["type"] == "websocket.close"
        full = await app.page(token, more=f"; {REFUSED_COOKIE}=1")
        assert (full.status, "This server is full" in full.text) == (503, True)
        await app.close(0)
        assert (await app.page(token, more=f"; {REFUSED_COOKIE}=1")).text == "here"

    loops.run(visit())


def test_a_browser_has_a_limit_of_its_own(monkeypatch):
    monkeypatch.setattr(runtime, "OWN", 2)

    async def visit():
        app, token = App(10), new_token()
        for _ in range(2):
            assert (await app.open(token))["type"] == "websocket.accept"
        assert (await app.open(token))["type"] == "websocket.close"
        assert "You have 2 pages of this server open" in (await app.page(token)).text
        assert (await app.open(new_token()))["type"] == "websocket.accept"

    loops.run(visit())


@pytest.mark.parametrize("token", ["", "no token", "A" * 32])
def test_without_a_valid_cookie_all_share_a_part(token):
    async def visit():
        app = App(8)
        for _ in range(2):
            assert (await app.open(token))["type"] == "websocket.accept"
        assert (await app.open(token))["type"] == "websocket.close"
        assert (await app.page()).status == 200  # which gives it a cookie
        token_of_browser = new_token()
        assert (await app.page(token_of_browser)).status == 200
        assert (await app.open(token_of_browser))["type"] == "websocket.accept"

    loops.run(visit())


@pytest.mark.parametrize("path", ["/_stcore/health", "/static/js/index.js", "/ready", "/metrics"])
def test_what_is_no_page_is_answered_by_a_full_server(path):
    async def visit():
        app = App(4)
        app.pages.limit = 0
        assert (await app.page(new_token())).status == 503
        assert (await app.page(new_token(), path)).status == 200

    loops.run(visit())


def test_nothing_is_kept_of_a_browser_that_has_gone():
    pages = OpenPages(4)
    with pages.opened("a"), pages.opened("a"), pages.opened(""):
        assert len(pages) == 3
    assert not pages._open
