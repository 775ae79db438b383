"""Limits on uploads that no page has taken yet."""

import asyncio

import pytest
import streamlit.runtime
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.serving import uploads
from crosspool.ui.serving.uploads import ROUTE, UploadLimit, upload_room
from tests import loops

MB = 2**20
FILE = bytes(MB - 2**14)  # a megabyte with what is kept about it


class UploadApp:
    """An app that keeps uploads as Streamlit does, behind the middleware."""

    def __init__(self):
        self.uploaded_file_mgr = MemoryUploadedFileManager(ROUTE)
        self.limit = UploadLimit(self.app, visit=2 * MB, all_visits=3 * MB, visitor_of=lambda name: name.split("-")[0])
        self.read = 0

    async def app(self, scope, receive, send):
        data = await Request(scope, receive).body()
        self.read += len(data)
        _, is_upload, rest = scope["path"].partition(ROUTE)
        if is_upload:
            visit, name = rest.split("/")
            self.uploaded_file_mgr.add_file(visit, UploadedFileRec(name, name, "", data))
        await PlainTextResponse("taken")(scope, receive, send)

    def put(self, path, data=b"", lengths=None, others=()):
        """The status of the answer."""
        lengths = [str(len(data))] if lengths is None else lengths
        headers = [(b"content-length", length.encode()) for length in lengths] + [*others]
        scope = {"type": "http", "method": "PUT", "path": path, "headers": headers, "query_string": b""}
        return loops.run(self._answer(scope, data, more=False))

    async def started_put(self, path, data, declared):
        """The status of the answer to a request that sends this and then nothing more, if that is not all."""
        headers = [(b"content-length", str(declared).encode())]
        scope = {"type": "http", "method": "PUT", "path": path, "headers": headers, "query_string": b""}
        return await self._answer(scope, data, more=len(data) < declared)

    async def _answer(self, scope, data, *, more):
        sent, messages = [], [{"type": "http.request", "body": data, "more_body": more}]

        async def receive():
            if not messages:
                await asyncio.sleep(3600)
            return messages.pop()

        async def send(message):
            sent.append(message)

        await self.limit(scope, receive, send)
        return sent[0]["status"]


@pytest.fixture
def upload_app(monkeypatch):
    monkeypatch.setattr(MultiPartParser, "spool_max_size", MultiPartParser.spool_max_size)  # is put back
    app = UploadApp()
    monkeypatch.setattr(streamlit.runtime, "exists", lambda: True)
    monkeypatch.setattr(streamlit.runtime, "get_instance", lambda: app)
    return app


def test_a_visit_has_a_limit_of_waiting_uploads(upload_app):
    statuses = [upload_app.put(f"{ROUTE}a/{n}", FILE) for n in range(4)]
    assert statuses == [200, 200, 200, 413]  # with the room for what is around a file
    upload_app.uploaded_file_mgr.remove_session_files("a")
    assert upload_app.put(f"/base{ROUTE}a/again", bytes(MB)) == 200


def test_the_tabs_of_a_browser_share_its_limit(upload_app):
    statuses = [upload_app.put(f"{ROUTE}a-{tab}/x", FILE) for tab in range(4)]
    assert statuses == [200, 200, 200, 413]


def test_empty_files_take_room_too(upload_app):
    statuses = [upload_app.put(f"{ROUTE}a/{n}") for n in range(3 * MB // uploads.FILE_BYTES + 10)]
    assert statuses[0] == 200
    assert statuses[-1] == 413
    assert statuses == sorted(statuses)


def test_all_visits_together_have_a_limit_of_waiting_uploads(upload_app):
    statuses = [upload_app.put(f"{ROUTE}{visit}/x", FILE) for visit in range(5)]
    assert statuses == [200, 200, 200, 200, 503]


def test_a_refused_upload_is_not_read(upload_app):
    assert upload_app.put(f"{ROUTE}a/1", b"begun", [str(10**15)]) == 413
    assert upload_app.read == 0


@pytest.mark.parametrize("lengths", [[], [""], ["-1"], ["1e3"], ["²"], ["1", "1"]])
def test_a_length_is_required(upload_app, lengths):
    assert upload_app.put(f"{ROUTE}a/1", b"x", lengths) == 411


def test_a_length_and_chunks_would_be_two_readings(upload_app):
    assert upload_app.put(f"{ROUTE}a/1", b"x", others=[(b"transfer-encoding", b"chunked")]) == 411
    assert upload_app.put(f"{ROUTE}a/1", b"longer than declared", ["5"]) == 400
    assert upload_app.uploaded_file_mgr.file_storage == {}


def test_what_is_declared_takes_no_room_until_it_comes(upload_app, monkeypatch):
    monkeypatch.setattr(uploads, "LONGEST_PAUSE", 0.3)
    stalled = [upload_app.started_put(f"{ROUTE}{visit}/{n}", b"begun", 2 * MB) for visit in "ab" for n in range(5)]

    async def requests():
        tasks = [asyncio.create_task(put) for put in stalled]
        await asyncio.sleep(0.1)
        assert upload_app.limit._arrived.total() == 50
        assert await upload_app.started_put(f"{ROUTE}c/1", bytes(2 * MB), 2 * MB) == 200
        return await asyncio.gather(*tasks)

    assert loops.run(requests()) == [408] * 10
    assert not upload_app.limit._arrived
    assert not upload_app.limit._turns


def test_a_visit_sends_a_few_files_at_a_time(upload_app, monkeypatch):
    monkeypatch.setattr(uploads, "LONGEST_PAUSE", 0.2)

    async def requests():
        tasks = [asyncio.create_task(upload_app.started_put(f"{ROUTE}a/{n}", b"begun", 10)) for n in range(20)]
        await asyncio.sleep(0.1)
        assert upload_app.limit._arrived["a"] == 5 * uploads.AT_ONCE
        return await asyncio.gather(*tasks)

    assert loops.run(requests()) == [408] * 20


@pytest.mark.parametrize(("limit", "visits", "status"), [("MOST_SENDING", "aaa", 413), ("ALL_SENDING", "abc", 503)])
def test_only_so_many_files_wait_to_be_sent(upload_app, monkeypatch, limit, visits, status):
    monkeypatch.setattr(uploads, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(uploads, limit, 2)

    async def requests():
        first = [asyncio.create_task(upload_app.started_put(f"{ROUTE}{visit}/x", b"begun", 10)) for visit in visits[:2]]
        await asyncio.sleep(0)  # they have begun
        assert await upload_app.started_put(f"{ROUTE}{visits[2]}/x", b"begun", 10) == status
        assert await asyncio.gather(*first) == [408] * 2
        assert await upload_app.started_put(f"{ROUTE}{visits[2]}/x", b"x", 1) == 200

    loops.run(requests())
    assert not upload_app.limit._sending


def test_anything_else_passes(upload_app):
    assert upload_app.put("/x", bytes(5 * MB)) == 200
    assert upload_app.read == 5 * MB


def test_uploads_are_not_written_to_disk(upload_app):
    assert MultiPartParser.spool_max_size == 3 * MB


def test_every_page_gets_the_largest_file_that_it_takes():
    settings = ServerSettings(upload_megabytes=30, zip_megabytes=10, visitor_megabytes=5)
    assert settings.largest_file_megabytes == 30
    assert upload_room(settings) == {"visit": 30 * MB, "all_visits": settings.visitors_megabytes * MB}
