"""What browsers send over the WebSocket: ordinary messages pass as they are, and nothing else reaches Streamlit."""

import json
import math
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.elements.widgets.file_uploader import FileUploaderSerde
from streamlit.proto.BackMsg_pb2 import BackendOperationRequest, BackMsg
from streamlit.proto.Common_pb2 import DoubleArray, StringArray
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.scriptrunner_utils.script_run_context_attr import SCRIPT_RUN_CONTEXT_ATTR_NAME

from benchmarks.harness.tab import Tab
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.log import EventLog
from crosspool.ui.serving import messages
from crosspool.ui.serving.guard import LONGEST_QUERY
from crosspool.ui.serving.messages import (
    AT_ONCE,
    KINDS,
    LONGEST_JSON,
    LONGEST_MESSAGE,
    LONGEST_NAME,
    LONGEST_TEXT,
    MOST_EVENTS,
    MOST_FILES,
    MOST_HASHES,
    MOST_RUNS,
    MOST_RUNS_OF_VISITOR,
    MOST_TEXTS,
    MOST_WIDGETS,
    BrowserMessages,
    leave_out,
)
from tests import loops

EVENT = {"event": "chosen", "value": [1, 2]}


def control(kind, read=lambda value: value, write=lambda value: value):
    return SimpleNamespace(value_type=kind, deserializer=read, serializer=write)


def whole(value):
    """As Streamlit reads a field for whole numbers from 0 to 9, whose default is 0."""
    return number if 0 <= (number := int(value)) <= 9 else 0


def option(values):
    """As it reads one of several buttons, the first by default."""
    return values[0] if values[0] in ("a", "b") else "a"


DECLARED = {
    "number": control("double_value", whole),
    "texts": control("string_array_value", list),
    "option": control("string_array_value", option, lambda value: [value]),
    "text": control("string_value"),
    "table": control("string_value", json.loads, json.dumps),
    "switch": control("bool_value"),
    "button": control("trigger_value"),
    "component": control("json_trigger_value"),
    "files": control("file_uploader_state_value"),
}


def files(count, name="a.jpg"):
    state = WidgetState(id="files")
    for number in range(count):
        state.file_uploader_state_value.uploaded_file_info.add(file_id=str(number), name=name)
    return state


def texts(*values, id_="texts"):
    return WidgetState(id=id_, string_array_value=StringArray(data=values))


def events(value):
    return WidgetState(id="component", json_trigger_value=value if isinstance(value, str) else json.dumps(value))


