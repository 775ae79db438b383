"""A browser's connection to the served app: runs of a page that are asked for, and the messages that answer them."""

import asyncio
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from urllib.error import HTTPError

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
XSRF = "_streamlit_xsrf"
DONE = {ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY}


@dataclass(frozen=True)
class PageAnswer:
    """How long the page took to be complete, in seconds, and what a spinner said meanwhile."""

    seconds: float
    spinner_texts: tuple[str, ...]


class TabClosedError(Exception):
    """The visit ended while an answer was awaited."""


class Connection:
    """The messages of one session. `watch` is given all bytes that the server sends."""

    def __init__(self, url: str, watch: Callable[[bytes], None] = lambda raw: None) -> None:
        self.url, self.watch = url, watch
        self.page = Page()
        self.session = self.query = self.page_hash = self.xsrf = self._main = self._run = ""
        self.pages: dict[str, tuple[str, str]] = {}  # title -> hash, path
        self._fragments: set[str] = set()
        self.cached: dict[str, ForwardMsg] = {}
        self._last_use: dict[str, int] = {}  # hash of a cached message -> the run that used it last
        self._runs, self._age = 0, 2
        self._socket: ClientConnection | None = None
        self._listener: asyncio.Task[None] | None = None
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._answer: asyncio.Future[None] | None = None
        self._begun: asyncio.Future[None] | None = None
        self._busy = self._leaving = False
        self._abandoned: asyncio.Task[PageAnswer] | None = None
        self._abandoned_runs: set[str] = set()
        self._spinner_texts: list[str] = []
        self._urls: dict[str, asyncio.Future[list[FileURLs]]] = {}

    async def _connect(self) -> None:
        self.xsrf = await asyncio.to_thread(self._cookie)
        origin = Origin(self.url)
        self._socket = await connect(
            self.url.replace("http", "ws", 1) + "/_stcore/stream",
            origin=origin,
            subprotocols=[Subprotocol(part) for part in ("streamlit", self.xsrf, self.session) if part],
            additional_headers={"Cookie": f"{XSRF}={self.xsrf}"},
            max_size=None,
            compression=None,
            ping_interval=None,
            open_timeout=PATIENCE_SECONDS,
        )
        self._listener = asyncio.create_task(self._listen(self._socket))

    def _cookie(self) -> str:
        with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=PATIENCE_SECONDS) as answer:
            cookies: list[str] = answer.headers.get_all("Set-Cookie") or []
        prefix = f"{XSRF}="
        return next((line.split(";")[0].removeprefix(prefix) for line in cookies if line.startswith(prefix)), "")

    async def lose_connection(self) -> None:
        """As when the network is gone: the tab is still there, and may `come_back`."""
        for clock in self._clocks.values():
            clock.cancel()
        self._clocks.clear()
        if self._socket is not None:
            await self._socket.close()
        if self._listener is not None:
            await self._listener

    def http(
        self, method: str, address: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """A request with this tab's cookie and token: the status and the body of the answer."""
        own = {"Cookie": f"{XSRF}={self.xsrf}", "X-Xsrftoken": self.xsrf}
        request = urllib.request.Request(self.url + address, body, {**own, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    # --- asking

    def _state(
        self, *, page_name: str = "", page_hash: str = "", fragment: str = "", by_clock: bool = False
    ) -> ClientState:
        state = ClientState(
            query_string=self.query,
            page_script_hash=page_hash or self.page_hash,
            page_name=page_name,
            fragment_id=fragment,
            is_auto_rerun=by_clock,
            cached_message_hashes=list(self.cached),
        )
        state.widget_states.widgets.extend(self.page.states.values())
        state.context_info.timezone, state.context_info.locale = "UTC", "en-US"
        state.context_info.url = self.url
        return state

    async def settle(self) -> None:
        """Wait for the run that is under way."""
        while self._busy and self._answer is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._answer], timeout=PATIENCE_SECONDS)

    async def run_with(self, *states: WidgetState, fragment: str = "") -> PageAnswer:
        """Run the page with these states besides its own, whatever they are."""
        state = self._state(fragment=fragment)
        state.widget_states.widgets.extend(states)
        return await self.ask(state)

    async def ask(self, state: ClientState) -> PageAnswer:
        """Have the page run, and wait until it is complete."""
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
        return PageAnswer(monotonic() - start, tuple(self._spinner_texts))

    async def _begin(self, state: ClientState) -> None:
        loop = asyncio.get_running_loop()
        if self._busy and self._begun is not None:
            await self._begun  # else it would not be known whose answer comes first
            self._abandoned_runs.add(self._run)
        if self._answer is None or self._answer.done() or not self._busy:
            self._answer = loop.create_future()
        self._begun = loop.create_future()
        self._busy, self._spinner_texts = True, []
        await self.send(BackMsg(rerun_script=state))

    async def send(self, message: BackMsg) -> None:
        """Send anything at all."""
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
                    waiting.exception()  # has been seen, whether or not somebody waits
            self._busy = False

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash" and message.ref_hash in self.cached:
            about, message = message.metadata, self.cached[message.ref_hash]
            self._last_use[message.hash] = self._runs
            again = ForwardMsg()
            again.CopyFrom(message)
            again.metadata.CopyFrom(about)
            message, kind = again, message.WhichOneof("type")
        elif message.metadata.cacheable:
            self.cached[message.hash], self._last_use[message.hash] = message, self._runs
        if kind == "delta":
            self.page.apply(message, self._run)
            if message.delta.WhichOneof("type") == "new_transient":
                self._spinner_texts += [
                    element.spinner.text for element in message.delta.new_transient.elements if element.spinner.text
                ]
        elif kind == "new_session":
            self._start(message)
        elif kind == "script_finished":
            self._finish(message)
        elif kind == "navigation":
            self.page_hash = message.navigation.page_script_hash
            self.pages = {
                page.page_name: (page.page_script_hash, page.url_pathname) for page in message.navigation.app_pages
            }
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "file_urls_response":
            response = message.file_urls_response
            waiting = self._urls.pop(response.response_id)
            waiting.set_result(list(response.file_urls))
        elif kind == "auto_rerun":
            self._start_clock(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._stop_clock(fragment)

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
        run = message.metadata.run.script_run_id
        self.page.end_run(self._run, self._fragments)
        self._runs += 1
        old = [name for name, run in self._last_use.items() if run < self._runs - self._age]
        for name in old:
            del self._last_use[name], self.cached[name]
        if run in self._abandoned_runs:
            return
        self._abandoned_runs.clear()
        self._busy = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    # --- what runs by the clock

    def _start_clock(self, fragment: str, interval: float) -> None:
        self._stop_clock(fragment)
        self._clocks[fragment] = asyncio.create_task(self._tick(fragment, interval))

    def _stop_clock(self, fragment: str) -> None:
        clock = self._clocks.pop(fragment, None)
        if clock is not None and clock is not asyncio.current_task():
            clock.cancel()

    def _stop_clocks(self) -> None:
        for fragment in list(self._clocks):
            self._stop_clock(fragment)

    async def _tick(self, fragment: str, interval: float) -> None:
        with suppress(ConnectionClosed, TabClosedError):
            while True:
                await asyncio.sleep(interval)
                if not self._busy:
                    await self._begin(self._state(fragment=fragment, by_clock=True))
