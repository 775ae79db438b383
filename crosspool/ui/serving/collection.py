"""The small pictures of the collection, which everybody who may open its page may see."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from crosspool.ui.runtime.server import current_server

HEADERS = {"Cache-Control": "private, immutable, max-age=31536000", "X-Content-Type-Options": "nosniff"}
LONGEST_NUMBER = 9  # digits


async def answer_thumbnail(request: Request) -> Response:
    """An image's small picture; `place` is the text in the address, which may be anything."""
    return await run_in_threadpool(_answer, request.path_params["digest"], request.path_params["place"])


async def answer_mosaic(request: Request) -> Response:
    """The picture of the plane."""
    return await run_in_threadpool(_answer, request.path_params["digest"], None)


def _answer(digest: str, place: str | None) -> Response:
    body = _picture(digest, place)
    if not body:
        return PlainTextResponse("There is no such picture.", 404)
    return Response(body, headers=HEADERS, media_type="image/jpeg")


def _picture(digest: str, place: str | None) -> bytes:
    served = current_server().collection
    ready = served and served.ready
    if not ready or digest != ready.digest:  # an address of another collection, which a browser may have kept
        return b""
    if place is None:
        return ready.plane.mosaic if ready.plane is not None else b""
    if not (place.isascii() and place.isdigit() and len(place) <= LONGEST_NUMBER):
        return b""
    return ready.collection.thumbnail(int(place)) if int(place) < len(ready.collection.is_read) else b""