GOOD = [
    WidgetState(id="number", double_value=5), WidgetState(id="number", int_value=5), WidgetState(id="number"),
    WidgetState(id="text", string_value="鳥" * LONGEST_TEXT), texts(*"ab" * (MOST_TEXTS // 2)),
    texts("b", id_="option"),
    WidgetState(id="table", string_value='{"selection": {"rows": [3]}}'), WidgetState(id="switch", bool_value=True),
    WidgetState(id="button", trigger_value=True), events([EVENT] * MOST_EVENTS), files(MOST_FILES),
]  # fmt: skip

UNLIKE_EVENTS: list[Any] = ["", "{", "null", EVENT, [1], [EVENT | {"more": 1}], [{}]]

BAD = [
    *((WidgetState(id="number", double_value=number), "double_value") for number in (math.nan, math.inf, -math.inf)),
    *((WidgetState(id="number", double_value=number), "out_of_range") for number in (-1.0, 9.5, 10.0, 1e300)),
    (WidgetState(id="number", int_value=2**62), "out_of_range"),
    (WidgetState(id="number", string_value="5"), "other_kind"),
    (WidgetState(id="number", bool_value=True), "other_kind"),
    (texts("c", id_="option"), "out_of_range"),
    (texts(id_="option"), "unreadable"),
    (texts(*"a" * (MOST_TEXTS + 1)), "string_array_value"),
    (texts("a" * (LONGEST_TEXT + 1)), "string_array_value"),
    (WidgetState(id="text", string_value="a" * (LONGEST_TEXT + 1)), "string_value"),
    (texts("a", id_="text"), "other_kind"),
    (WidgetState(id="table", string_value="{"), "unreadable"),
    (WidgetState(id="table", string_value="[" * LONGEST_TEXT), "unreadable"),
    (WidgetState(id="switch", json_value="{}"), "json_value"),
    (WidgetState(id="switch", bytes_value=b"1"), "bytes_value"),
    (WidgetState(id="switch", double_array_value=DoubleArray(data=[1])), "double_array_value"),
    (WidgetState(id="button", bool_value=True), "other_kind"),
    (WidgetState(id="nowhere", bool_value=True), "unknown"),
    (events([EVENT] * (MOST_EVENTS + 1)), "json_trigger_value"),
    (events("[" * LONGEST_JSON), "json_trigger_value"),
    (events(json.dumps([EVENT | {"value": "a" * LONGEST_JSON}])), "json_trigger_value"),
    (events('[{"event": "chosen", "value": NaN}]'), "json_trigger_value"),
    (events('[{"event": "chosen", "value": -Infinity}]'), "json_trigger_value"),
    (events('[{"event": "chosen", "value": ' + "9" * 5000 + "}]"), "json_trigger_value"),
    *((events(value), "json_trigger_value") for value in UNLIKE_EVENTS),
    (files(MOST_FILES + 1), "file_uploader_state_value"),
    (files(1, "a" * (LONGEST_NAME + 1)), "file_uploader_state_value"),
]  # fmt: skip


def request(*states, **fields):
    message = BackMsg()
    for name, value in fields.items():
        getattr(message.rerun_script, name).extend(value) if isinstance(value, list) else setattr(
            message.rerun_script, name, value
        )
    message.rerun_script.widget_states.widgets.extend(states)
    return message


@pytest.mark.parametrize("state", GOOD, ids=lambda state: str(state)[:60])
def test_what_a_page_sends_passes(state):
    message = request(state)
    before = message.SerializeToString()
    assert leave_out(message, DECLARED) == []
    assert message.SerializeToString() == before


@pytest.mark.parametrize(("state", "kind"), BAD, ids=lambda value: str(value)[:60])
def test_a_value_that_no_page_sends_is_left_out_of_its_message(state, kind):
    message = request(GOOD[0], state, GOOD[-3])
    assert leave_out(message, DECLARED) == [kind]
    assert list(message.rerun_script.widget_states.widgets) == [GOOD[0], GOOD[-3]]


@pytest.mark.parametrize(
    "fields",
    [
        {"query_string": "a" * (LONGEST_QUERY + 1)},
        *({name: "a" * (LONGEST_NAME + 1)} for name in ("page_name", "page_script_hash", "fragment_id")),
        {"cached_message_hashes": ["a"] * (MOST_HASHES + 1)},
        {"cached_message_hashes": ["a" * (LONGEST_NAME + 1)]},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_a_request_that_is_longer_than_any_pages_is_dropped(fields):
    shorter = {name: value[:LONGEST_NAME] for name, value in fields.items() if isinstance(value, str)}
    assert leave_out(request(GOOD[0], **shorter), DECLARED) == []
    message = request(GOOD[0], **fields)
    assert leave_out(message, DECLARED) == ["rerun_script"]
    assert message.WhichOneof("type") is None


@pytest.mark.parametrize(
    ("name", "types", "refused"),
    [
        ("a.zip", [".zip"], []),
        ("A.ZIP", [".zip"], []),
        ("a.exe", [".zip"], ["other_type"]),
        ("a.zip\0.exe", [".zip"], ["other_type"]),
        ("a.exe", None, []),
    ],
)
def test_an_uploader_gets_files_of_its_types_alone(name, types, refused):
    declared = {"files": control("file_uploader_state_value", FileUploaderSerde(False, types).deserialize)}
    message = request(files(1, "a.zip"))  # as the browser says; the name is that of the file that was sent
    assert leave_out(message, declared, lambda ids: [name for id_ in ids if id_ == "0"]) == refused


def test_more_controls_than_any_page_has_are_refused_at_once():
    assert leave_out(request(*[GOOD[0]] * MOST_WIDGETS), DECLARED) == []
    message = request(*[GOOD[0]] * (MOST_WIDGETS + 1))
    assert leave_out(message, DECLARED) == ["rerun_script"]
    assert message.WhichOneof("type") is None


OPERATIONS = BackendOperationRequest.DESCRIPTOR.oneofs_by_name["payload"].fields


@pytest.mark.parametrize("kind", sorted({field.name for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields}))
def test_only_visitors_kinds_of_messages_pass(kind):
    message = BackMsg()
    if BackMsg.DESCRIPTOR.fields_by_name[kind].message_type is None:
        setattr(message, kind, True)
    else:
        getattr(message, kind).SetInParent()
    assert leave_out(message, {}) == ([] if kind in KINDS else [kind])
    assert message.WhichOneof("type") == (kind if kind in KINDS else None)


@pytest.mark.parametrize("kind", sorted({field.name for field in OPERATIONS}))
def test_of_other_operations_only_downloads_pass(kind):
    message = BackMsg()
    getattr(message.backend_operation_request, kind).SetInParent()
    assert leave_out(message, {}) == ([] if kind == "deferred_file" else [kind])
    message.backend_operation_request.deferred_file.file_id = "a" * (LONGEST_NAME + 1)
    assert leave_out(message, {}) == ["deferred_file"]


def test_a_message_of_no_kind_is_dropped():
    assert leave_out(BackMsg(), {}) == ["none"]


def test_only_so_many_files_are_announced_at_once():
    message = BackMsg()
    message.file_urls_request.file_names.extend(["a.jpg"] * MOST_FILES)
    assert leave_out(message, {}) == []
    message.file_urls_request.file_names.append("b.jpg")
    assert leave_out(message, {}) == ["file_urls_request"]


def nobody(session_id):
    """Whose a session is: it has not run yet."""
    return None


def passed(*sent, headers=()):
    """What reaches the app of these messages, what is sent back, and the log."""
    waiting, reached, answers, log = list(sent), [], [], EventLog()

    async def receive():
        return waiting.pop(0) if waiting else {"type": "websocket.disconnect", "code": 1000}

    async def send(message):
        answers.append(message)

    async def app(scope, receive, send):
        while (message := await receive())["type"] == "websocket.receive":
            reached.append(message)
        reached.append(message)

    loops.run(BrowserMessages(app, log, nobody)({"type": "websocket", "headers": headers}, receive, send))
    return reached, answers, log


def message_of(**content):
    return {"type": "websocket.receive", "bytes": BackMsg(**content).SerializeToString()}


def test_other_messages_reach_the_app_byte_by_byte():
    beat = message_of(app_heartbeat=True)
    reached, answers, log = passed(beat, message_of(clear_cache=True), beat)
    assert reached[:2] == [beat, beat]
    assert answers == []
    assert log.counts()["message_refused"].times == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"bytes": bytes(LONGEST_MESSAGE + 1)}, 1009),
        ({"text": "x" * (LONGEST_MESSAGE + 1), "bytes": None}, 1009),
        ({"text": "x", "bytes": None}, 1002),
        ({"bytes": b"\xff" * 9}, 1002),
        ({"bytes": request(query_string="a" * (LONGEST_QUERY + 1)).SerializeToString()}, 1009),
    ],
    ids=["long", "long text", "text", "no message", "long link"],
)
def test_what_is_no_message_at_all_ends_the_connection(message, code):
    reached, answers, log = passed({"type": "websocket.receive", **message}, message_of(app_heartbeat=True))
    assert reached == [{"type": "websocket.disconnect", "code": code}]
    assert answers == [{"type": "websocket.close", "code": code}]
    assert log.counts()["message_refused"].times == 1


