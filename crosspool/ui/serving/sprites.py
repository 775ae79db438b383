"""The sprites that come with crosspool, for browsers to keep: the address names the content."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from crosspool.sprites import INCLUDED
from crosspool.ui.runtime.sprite_address import SPRITE_ROUTE

__all__ = ["SPRITE_ROUTE", "answer_sprite"]

HEADERS = {"Cache-Control": "public, immutable, max-age=31536000", "X-Content-Type-Options": "nosniff"}


async def answer_sprite(request: Request) -> Response:
    """The sprite of this name; the hash in its address is for caches."""
    path = INCLUDED / Path(request.path_params["name"]).name
    if path.suffix != ".webp" or not path.is_file():
        return PlainTextResponse("There is no such sprite.", 404)
    return FileResponse(path, headers=HEADERS, media_type="image/webp")
