"""What browsers send over the WebSocket: each message is checked before Streamlit acts on it.

Streamlit takes a control's value as the browser sends it. What no page sends is left out here, so that the page goes on
with the values that it had; the pages themselves check what only they know, such as which options there are.
"""

import asyncio
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit.runtime
from google.protobuf.message import DecodeError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.elements.lib.file_uploader_utils import enforce_filename_restriction
from streamlit.errors import StreamlitAPIException
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.scriptrunner_utils.script_run_context_attr import SCRIPT_RUN_CONTEXT_ATTR_NAME
from streamlit.runtime.state.common import WidgetMetadata, unpack_widget_state_value

from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.serving.guard import LONGEST_QUERY

LONGEST_MESSAGE = 2**20  # bytes: the state of all controls of a page takes less than 100 kB
TOO_LONG, NO_MESSAGE = 1009, 1002  # RFC 6455
AT_ONCE, A_SECOND = 60, 20.0  # messages of a connection before it is slowed down, and how fast they are read then
# Streamlit starts a run in a thread of its own for each message, whether or not the runs before have noticed that they
# are to end. Where so many of a session, or of all pages of a visitor, have not, the next message waits for them, so
# many seconds at most.
MOST_RUNS, MOST_RUNS_OF_VISITOR, LONGEST_HOLD, HOLD_SECONDS = 4, 12, 10.0, 0.05

