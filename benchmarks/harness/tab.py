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

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs, StringArray
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.harness.connection import PATIENCE_SECONDS, Connection
from benchmarks.harness.deltas import Node

CHOICES = ("selectbox", "button_group", "slider", "radio")
ICON = re.compile(r"^:material/\w+: ")


def component_event(component: str, event: str, value: Any) -> WidgetState:
    """The state that the script of a component sends after a press in it."""
    triggered = json.dumps([{"event": event, "value": value}])
    return WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{component}__events", json_trigger_value=triggered)


class Tab(Connection):
    """A tab of a browser, and what a visitor does in it."""

    # --- coming and going

    async def open(self, path: str = "/", **params: str | int) -> float:
        """Open a page with these parameters in this tab, as a new session."""
        return await self.open_address(path, urlencode(params))

    async def open_address(self, path: str, query: str) -> float:
        """The same, with any text after the question mark."""
        self.query = query
        await self._connect()
        return await self.ask(self._state(page_name=path.strip("/")))

    async def come_back(self) -> float:
        """Connect again and continue the session, if the server still has it."""
        await self._connect()
        return await self.ask(self._state())

    async def close(self) -> None:
        """Close the tab."""
        await self.lose_connection()

    # --- what a visitor does

    async def leave(self, asked: Coroutine[Any, Any, float], seconds: float) -> None:
        """Ask for something and give up on it after some seconds: the next question does not wait for its answer."""
        task = asyncio.create_task(asked)
        await asyncio.wait([task], timeout=seconds)
        self._leaving, self._abandoned = not task.done(), task

    async def choose(self, name: str, option: str) -> float:
        """Choose the first option that begins with this text, in a control that takes one of several."""
        node = self.page.widget(name, *CHOICES)
        value = next((text for text in node.options if ICON.sub("", text).startswith(option)), None)
        if value is None:
            raise LookupError(f"{name} has no option {option!r}, but {node.options}")
        if node.kind in ("selectbox", "radio"):
            return await self._set(node, string_value=value)
        return await self._set(node, string_array_value=StringArray(data=[value]))

    def options(self, name: str) -> list[str]:
        """What can be chosen."""
        return self.page.widget(name, *CHOICES, "multiselect").options

    async def choose_all(self, name: str, values: list[str]) -> float:
        """Choose exactly these options in a control that takes several."""
        return await self._set(self.page.widget(name, "multiselect"), string_array_value=StringArray(data=values))

    async def open_drawer(self, name: str) -> float:
        """Open a drawer whose content comes when it is opened."""
        return await self._set(self.page.drawer(name), bool_value=True)

    async def type(self, name: str, value: float) -> float:
        """Type a number into its field."""
        return await self._set(self.page.widget(name, "number_input"), double_value=value)

    async def press(self, name: str) -> float:
        """Press the button whose label begins with this text. Raises LookupError where none can be pressed."""
        for node in self.page.elements("button"):
            if (node.label.startswith(name) or node.key == name) and not node.proto.disabled:
                return await self._set(node, trigger_value=True)
        raise LookupError(f"No button {name!r} can be pressed")

    async def tell(self, key: str, event: str, value: Any) -> float:
        """Send what the script of a component would send after an event in it."""
        node = self.page.widget(key, "bidi_component")
        return await self._do(node, component_event(node.id, event, value))

    async def tell_gallery(self, **changes: Any) -> float:
        """Send what the gallery would send after a change of `selected`, `pins` or `view`."""
        revision = time_ns() // 1000  # newer than any before
        parts = {part: {"revision": revision, "value": value} for part, value in changes.items()}
        return await self.tell("gallery", "changes", parts)

    async def go(self, title: str) -> float:
        """Go to another page by the menu."""
        self.page.leave(self.page_hash, self._main)
        self._stop_clocks()
        self.query = ""
        return await self.ask(self._state(page_hash=self.pages[title]))

    async def upload(self, *files: tuple[str, bytes], name: str = "Your images") -> float:
        """Put files into an uploader, each a name and its bytes."""
        start = monotonic()
        node = self.page.widget(name, "file_uploader", "camera_input")
        state = WidgetState(id=node.id)
        info = state.file_uploader_state_value.uploaded_file_info
        for (title, data), urls in zip(files, await self.file_urls([title for title, _ in files]), strict=True):
            status = await self.put(urls.upload_url, title, data)
            if status >= 300:
                raise RuntimeError(f"The server refused {title}: {status}")
            info.add(file_id=urls.file_id, name=title, size=len(data), file_urls=urls)
        await self._do(node, state)
        return monotonic() - start

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
        """Send a file to an address of the server; the status of the answer."""
        url, files = self.url + address, {title: (title, data)}
        answer = await asyncio.to_thread(requests.put, url, files=files, headers=self.token, timeout=PATIENCE_SECONDS)
        return answer.status_code

    async def settle_until(self, holds: Callable[[], bool]) -> None:
        """Let the page's clock run until something is on the page, or has disappeared from it."""
        while not holds():
            await asyncio.sleep(0.1)
            await self.settle()

    # --- what the page shows

    def has(self, kind: str, key: str) -> bool:
        """Whether there is an element of this kind and key."""
        return any(node.key == key for node in self.page.elements(kind))

    def packed_maps(self) -> bytes:
        """All maps of the gallery; see crosspool.gallery.mapset. Raises LookupError where none are shown."""
        packed: bytes = self.page.component("maps")
        return packed

    # --- asking

    async def _set(self, node: Node, **value: Any) -> float:
        return await self._do(node, WidgetState(id=node.id, **value))

    async def _do(self, node: Node, state: WidgetState) -> float:
        """Send one widget's new state."""
        if not self._leaving:
            await self.settle()
        self.page.states[state.id] = state
        client_state = self._state(fragment=node.fragment)
        self.page.forget_triggers()
        return await self.ask(client_state)
