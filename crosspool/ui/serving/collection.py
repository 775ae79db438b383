"""The small pictures of the collection, which everybody who may open its page may see."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from crosspool.ui.runtime.collection import ArrangedStore
from crosspool.ui.runtime.server import current_server

HEADERS = {"Cache-Control": "private, immutable, max-age=31536000", "X-Content-Type-Options": "nosniff"}
LONGEST_NUMBER = 9  # digits


async def answer_thumbnail(request: Request) -> Response:
    """An image's small picture; `place` is the text in the address, which may be anything."""
    names = request.path_params
    body = await run_in_threadpool(_thumbnail, names["digest"], names["place"])
    return _answer(body, "image/jpeg")


async def answer_mosaic(request: Request) -> Response:
    """The picture of the plane."""
    ready = _collection(request.path_params["digest"])
    return _answer(ready.plane.mosaic if ready is not None and ready.plane is not None else b"", "image/webp")


def _answer(body: bytes, media_type: str) -> Response:
    if not body:
        return PlainTextResponse("There is no such picture.", 404)
    return Response(body, headers=HEADERS, media_type=media_type)


def _collection(digest: str) -> ArrangedStore | None:
    """The collection with this digest; a browser may have kept an address of another one."""
    served = current_server().collection
    ready = None if served is None else served.ready
    return ready if ready is not None and ready.digest == digest else None


def _thumbnail(digest: str, place: str) -> bytes:
    ready = _collection(digest)
    if ready is None or not (place.isascii() and place.isdigit() and len(place) <= LONGEST_NUMBER):
        return b""
    return ready.collection.thumbnail(int(place)) if int(place) < len(ready.collection.is_read) else b""
