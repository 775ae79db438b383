"""What browsers have sent and no page has taken yet: bounded for each visit and for all of them."""

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
TIMES = 4  # what one visit may have waiting, in sizes of what it may keep: photographs are shrunk on receipt


def largest_file(chosen: ServerSettings) -> int:
    """Megabytes of the largest file that any page takes, for Streamlit's `server.maxUploadSize`."""
    return max(chosen.upload_megabytes, chosen.zip_megabytes, chosen.visitor_megabytes)


def room(chosen: ServerSettings) -> dict[str, int]:
    """The middleware's arguments."""
    visit = max(TIMES * chosen.visitor_megabytes, largest_file(chosen))
    return {"visit": visit * 2**20, "everybody": max(chosen.visitors_megabytes, visit) * 2**20}


class UploadLimit:
    """ASGI middleware that refuses an upload before its first byte is read, where there is no room for it.

    Streamlit itself bounds each file, but not how many a browser sends, and keeps them until the visit ends or a page
    takes them. `visit` and `everybody` are bytes.
    """

    def __init__(self, app: ASGIApp, visit: int, everybody: int) -> None:
        self._app, self._visit, self._everybody = app, visit, everybody
        self._arriving: Counter[str] = Counter()  # bytes by visit
        # Starlette would write what is larger than a megabyte to a temporary file. It is read into memory anyway.
        MultiPartParser.spool_max_size = everybody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, is_upload, rest = scope.get("path", "").partition(ROUTE)
        if scope["type"] != "http" or scope["method"] != "PUT" or not is_upload:
            await self._app(scope, receive, send)
            return
        visit, declared = rest.partition("/")[0], _declared(scope)
        if declared is None:
            await _refuse(411, "Say how long the file is.")(scope, receive, send)
            return
        waiting = _waiting()
        own = waiting.get(visit, 0) + self._arriving[visit] + declared
        if own > self._visit + FRAME:
            await _refuse(413, "These are too many files at once; send fewer.")(scope, receive, send)
        elif sum(waiting.values()) + self._arriving.total() + declared > self._everybody + FRAME:
            await _refuse(503, "The server has no room for more files at present; try again in a minute.")(
                scope, receive, send
            )
        else:
            self._arriving[visit] += declared
            try:
                await self._app(scope, receive, send)
            finally:
                self._arriving[visit] -= declared
                if not self._arriving[visit]:
                    del self._arriving[visit]


def _refuse(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(sentence, status, {"Connection": "close"})


def _declared(scope: Scope) -> int | None:
    """How many bytes the request says that it has."""
    values = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(values[0]) if len(values) == 1 and values[0].isdigit() else None


def _waiting() -> Mapping[str, int]:
    """How many bytes Streamlit keeps of each visit's files."""
    if not streamlit.runtime.exists():
        return {}
    manager: Any = streamlit.runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)
    with manager._lock:
        return {visit: sum(len(file.data) for file in files.values()) for visit, files in manager.file_storage.items()}
