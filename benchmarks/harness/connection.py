"""A browser's connection to the served app: runs of a page that are asked for, and the messages that answer them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from benchmarks.harness.deltas import Page

PATIENCE_SECONDS = 60.0
COOKIE, TAB_COOKIE = "crosspool_visit", "crosspool_tab"
XSRF = "_streamlit_xsrf"
DONE = {ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY}


class TabClosedError(Exception):
    """The visit ended while an answer was awaited."""


class Connection:
    """The messages of one session. `watch` is given all bytes that the server sends."""

    def __init__(self, url: str, watch: Callable[[bytes], None] = lambda raw: None) -> None:
        self.url, self.watch = url, watch
        self.page = Page()
        self.session = self.query = self.page_hash = self.xsrf = self._main = self._run = ""
        # The values of the cookies that name the browser and its tab; see crosspool.ui.runtime.visits.
        self.browser = self.tab_name = ""
        self.pages: dict[str, str] = {}  # title -> hash
        self._fragments: set[str] = set()
        self.cached: dict[str, tuple[ForwardMsg, int]] = {}  # by hash, with the number of the run that used it last
        self._runs, self._age = 0, 2
        self._socket: ClientConnection | None = None
        self._listener: asyncio.Task[None] | None = None
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._answer: asyncio.Future[None] | None = None
        self._begun: asyncio.Future[None] | None = None
        self._busy = self._leaving = False
        self._abandoned: asyncio.Task[float] | None = None
        self._abandoned_runs: set[str] = set()
        self._urls: dict[str, asyncio.Future[list[FileURLs]]] = {}

    async def _connect(self) -> None:
        health = f"{self.url}/_stcore/health"
        answer = await asyncio.to_thread(requests.get, health, timeout=PATIENCE_SECONDS)
        self.xsrf = answer.cookies.get(XSRF) or ""
        self._socket = await connect(
            self.url.replace("http", "ws", 1) + "/_stcore/stream",
            origin=Origin(self.url),
            subprotocols=[Subprotocol(part) for part in ("streamlit", self.xsrf, self.session) if part],
            additional_headers={"Cookie": self._cookies},
            max_size=None,
            compression=None,
            ping_interval=None,
            open_timeout=PATIENCE_SECONDS,
        )
        self._listener = asyncio.create_task(self._listen(self._socket))

    @property
    def _cookies(self) -> str:
        cookies = {XSRF: self.xsrf, COOKIE: self.browser, TAB_COOKIE: self.tab_name}
        return "; ".join(f"{name}={value}" for name, value in cookies.items() if value or name == XSRF)

    @property
    def token(self) -> dict[str, str]:
        """The headers that show that a request comes from this browser."""
        return {"Cookie": self._cookies, "X-Xsrftoken": self.xsrf}

    async def ask_for_cookie(self) -> None:
        """Open the document, as a browser does that was never here."""
        answer = await asyncio.to_thread(
            requests.get, self.url, headers={"Accept": "text/html"}, timeout=PATIENCE_SECONDS
        )
        self.browser = answer.cookies.get(COOKIE) or ""

    async def lose_connection(self) -> None:
        """As when the network is gone: the tab is still there, and may `come_back`."""
        self._stop_clocks()
        if self._socket is not None:
            await self._socket.close()
        if self._listener is not None:
            await self._listener

    # --- asking

    def _state(
        self, *, page_name: str = "", page_hash: str = "", fragment: str = "", by_clock: bool = False
    ) -> ClientState:
        state = ClientState(query_string=self.query, page_name=page_name, fragment_id=fragment, is_auto_rerun=by_clock)
        state.page_script_hash = page_hash or self.page_hash
        state.cached_message_hashes.extend(self.cached)
        state.widget_states.widgets.extend(self.page.states.values())
        state.context_info.timezone, state.context_info.locale = "UTC", "en-US"
        state.context_info.url = self.url
        return state

    async def settle(self) -> None:
        """Wait for the run that is under way."""
        while self._busy and self._answer is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._answer], timeout=PATIENCE_SECONDS)

    async def run_with(self, *states: WidgetState, fragment: str = "") -> float:
        """Run the page with these states besides its own, whatever they are."""
        state = self._state(fragment=fragment)
        state.widget_states.widgets.extend(states)
        return await self.ask(state)

    async def ask(self, state: ClientState) -> float:
        """Have the page run, and wait until it is complete: the seconds that took."""
        if not self._leaving:
            await self.settle()
        self._leaving = False
        await self._begin(state)
        start, answer = monotonic(), self._answer
        assert answer is not None
        assert self._listener is not None
        await asyncio.wait([answer, self._listener], timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._listener.done():
            self._listener.result()  # raises what was wrong with a message
            raise TabClosedError
        if not answer.done():
            raise TimeoutError(f"No answer within {PATIENCE_SECONDS:.0f} s")
        return monotonic() - start

    async def _begin(self, state: ClientState) -> None:
        loop = asyncio.get_running_loop()
        if self._busy and self._begun is not None:
            await self._begun  # else it would not be known whose answer comes first
            self._abandoned_runs.add(self._run)
        if self._answer is None or self._answer.done() or not self._busy:
            self._answer = loop.create_future()
        self._begun = loop.create_future()
        self._busy = True
        await self.send(BackMsg(rerun_script=state))

    async def send(self, message: BackMsg) -> None:
        """Send any message."""
        if self._socket is None:
            raise TabClosedError
        await self._socket.send(message.SerializeToString())

    # --- listening

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            async for raw in socket:
                assert isinstance(raw, bytes)
                self.watch(raw)
                self._take(ForwardMsg.FromString(raw))
        except ConnectionClosed:
            pass
        finally:
            for waiting in (self._answer, *self._urls.values()):
                if waiting is not None and not waiting.done():
                    waiting.set_exception(TabClosedError())
                    waiting.exception()  # counts as retrieved, whether or not it is awaited
            self._busy = False

    def _take(self, message: ForwardMsg) -> None:
        if message.WhichOneof("type") == "ref_hash" and message.ref_hash in self.cached:
            metadata = message.metadata
            message = ForwardMsg.FromString(self.cached[message.ref_hash][0].SerializeToString())
            self.cached[message.hash] = message, self._runs
            message.metadata.CopyFrom(metadata)
        elif message.metadata.cacheable:
            self.cached[message.hash] = message, self._runs
        kind = message.WhichOneof("type")
        if kind == "delta":
            self.page.apply(message, self._run)
        elif kind == "new_session":
            self._start(message)
        elif kind == "script_finished":
            self._finish(message)
        elif kind == "navigation":
            self.page_hash = message.navigation.page_script_hash
            self.pages = {page.page_name: page.page_script_hash for page in message.navigation.app_pages}
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "file_urls_response":
            response = message.file_urls_response
            self._urls.pop(response.response_id).set_result(list(response.file_urls))
        elif kind == "auto_rerun":
            fragment, interval = message.auto_rerun.fragment_id, message.auto_rerun.interval
            self._stop_clocks(fragment)
            self._clocks[fragment] = asyncio.create_task(self._tick(fragment, interval))
        elif kind == "stop_auto_rerun":
            self._stop_clocks(*message.stop_auto_rerun.fragment_ids)

    def _start(self, message: ForwardMsg) -> None:
        session, run = message.new_session, message.metadata.run
        self.session = session.initialize.session_id or self.session
        self._main, self._age = session.main_script_hash, session.config.max_cached_message_age
        self._run, self._fragments = run.script_run_id, set(run.fragment_ids)
        if not self._fragments:
            self.page_hash = session.page_script_hash
            self._stop_clocks()
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(None)

    def _finish(self, message: ForwardMsg) -> None:
        if message.script_finished not in DONE:
            return
        self.page.end_run(self._run, self._fragments)
        self._runs += 1
        oldest = self._runs - self._age
        self.cached = {name: (cached, run) for name, (cached, run) in self.cached.items() if run >= oldest}
        if message.metadata.run.script_run_id in self._abandoned_runs:
            return
        self._abandoned_runs.clear()
        self._busy = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    # --- what runs by the clock

    def _stop_clocks(self, *fragments: str) -> None:
        """Stop the clocks of these fragments, or all."""
        for fragment in fragments or list(self._clocks):
            clock = self._clocks.pop(fragment, None)
            if clock is not None and clock is not asyncio.current_task():
                clock.cancel()

    async def _tick(self, fragment: str, interval: float) -> None:
        with suppress(ConnectionClosed, TabClosedError):
            while True:
                await asyncio.sleep(interval)
                if not self._busy:
                    await self._begin(self._state(fragment=fragment, by_clock=True))