def test_a_flood_of_messages_is_read_slowly(monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(messages, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(messages, "time", SimpleNamespace(monotonic=lambda: 0.0))
    reached, _, _ = passed(*[message_of(app_heartbeat=True)] * (AT_ONCE + 3))
    assert len(reached) == AT_ONCE + 4
    assert waits == pytest.approx([0.05, 0.1, 0.15])


@pytest.mark.parametrize(
    ("session", "runs", "waits_for"),
    [
        ("own", ["own"] * MOST_RUNS, 3),
        ("own", ["own"] * (MOST_RUNS - 1), 0),
        ("own", ["strange"] * (MOST_RUNS_OF_VISITOR + 1), 0),
        ("own", ["second tab", "third tab"] * (MOST_RUNS_OF_VISITOR // 2), 3),
        ("new", ["new, too"] * (MOST_RUNS_OF_VISITOR + 1), 0),
    ],
)
def test_a_message_waits_while_too_many_runs_of_its_session_or_visitor_go_on(monkeypatch, session, runs, waits_for):
    ended, waits = threading.Event(), []
    threads = [threading.Thread(target=ended.wait, daemon=True) for _ in runs]
    for thread, name in zip(threads, runs, strict=True):
        setattr(thread, SCRIPT_RUN_CONTEXT_ATTR_NAME, SimpleNamespace(session_id=name))
        thread.start()

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            ended.set()
            threads[0].join()

    monkeypatch.setattr(messages, "asyncio", SimpleNamespace(sleep=sleep))
    crowd = Account()
    accounts = {
        "own": Account(crowd=crowd),
        "second tab": crowd,
        "third tab": Account(crowd=crowd),
        "strange": Account(),
    }
    scope = {"type": "websocket", "headers": [(b"sec-websocket-protocol", f"streamlit, x, {session}".encode())]}
    loops.run(messages._Session(scope, accounts.get).wait_for_runs())
    ended.set()
    assert len(waits) == waits_for


def test_the_session_is_the_one_that_the_answer_names():
    session = messages._Session(
        {"type": "websocket", "headers": [(b"sec-websocket-protocol", b"streamlit, x, old")]}, nobody
    )
    assert session.id == "old"
    answer = ForwardMsg()
    answer.new_session.initialize.session_id = "new"
    session.watch({"type": "websocket.send", "bytes": ForwardMsg(heartbeat_ack=True).SerializeToString()})
    session.watch({"type": "websocket.send", "bytes": answer.SerializeToString()})
    assert session.id == "new"
    assert messages._Session({"type": "websocket", "headers": []}, nobody).id == ""


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("number_input", {"double_value": math.nan}), ("number_input", {"double_value": 1e300}),
    ("number_input", {"string_value": "x"}), ("selectbox", {"string_value": "x"}), ("selectbox", {"double_value": 1}),
    ("button_group", {"string_array_value": StringArray(data=["x"])}), ("button_group", {"bool_value": True}),
    ("bidi_component", {"json_value": "{"}), ("radio", {"string_value": "x"}),
    ("slider", {"string_array_value": StringArray(data=["x"])}), ("slider", {"json_trigger_value": "["}),
]  # fmt: skip


async def forge(url):
    """Forged values for a page's controls: whether the page goes on as it was, and answers."""
    tab = Tab(url)
    await tab.open("/side_by_side", backbone="squeezenet1_1", weights="untrained", size=128)
    before = [
        node.content.SerializeToString() for node in tab.page.elements("number_input", "selectbox", "radio", "slider")
    ]
    kinds = set()
    for kind, value in FORGED:
        for node in tab.page.elements(kind):
            await tab.run_with(WidgetState(id=node.id, **value))
            kinds.add(kind)
            assert list(tab.page.elements("exception")) == []
            texts = [node.proto.body for node in tab.page.elements("alert")]
            assert not any("Something went wrong" in text for text in texts), (kind, value)
    after = [
        node.content.SerializeToString() for node in tab.page.elements("number_input", "selectbox", "radio", "slider")
    ]
    assert before == after
    assert kinds == {kind for kind, _ in FORGED}
    await tab.close()


def test_a_page_goes_on_as_it_was_whatever_is_sent_for_its_controls(app_url):
    loops.run(forge(app_url))
