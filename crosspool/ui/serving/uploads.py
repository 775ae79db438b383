"""Limits on uploads that no page has taken yet: their bytes, their number at a time, and how long one may take.

Streamlit itself limits each file, but not their number, and keeps them until the visit ends or a page takes them.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import streamlit.runtime
from starlette.formparsers import MultiPartParser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from crosspool.ui.runtime.settings import ServerSettings

ROUTE = "/_stcore/upload_file/"
FILE_BYTES = 2**13  # that a file takes besides its content and its name
FRAME = 2**20  # bytes that a request may have around its file
MOST_SENDING = 200  # files that a visit may send at a time or have waiting to be sent, more than any browser does
ALL_SENDING = 1000  # those of all visits
AT_ONCE = 6  # files that a visit may send at a time, as a browser does over HTTP/1.1; others wait
LONGEST_PAUSE = 20.0  # seconds without a byte
SLOWEST = 50_000  # bytes a second, after such a pause


def upload_room(settings: ServerSettings) -> dict[str, int]:
    """The middleware's arguments."""
    visit = settings.waiting_megabytes
    return {"visit": visit * 2**20, "all_visits": max(settings.visitors_megabytes, visit) * 2**20}


class _RefusedError(Exception):
    """An upload that goes no further, with the answer's status and sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


_TOO_MANY = 413, "These are too many files at once; send fewer."
_NO_ROOM = 503, "The server has no room for more files at the moment; try again in a minute."
_NO_LENGTH = 411, "The request must declare the length of the file."
_LONGER = 400, "The file is longer than the request declares."
_LATE = 408, "The file took too long to arrive; try again."


class UploadLimit:
    """ASGI middleware that counts the bytes of uploads as they come, and ends those that go beyond a limit.

    One that could not fit is refused before its first byte is read. `visit` and `all_visits` are numbers of bytes.
    `visitor_of` names the visitor of a session: all tabs of a browser are one, and have the room of one visit.
    """

    def __init__(
        self, app: ASGIApp, visit: int, all_visits: int, visitor_of: Callable[[str], str] = lambda session: session
    ) -> None:
        self._app, self._visit, self._all_visits, self._visitor_of = app, visit, all_visits, visitor_of
        self._arrived: Counter[str] = Counter()  # bytes, by visit, of files that are not whole yet
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        self._sending: Counter[str] = Counter()  # uploads, by visit, with those that wait for their turn
        # Starlette would write files of more than a megabyte to disk, and Streamlit reads them into memory anyway.
        MultiPartParser.spool_max_size = all_visits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, is_upload, rest = scope.get("path", "").partition(ROUTE)
        if scope["type"] != "http" or scope["method"] != "PUT" or not is_upload:
            await self._app(scope, receive, send)
            return
        visit = self._visitor_of(rest.partition("/")[0])
        try:
            with self._sent_by(visit):
                async with self._turns[visit]:
                    await self._take(visit, scope, receive, send)
        except _RefusedError as refusal:
            answer = PlainTextResponse(refusal.sentence, refusal.status, {"Connection": "close"})
            await answer(scope, receive, send)

    @contextmanager
    def _sent_by(self, visit: str) -> Iterator[None]:
        """Count an upload of a visit, for the length of the block. Raises _RefusedError where there are too many."""
        if self._sending[visit] >= MOST_SENDING:
            raise _RefusedError(*_TOO_MANY)
        if self._sending.total() >= ALL_SENDING:
            raise _RefusedError(*_NO_ROOM)
        self._sending[visit] += 1
        try:
            yield
        finally:
            self._sending[visit] -= 1
            if not self._sending[visit]:
                del self._sending[visit], self._turns[visit]

    async def _take(self, visit: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an upload on while it arrives. Raises _RefusedError."""
        declared, arrived = _declared(scope), 0
        self._check_room(visit, declared)
        deadline = time.monotonic() + LONGEST_PAUSE + declared / SLOWEST

        async def counted() -> Message:
            nonlocal arrived
            try:
                message = await asyncio.wait_for(receive(), min(LONGEST_PAUSE, deadline - time.monotonic()))
            except TimeoutError:
                raise _RefusedError(*_LATE) from None
            count = len(message.get("body", b""))
            arrived += count
            self._arrived[visit] += count
            if arrived > declared:
                raise _RefusedError(*_LONGER)
            self._check_room(visit, 0)
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._arrived[visit] -= arrived
            if not self._arrived[visit]:
                del self._arrived[visit]

    def _check_room(self, visit: str, more: int) -> None:
        """Raise _RefusedError where `more` bytes are too many."""
        waiting: Counter[str] = Counter()
        for session, nbytes in _waiting().items():
            waiting[self._visitor_of(session)] += nbytes
        if waiting[visit] + self._arrived[visit] + more > self._visit + FRAME:
            raise _RefusedError(*_TOO_MANY)
        if waiting.total() + self._arrived.total() + more > self._all_visits + FRAME:
            raise _RefusedError(*_NO_ROOM)


def _declared(scope: Scope) -> int:
    """The number of bytes that the request declares, if only one reading is possible. Raises _RefusedError."""
    names = [name for name, _ in scope["headers"]]
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    if b"transfer-encoding" in names or len(values) != 1 or not values[0].isdigit():
        raise _RefusedError(*_NO_LENGTH)
    return int(values[0])


def _waiting() -> Mapping[str, int]:
    """The bytes of each visit's files that Streamlit keeps."""
    if not streamlit.runtime.exists():
        return {}
    manager: Any = streamlit.runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    with manager._lock:
        return {visit: sum(map(_nbytes, files.values())) for visit, files in manager.file_storage.items()}


def _nbytes(file: UploadedFileRec) -> int:
    """The memory that a file takes, as far as is known: also an empty one takes some."""
    return len(file.data) + 4 * (len(file.name) + len(file.type)) + FILE_BYTES