# A deferred file is a download that is made when it is asked for. Streamlit's pages also send others, for developers,
# who may empty everybody's caches or install files.
KINDS = frozenset({"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "deferred_file"})
OPERATION = "backend_operation_request"  # of several kinds
MOST_FILES, LONGEST_NAME = 2000, 1000  # of an uploader; characters of ids, addresses and files' names
MOST_WIDGETS, MOST_HASHES = 1000, 5000
LONGEST_TEXT, MOST_TEXTS = 100_000, 200
LONGEST_JSON, MOST_EVENTS = 2**16, 16  # characters, and events of a component in one message

NUMBERS = frozenset({"double_value", "int_value"})  # a number field may send either
# What a value's reader in Streamlit raises for one that is not of its control.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)

Declared = Mapping[str, WidgetMetadata[Any]]  # by widget's id
AccountOf = Callable[[str], Account | None]  # of a session, by its id
NamesOf = Callable[[Sequence[str]], list[str]]


class BrowserMessages:
    """ASGI middleware that passes on only the messages that a page would send, and not too fast."""

    def __init__(self, app: ASGIApp, log: EventLog, account_of: AccountOf) -> None:
        self._app, self._log, self._account_of = app, log, account_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        session, pace = _Session(scope, self._account_of), _Pace()

        async def checked() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                await pace.wait()
                await session.wait_for_runs()
                data = message.get("bytes")
                if len(data or message.get("text") or b"") > LONGEST_MESSAGE:
                    return await self._end(session, send, TOO_LONG)
                try:
                    sent = BackMsg.FromString(data or b"")
                except DecodeError:
                    return await self._end(session, send, NO_MESSAGE)
                if data is None:
                    return await self._end(session, send, NO_MESSAGE)
                refused = leave_out(sent, session.widgets(), session.file_names)
                if refused == ["rerun_script"]:  # longer than any page's
                    return await self._end(session, send, TOO_LONG)
                for kind in sorted(set(refused)):
                    self._refuse(session, kind)
                if sent.WhichOneof("type") is not None:
                    return {**message, "bytes": sent.SerializeToString() if refused else data}

        async def watched(message: Message) -> None:
            session.watch(message)
            await send(message)

        await self._app(scope, checked, watched)

    async def _end(self, session: "_Session", send: Send, code: int) -> Message:
        self._refuse(session, str(code))
        await send({"type": "websocket.close", "code": code})
        return {"type": "websocket.disconnect", "code": code}

    def _refuse(self, session: "_Session", kind: str) -> None:
        self._log.record("message_refused", kind=kind, session=self._log.session_name(session.id) if session.id else "")


class _Session:
    """Streamlit's session of a connection, which its first answer names; a browser that comes back asks for its own."""

    def __init__(self, scope: Scope, account_of: AccountOf) -> None:
        _, _, asked = (*Headers(scope=scope).get("sec-websocket-protocol", "").split(","), "", "", "")[:3]
        self.id, self._is_known, self._account_of = asked.strip()[:LONGEST_NAME], False, account_of

    def watch(self, message: Message) -> None:
        if self._is_known or message["type"] != "websocket.send" or not message.get("bytes"):
            return
        answer = ForwardMsg.FromString(message["bytes"])
        if answer.WhichOneof("type") == "new_session":
            self.id, self._is_known = answer.new_session.initialize.session_id or self.id, True

    async def wait_for_runs(self) -> None:
        """Wait as long as too many runs of the session, or of its visitor's, go on."""
        deadline = time.monotonic() + LONGEST_HOLD
        while self._has_many_runs() and time.monotonic() < deadline:
            await asyncio.sleep(HOLD_SECONDS)

    def _has_many_runs(self) -> bool:
        contexts = (getattr(thread, SCRIPT_RUN_CONTEXT_ATTR_NAME, None) for thread in threading.enumerate())
        sessions = Counter(context.session_id for context in contexts if context is not None)
        visitor = self._visitor(self.id)
        of_visitor = sum(count for id_, count in sessions.items() if visitor and self._visitor(id_) is visitor)
        return sessions[self.id] >= MOST_RUNS or of_visitor >= MOST_RUNS_OF_VISITOR

    def _visitor(self, session_id: str) -> Account | None:
        account = self._account_of(session_id)
        return account and account.in_queue

    def widgets(self) -> Declared:
        """The widgets that the session has drawn so far."""
        if not streamlit.runtime.exists():
            return {}
        session = streamlit.runtime.get_instance().get_app_session(self.id)
        return session.session_state._new_widget_state.widget_metadata if session else {}

    def file_names(self, ids: Sequence[str]) -> list[str]:
        """The names of those of these files that the session has sent."""
        if not streamlit.runtime.exists():
            return []
        files = streamlit.runtime.get_instance().uploaded_file_mgr.get_files(self.id, ids)
        return [file.name for file in files]


class _Pace:
    """Lets a connection send some messages at once, and more of them only at a steady pace."""

    def __init__(self) -> None:
        self._left, self._at = float(AT_ONCE), time.monotonic()

    async def wait(self) -> None:
        now = time.monotonic()
        self._left, self._at = min(self._left + A_SECOND * (now - self._at), AT_ONCE) - 1, now
        if self._left < 0:
            await asyncio.sleep(-self._left / A_SECOND)


def leave_out(sent: BackMsg, declared: Declared, names_of: NamesOf = lambda ids: []) -> list[str]:
    """Take out of a message what no page sends, if need be all; and say of what kinds that was.

    `declared` are the session's widgets, and `names_of` tells the names of its files by their ids.
    """
    kind = _kind(sent)
    if kind not in KINDS or not (_fits(sent.rerun_script) and _names_fit(sent)):
        sent.Clear()
        return [kind]
    refused, widgets = [], sent.rerun_script.widget_states.widgets
    for index in reversed(range(len(widgets))):
        if problem := _problem(widgets[index], declared, names_of):
            refused.append(problem)
            del widgets[index]
    return refused


def _kind(sent: BackMsg) -> str:
    kind = sent.WhichOneof("type") or "none"
    return sent.backend_operation_request.WhichOneof("payload") or kind if kind == OPERATION else kind


def _names_fit(sent: BackMsg) -> bool:
    files, operation = sent.file_urls_request, sent.backend_operation_request
    names = [files.request_id, *files.file_names, operation.request_id, operation.deferred_file.file_id]
    return len(files.file_names) <= MOST_FILES and all(map(_is_name, names))


def _fits(state: ClientState) -> bool:
    """Whether a request to run a page is no longer than a browser's."""
    context = state.context_info
    names = [state.page_script_hash, state.page_name, state.fragment_id, context.timezone, context.locale]
    return (
        len(state.widget_states.widgets) <= MOST_WIDGETS
        and len(state.cached_message_hashes) <= MOST_HASHES
        and len(state.query_string) <= LONGEST_QUERY
        and len(context.url) <= LONGEST_QUERY + LONGEST_NAME
        and all(map(_is_name, [*names, context.color_scheme, *state.cached_message_hashes]))
    )


def _is_name(text: str) -> bool:
    return len(text) <= LONGEST_NAME


def _problem(state: WidgetState, declared: Declared, names_of: NamesOf) -> str:
    """What is wrong with a control's value, in one of a few words; "" if nothing is."""
    widget, kind = declared.get(state.id), state.WhichOneof("value")
    if widget is None:
        return "unknown"  # none that was drawn in this session; Streamlit would ignore it, or take it for a later one's
    if kind is None:
        return ""  # the control is empty
    if kind not in READABLE or not READABLE[kind](getattr(state, kind)):
        return kind
    if kind != widget.value_type and not {kind, widget.value_type} <= NUMBERS:
        return "other_kind"
    if kind == "file_uploader_state_value":  # whose reader needs the page that runs
        types = getattr(getattr(widget.deserializer, "__self__", None), "allowed_types", None) or ()
        ids = [file.file_id for file in state.file_uploader_state_value.uploaded_file_info]
        return "" if all(_is_of(name, types) for name in names_of(ids)) else "other_type"
    try:
        value = unpack_widget_state_value(state)
        read = widget.serializer(widget.deserializer(value))
    except UNREADABLE:
        return "unreadable"
    # A number out of its range, or an option that is none, is read as another one.
    is_other = (kind in NUMBERS and read != value) or (kind == "string_array_value" and list(read) != list(value))
    return "out_of_range" if is_other else ""


def _is_of(name: str, types: Sequence[str]) -> bool:
    """Whether an uploader for these types takes a file of this name; for any type without them."""
    try:
        enforce_filename_restriction(name, types)
    except StreamlitAPIException:
        return False
    return True


def _is_short(text: str) -> bool:
    return len(text) <= LONGEST_TEXT


def _is_list_of_events(text: str) -> bool:
    """Whether this is what Streamlit sends of a component: the events since the last message, as JSON."""
    if len(text) > LONGEST_JSON:
        return False
    try:
        events = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(events, list)
        and len(events) <= MOST_EVENTS
        and all(isinstance(event, dict) and event.keys() == {"event", "value"} for event in events)
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and infinity are not JSON, but Python reads them


def _are_files(value: Any) -> bool:
    files = value.uploaded_file_info
    return len(files) <= MOST_FILES and all(_is_name(file.file_id) and _is_name(file.name) for file in files)


# The kinds of values that the app's controls have, and whether one can be read. Others are refused.
READABLE: Mapping[str, Callable[[Any], bool]] = {
    "trigger_value": lambda value: True,
    "bool_value": lambda value: True,
    "int_value": lambda value: True,  # of 64 bits
    "double_value": math.isfinite,
    "string_value": _is_short,
    "string_array_value": lambda value: len(value.data) <= MOST_TEXTS and all(map(_is_short, value.data)),
    "json_trigger_value": _is_list_of_events,
    "file_uploader_state_value": _are_files,
}
