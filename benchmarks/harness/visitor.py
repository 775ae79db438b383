"""A visit to the served app as a browser makes it, without a browser: its WebSocket, its messages, its uploads.

Every message is what Streamlit's own page would send: all widgets' states with each run, the fragment that a widget
belongs to, the hashes of messages that need not be sent again, files by HTTP under the addresses that the server gave.
"""

import asyncio
import json
import re
import urllib.request
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from benchmarks.harness.deltas import Node, Page

PATIENCE = 60.0  # seconds
XSRF = "_streamlit_xsrf"
DONE = {ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY}
CHOICES = ("selectbox", "button_group", "slider", "radio")
ICON = re.compile(r"^:material/\w+: ")
PRESSED = "$$STREAMLIT_INTERNAL_KEY_{}__events"  # the widget of what was done in a component


@dataclass(frozen=True)
class Answer:
    """How long the page took to be complete, in seconds, and what a spinner said meanwhile."""

    seconds: float
    told: tuple[str, ...]


class Left(Exception):  # noqa: N818
    """The visit ended while an answer was awaited."""


class Visitor:
    """A tab of a browser. `watch` is given all bytes that the server sends."""

    def __init__(self, url: str, watch: Callable[[bytes], None] = lambda raw: None) -> None:
        self.url, self.watch = url, watch
        self.page = Page()
        self.session = self.query = self.page_hash = self.xsrf = self._main = self._run = ""
        self.pages: dict[str, tuple[str, str]] = {}  # title -> hash, path
        self._fragments: set[str] = set()
        self.cached: dict[str, ForwardMsg] = {}
        self._seen: dict[str, int] = {}  # hash of a cached message -> the run that used it last
        self._runs, self._age = 0, 2
        self._socket: ClientConnection | None = None
        self._listener: asyncio.Task[None] | None = None
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._answer: asyncio.Future[None] | None = None
        self._begun: asyncio.Future[None] | None = None
        self._busy = self._leaving = False
        self._let_go: asyncio.Task[Answer] | None = None
        self._left: set[str] = set()
        self._told: list[str] = []
        self._urls: dict[str, asyncio.Future[list[FileURLs]]] = {}

    # --- coming and going

    async def open(self, path: str = "/", **params: str | int) -> Answer:
        """Open a page with these parameters in this tab, as a new session."""
        return await self.open_address(path, urlencode(params))

    async def open_address(self, path: str, query: str) -> Answer:
        """The same, with whatever stands behind the question mark."""
        self.query = query
        await self._connect()
        return await self.ask(self._state(page_name=path.strip("/")))

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
            open_timeout=PATIENCE,
        )
        self._listener = asyncio.create_task(self._listen(self._socket))

    def _cookie(self) -> str:
        with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=PATIENCE) as answer:
            cookies: list[str] = answer.headers.get_all("Set-Cookie") or []
        return next((one.split(";")[0].split("=", 1)[1] for one in cookies if one.startswith(f"{XSRF}=")), "")

    async def lose_connection(self) -> None:
        """As when the network is gone: the tab is still there, and may `come_back`."""
        for clock in self._clocks.values():
            clock.cancel()
        self._clocks.clear()
        if self._socket is not None:
            await self._socket.close()
        if self._listener is not None:
            await self._listener

    async def come_back(self) -> Answer:
        """Connect again and go on with the same session, if the server still has it."""
        await self._connect()
        return await self.ask(self._state())

    async def close(self) -> None:
        """Close the tab."""
        await self.lose_connection()

    # --- what a hand does

    async def leave(self, asked: Coroutine[Any, Any, Answer], seconds: float) -> None:
        """Ask for something and let go of it after so long: what is asked next does not wait for its answer."""
        task = asyncio.create_task(asked)
        await asyncio.wait([task], timeout=seconds)
        self._leaving, self._let_go = not task.done(), task

    async def choose(self, name: str, option: str) -> Answer:
        """The first option that begins so, wherever one of several is chosen."""
        node = self.page.widget(name, *CHOICES)
        value = next((one for one in node.options if ICON.sub("", one).startswith(option)), None)
        if value is None:
            raise LookupError(f"{name} has no option {option!r}, but {node.options}")
        state = WidgetState(id=node.id)
        if node.kind in ("selectbox", "radio"):
            state.string_value = value
        else:
            state.string_array_value.data.append(value)
        return await self._do(node, state)

    def options(self, name: str) -> list[str]:
        """What can be chosen."""
        return self.page.widget(name, *CHOICES, "multiselect").options

    async def choose_all(self, name: str, values: list[str]) -> Answer:
        """Exactly these options of a box of several."""
        node = self.page.widget(name, "multiselect")
        state = WidgetState(id=node.id)
        state.string_array_value.data.extend(values)
        return await self._do(node, state)

    async def type(self, name: str, value: float | str) -> Answer:
        """Into a field for a number or a text."""
        node = self.page.widget(name, "number_input", "text_input")
        if isinstance(value, str):
            return await self._do(node, WidgetState(id=node.id, string_value=value))
        return await self._do(node, WidgetState(id=node.id, double_value=value))

    async def press(self, name: str) -> Answer:
        """A button that begins so."""
        node = self.button(name)
        return await self._do(node, WidgetState(id=node.id, trigger_value=True))

    def button(self, name: str) -> Node:
        """The button that begins so. Raises LookupError where there is none that can be pressed."""
        for node in self.page.elements("button"):
            if (node.label.startswith(name) or node.key == name) and not node.proto.disabled:
                return node
        raise LookupError(f"There is no button {name!r}")

    async def tell(self, key: str, event: str, value: Any) -> Answer:
        """What the script of a component would tell of a hand."""
        node = self.page.widget(key, "bidi_component")
        told = json.dumps([{"event": event, "value": value}])
        return await self._do(node, WidgetState(id=PRESSED.format(node.id), json_trigger_value=told))

    async def go(self, title: str) -> Answer:
        """To another page, by the menu."""
        page_hash, _ = self.pages[title]
        self.page.leave(self.page_hash, self._main)
        self._stop_clocks()
        self.query = ""
        return await self.ask(self._state(page_hash=page_hash))

    async def upload(self, *files: tuple[str, bytes], name: str = "Your images") -> Answer:
        """Files into an uploader, each a name and its bytes."""
        start = monotonic()
        node = self.page.widget(name, "file_uploader", "camera_input")
        state = WidgetState(id=node.id)
        info = state.file_uploader_state_value.uploaded_file_info
        for (title, data), urls in zip(files, await self.file_urls([title for title, _ in files]), strict=True):
            status = await self.put(urls.upload_url, title, data)
            if status >= 300:
                raise RuntimeError(f"The server refused {title}: {status}")
            info.add(file_id=urls.file_id, name=title, size=len(data), file_urls=urls)
        answer = await self._do(node, state)
        return Answer(monotonic() - start, answer.told)

    async def file_urls(self, names: list[str]) -> list[FileURLs]:
        """The addresses that the server gives for files of these names."""
        message = BackMsg()
        request = message.file_urls_request
        request.request_id, request.session_id = uuid.uuid4().hex, self.session
        request.file_names.extend(names)
        waiting = self.expect(request.request_id)
        await self.send(message)
        return await asyncio.wait_for(waiting, PATIENCE)

    def expect(self, request: str) -> "asyncio.Future[list[FileURLs]]":
        """What the server will answer to a request for addresses."""
        self._urls[request] = asyncio.get_running_loop().create_future()
        return self._urls[request]

    async def put(self, address: str, title: str, data: bytes) -> int:
        """Send a file to an address of the server's; the status of its answer."""
        border = uuid.uuid4().hex
        about = f'Content-Disposition: form-data; name="{title}"; filename="{title}"'
        head = f"--{border}\r\n{about}\r\nContent-Type: application/octet-stream\r\n\r\n"
        body = head.encode() + data + f"\r\n--{border}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
        status, _ = await asyncio.to_thread(self.http, "PUT", address, body, kind)
        return status

    def http(
        self, method: str, address: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """A request with this tab's cookie and token: the status and the body of the answer."""
        own = {"Cookie": f"{XSRF}={self.xsrf}", "X-Xsrftoken": self.xsrf}
        request = urllib.request.Request(self.url + address, body, {**own, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except HTTPError as refused:
            return refused.code, refused.read()

    # --- what is seen

    @property
    def texts(self) -> list[str]:
        return self.page.texts

    @property
    def errors(self) -> list[str]:
        return self.page.errors

    def packed_maps(self) -> bytes:
        """All maps of the gallery; see crosspool.gallery.mapset. Raises LookupError where none are shown."""
        packed: bytes = self.page.component("maps")
        return packed

    # --- asking

    async def _do(self, node: Node, state: WidgetState) -> Answer:
        """Send one widget's new state."""
        if not self._leaving:
            await self.settle()
        self.page.states[state.id] = state
        client_state = self._state(fragment=node.fragment)
        self.page.forget_triggers()
        return await self.ask(client_state)

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
                await asyncio.wait([self._answer], timeout=PATIENCE)

    async def run_with(self, *states: WidgetState, fragment: str = "") -> Answer:
        """Run the page with these states besides its own, whatever they are."""
        state = self._state(fragment=fragment)
        state.widget_states.widgets.extend(states)
        return await self.ask(state)

    async def ask(self, state: ClientState) -> Answer:
        """Have the page run, and wait until it is complete."""
        if not self._leaving:
            await self.settle()
        self._leaving = False
        await self._begin(state)
        start, answer = monotonic(), self._answer
        assert answer is not None
        assert self._listener is not None
        await asyncio.wait([answer, self._listener], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if self._listener.done():
            self._listener.result()  # raises what was wrong with a message
            raise Left
        if not answer.done():
            raise TimeoutError(f"No answer within {PATIENCE:.0f} s")
        return Answer(monotonic() - start, tuple(self._told))

    async def _begin(self, state: ClientState) -> None:
        loop = asyncio.get_running_loop()
        if self._busy and self._begun is not None:
            await self._begun  # else it would not be known whose answer comes first
            self._left.add(self._run)
        if self._answer is None or self._answer.done() or not self._busy:
            self._answer = loop.create_future()
        self._begun = loop.create_future()
        self._busy, self._told = True, []
        await self.send(BackMsg(rerun_script=state))

    async def send(self, message: BackMsg) -> None:
        """Send anything at all."""
        if self._socket is None:
            raise Left
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
                    waiting.set_exception(Left())
                    waiting.exception()  # has been seen, whether or not somebody waits
            self._busy = False

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash" and message.ref_hash in self.cached:
            about, message = message.metadata, self.cached[message.ref_hash]
            self._seen[message.hash] = self._runs
            again = ForwardMsg()
            again.CopyFrom(message)
            again.metadata.CopyFrom(about)
            message, kind = again, message.WhichOneof("type")
        elif message.metadata.cacheable:
            self.cached[message.hash], self._seen[message.hash] = message, self._runs
        if kind == "delta":
            self.page.apply(message, self._run)
            if message.delta.WhichOneof("type") == "new_transient":
                self._told += [one.spinner.text for one in message.delta.new_transient.elements if one.spinner.text]
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
        old = [name for name, seen in self._seen.items() if seen < self._runs - self._age]
        for name in old:
            del self._seen[name], self.cached[name]
        if run in self._left:
            return
        self._left.clear()
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
        with suppress(ConnectionClosed, Left):
            while True:
                await asyncio.sleep(interval)
                if not self._busy:
                    await self._begin(self._state(fragment=fragment, by_clock=True))
