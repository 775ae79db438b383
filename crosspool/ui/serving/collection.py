"""The picture of the collection on a plane, which everybody who may open its page may see."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from crosspool.ui.runtime.server import current_server

HEADERS = {"Cache-Control": "private, immutable, max-age=31536000", "X-Content-Type-Options": "nosniff"}


async def answer_mosaic(request: Request) -> Response:
    """The picture; one of another collection, whose address a browser may have kept, is not there."""
    served = current_server().collection
    ready = None if served is None else served.ready
    if ready is None or ready.plane is None or ready.digest != request.path_params["digest"]:
        return PlainTextResponse("There is no such picture.", 404)
    return Response(ready.plane.mosaic, headers=HEADERS, media_type="image/webp")
