"""The sprites that come with crosspool, by rows of tiles; an address names the content, so that browsers keep it."""

import io
from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from crosspool.sprites import included_sprite

HEADERS = {"Cache-Control": "public, immutable, max-age=31536000", "X-Content-Type-Options": "nosniff"}
QUALITY = 88  # of WebP: the tiles have been through it once already
KEPT_ROWS = 64


async def answer_sprite(request: Request) -> Response:
    """A row of tiles; the digest in the address is for caches."""
    names = request.path_params
    body = await run_in_threadpool(_row, names["backbone"], names["pair"], names["row"])
    if body is None:
        return PlainTextResponse("There is no such sprite.", 404)
    return Response(body, headers=HEADERS, media_type="image/webp")


@lru_cache(KEPT_ROWS)
def _row(backbone: str, pair: str, name: str) -> bytes | None:
    """A row of tiles as a file; `name` is the text in the address, which may be anything."""
    sprite = included_sprite(backbone, pair)
    if sprite is None:
        return None
    tops = {str(row): top for row, top in enumerate(range(0, sprite.image.height, sprite.tile))}
    if name not in tops:
        return None
    tiles = sprite.image.crop((0, tops[name], sprite.image.width, tops[name] + sprite.tile))
    file = io.BytesIO()
    tiles.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()
