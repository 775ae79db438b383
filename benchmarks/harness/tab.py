"""A visit to the served app as a browser makes it, without a browser: its WebSocket, its messages, its uploads.

Every message is what Streamlit's own page would send: all widgets' states with each run, the fragment that a widget
belongs to, the hashes of messages that need not be sent again, files by HTTP under the addresses that the server gave.
"""

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Coroutine
from time import monotonic, time_ns
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.harness.connection import PATIENCE_SECONDS, Connection, PageAnswer
from benchmarks.harness.deltas import Node

CHOICES = ("selectbox", "button_group", "slider", "radio")
ICON = re.compile(r"^:material/\w+: ")
EVENTS = "$$STREAMLIT_INTERNAL_KEY_{}__events"  # the widget of what was done in a component


def component_event(component: str, event: str, value: Any) -> WidgetState:
    """What the script of a component tells of a press in it."""
    triggered = json.dumps([{"event": event, "value": value}])
    return WidgetState(id=EVENTS.format(component), json_trigger_value=triggered)


class Tab(Connection):
    """A tab of a browser, and what a hand does in it."""

    # --- coming and going

    async def open(self, path: str = "/", **params: str | int) -> PageAnswer:
        """Open a page with these parameters in this tab, as a new session."""
        return await self.open_address(path, urlencode(params))

    async def open_address(self, path: str, query: str) -> PageAnswer:
        """The same, with whatever stands behind the question mark."""
        self.query = query
        await self._connect()
        return await self.ask(self._state(page_name=path.strip("/")))

    async def come_back(self) -> PageAnswer:
        """Connect again and go on with the same session, if the server still has it."""
        await self._connect()
        return await self.ask(self._state())

    async def close(self) -> None:
        """Close the tab."""
        await self.lose_connection()

    # --- what a hand does

    async def leave(self, asked: Coroutine[Any, Any, PageAnswer], seconds: float) -> None:
        """Ask for something and give up on it after so many seconds: the next question does not wait for its answer."""
        task = asyncio.create_task(asked)
        await asyncio.wait([task], timeout=seconds)
        self._leaving, self._abandoned = not task.done(), task

    async def choose(self, name: str, option: str) -> PageAnswer:
        """The first option that begins so, wherever one of several is chosen."""
        node = self.page.widget(name, *CHOICES)
        value = next((text for text in node.options if ICON.sub("", text).startswith(option)), None)
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

    async def choose_all(self, name: str, values: list[str]) -> PageAnswer:
        """Exactly these options of a box of several."""
        node = self.page.widget(name, "multiselect")
        state = WidgetState(id=node.id)
        state.string_array_value.data.extend(values)
        return await self._do(node, state)

    async def type(self, name: str, value: float | str) -> PageAnswer:
        """Into a field for a number or a text."""
        node = self.page.widget(name, "number_input", "text_input")
        if isinstance(value, str):
            return await self._do(node, WidgetState(id=node.id, string_value=value))
        return await self._do(node, WidgetState(id=node.id, double_value=value))

    async def press(self, name: str) -> PageAnswer:
        """A button that begins so."""
        node = self.button(name)
        return await self._do(node, WidgetState(id=node.id, trigger_value=True))

    def button(self, name: str) -> Node:
        """The button that begins so. Raises LookupError where there is none that can be pressed."""
        for node in self.page.elements("button"):
            if (node.label.startswith(name) or node.key == name) and not node.proto.disabled:
                return node
        raise LookupError(f"There is no button {name!r}")

    async def tell(self, key: str, event: str, value: Any) -> PageAnswer:
        """What the script of a component would tell of a hand."""
        node = self.page.widget(key, "bidi_component")
        return await self._do(node, component_event(node.id, event, value))

    async def tell_gallery(self, **changes: Any) -> PageAnswer:
        """What the gallery would tell of a hand: `selected`, `pins` or `view`."""
        revision = time_ns() // 1000  # newer than any before
        parts = {part: {"revision": revision, "value": value} for part, value in changes.items()}
        return await self.tell("gallery", "changes", parts)

    async def go(self, title: str) -> PageAnswer:
        """To another page, by the menu."""
        page_hash, _ = self.pages[title]
        self.page.leave(self.page_hash, self._main)
        self._stop_clocks()
        self.query = ""
        return await self.ask(self._state(page_hash=page_hash))

    async def upload(self, *files: tuple[str, bytes], name: str = "Your images") -> PageAnswer:
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
        return PageAnswer(monotonic() - start, answer.spinner_texts)

    async def file_urls(self, names: list[str], session: str = "") -> list[FileURLs]:
        """The addresses that the server gives for files of these names, in this session or another."""
        message = BackMsg()
        request = message.file_urls_request
        request.request_id, request.session_id = uuid.uuid4().hex, session or self.session
        request.file_names.extend(names)
        waiting = self._urls[request.request_id] = asyncio.get_running_loop().create_future()
        await self.send(message)
        return await asyncio.wait_for(waiting, PATIENCE_SECONDS)

    async def put(self, address: str, title: str, data: bytes) -> int:
        """Send a file to an address of the server's; the status of its answer."""
        border = uuid.uuid4().hex
        about = f'Content-Disposition: form-data; name="{title}"; filename="{title}"'
        head = f"--{border}\r\n{about}\r\nContent-Type: application/octet-stream\r\n\r\n"
        body = head.encode() + data + f"\r\n--{border}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
        status, _ = await asyncio.to_thread(self.http, "PUT", address, body, kind)
        return status

    async def settle_until(self, holds: Callable[[], bool]) -> None:
        """Let the page's own clock run until something is on the page, or has gone from it."""
        while not holds():
            await asyncio.sleep(0.1)
            await self.settle()

    # --- what is seen

    def has(self, kind: str, key: str) -> bool:
        """Whether there is an element of this kind and key."""
        return any(node.key == key for node in self.page.elements(kind))

    def packed_maps(self) -> bytes:
        """All maps of the gallery; see crosspool.gallery.mapset. Raises LookupError where none are shown."""
        packed: bytes = self.page.component("maps")
        return packed

    # --- asking

    async def _do(self, node: Node, state: WidgetState) -> PageAnswer:
        """Send one widget's new state."""
        if not self._leaving:
            await self.settle()
        self.page.states[state.id] = state
        client_state = self._state(fragment=node.fragment)
        self.page.forget_triggers()
        return await self.ask(client_state)
