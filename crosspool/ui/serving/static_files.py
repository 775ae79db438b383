"""Streamlit's scripts and styles, compressed once and for all: it sends them as they are, five times as large."""

import gzip
import mimetypes
import threading
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import file_util

FOLDER = "/static/"
COMPRESSIBLE = (".js", ".css", ".svg", ".json", ".wasm")
LEVEL = 9  # slow, but each file is compressed only once
# The names of these files contain a hash of their content, so a browser need never ask for one again.
HEADERS = {
    "Cache-Control": "public, immutable, max-age=31536000",
    "Content-Encoding": "gzip",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


class StaticFiles:
    """ASGI middleware that answers requests for Streamlit's files where the browser takes gzip."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        folder = Path(file_util.get_static_dir()) / "static"
        files = [path for path in folder.rglob("*") if path.suffix in COMPRESSIBLE]
        self._paths = {FOLDER + path.relative_to(folder).as_posix(): path for path in files}
        self._compressed: dict[str, bytes] = {}
        self._compressing = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = _name(scope)
        if name not in self._paths:
            await self._app(scope, receive, send)
            return
        body = await run_in_threadpool(self._body, name)
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        await Response(body, headers=HEADERS, media_type=media_type)(scope, receive, send)

    def _body(self, name: str) -> bytes:
        if name not in self._compressed:
            with self._compressing:  # so that a class that arrives at once waits for one
                if name not in self._compressed:
                    self._compressed[name] = gzip.compress(self._paths[name].read_bytes(), LEVEL, mtime=0)
        return self._compressed[name]


def _name(scope: Scope) -> str:
    """The name under `FOLDER` of the file that a request asks for, wherever the app is mounted; "" for any other."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return ""
    headers = Headers(scope=scope)
    if "gzip" not in headers.get("accept-encoding", "") or "range" in headers:
        return ""
    path: str = scope["path"]
    _, folder, rest = path.rpartition(FOLDER)
    return folder + rest
