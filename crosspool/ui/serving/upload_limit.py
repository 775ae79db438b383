"""Limits on uploads that no page has taken yet: for each visit, and for all visits together."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import streamlit.runtime
from starlette.formparsers import MultiPartParser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from crosspool.ui.runtime.settings import ServerSettings

ROUTE = "/_stcore/upload_file/"
FRAME = 2**20  # bytes that a request may have around its file
WAITING_TIMES = 4  # what one visit may have waiting, as a multiple of its quota: photos are shrunk on receipt


def largest_file(settings: ServerSettings) -> int:
    """The largest file that any page takes, in megabytes, for Streamlit's `server.maxUploadSize`."""
    return max(settings.upload_megabytes, settings.zip_megabytes, settings.visitor_megabytes)


def upload_room(settings: ServerSettings) -> dict[str, int]:
    """The middleware's arguments."""
    visit = max(WAITING_TIMES * settings.visitor_megabytes, largest_file(settings))
    return {"visit": visit * 2**20, "all_visits": max(settings.visitors_megabytes, visit) * 2**20}


class UploadLimit:
    """ASGI middleware that refuses an upload without room for it before its first byte is read.

    Streamlit itself limits each file, but not their number, and keeps them until the visit ends or a page takes them.
    `visit` and `all_visits` are numbers of bytes.
    """

    def __init__(self, app: ASGIApp, visit: int, all_visits: int) -> None:
        self._app, self._visit, self._all_visits = app, visit, all_visits
        self._arriving: Counter[str] = Counter()  # bytes by visit
        # Starlette would write files of more than a megabyte to disk, and Streamlit reads them into memory anyway.
        MultiPartParser.spool_max_size = all_visits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, is_upload, rest = scope.get("path", "").partition(ROUTE)
        if scope["type"] != "http" or scope["method"] != "PUT" or not is_upload:
            await self._app(scope, receive, send)
            return
        visit, declared = rest.partition("/")[0], _declared(scope)
        if (refusal := self._refusal(visit, declared)) is not None:
            await refusal(scope, receive, send)
            return
        self._arriving[visit] += declared
        try:
            await self._app(scope, receive, send)
        finally:
            self._arriving[visit] -= declared
            if not self._arriving[visit]:
                del self._arriving[visit]

    def _refusal(self, visit: str, declared: int) -> PlainTextResponse | None:
        """The answer to an upload of `declared` bytes that is refused, or None."""
        if declared < 0:
            return _answer(411, "Say how long the file is.")
        waiting = _waiting()
        if waiting.get(visit, 0) + self._arriving[visit] + declared > self._visit + FRAME:
            return _answer(413, "These are too many files at once; send fewer.")
        if sum(waiting.values()) + self._arriving.total() + declared > self._all_visits + FRAME:
            return _answer(503, "The server has no room for more files at the moment; try again in a minute.")
        return None


def _answer(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(sentence, status, {"Connection": "close"})


def _declared(scope: Scope) -> int:
    """The number of bytes that the request declares, or -1."""
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if len(values) == 1 and values[0].isdigit() else -1


def _waiting() -> Mapping[str, int]:
    """The bytes of each visit's files that Streamlit keeps."""
    if not streamlit.runtime.exists():
        return {}
    manager: Any = streamlit.runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    with manager._lock:
        return {visit: sum(len(file.data) for file in files.values()) for visit, files in manager.file_storage.items()}
