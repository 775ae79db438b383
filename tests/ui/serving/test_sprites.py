"""The sprites' route: what comes with crosspool, to be kept for long, and nothing else of the machine."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request
from starlette.routing import Match, Route

from crosspool.sprites import included_sprite
from crosspool.ui.runtime.sprite_address import SPRITE_ROUTE, sprite_for_browser
from crosspool.ui.serving.sprites import answer_sprite
from tests.loops import run


def answer(backbone, pair, row):
    names = {"digest": "0", "backbone": backbone, "pair": pair, "row": row}
    return run(answer_sprite(Request({"type": "http", "method": "GET", "headers": [], "path_params": names})))


def test_a_row_has_the_tiles_of_the_sprite():
    response = answer("efficientnet_lite0", "conv_head", "22")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/webp")
    assert "immutable" in response.headers["cache-control"]
    sprite = included_sprite("efficientnet_lite0", "conv_head")
    assert sprite is not None
    with Image.open(io.BytesIO(response.body)) as row:
        tile = row.convert("RGB").crop((19 * 64, 0, 20 * 64, 64))
    difference = np.abs(np.asarray(tile, np.float32) - np.asarray(sprite.image_of(22 * 40 + 19), np.float32))
    assert difference.mean() < 8  # of 255


def test_the_gallery_gets_the_address_of_the_rows_and_none_for_other_weights():
    sprite = sprite_for_browser("efficientnet_lite0", "conv_head", "pretrained")
    assert sprite is not None
    assert re.fullmatch(r"/sprites/[0-9a-f]{12}/efficientnet_lite0/conv_head/", sprite["url"])
    assert sprite_for_browser("efficientnet_lite0", "conv_head", "untrained") is None


@pytest.mark.parametrize(
    ("backbone", "pair", "row"),
    [
        ("efficientnet_lite0", "conv_head", "32"),
        ("efficientnet_lite0", "conv_head", "-1"),
        ("efficientnet_lite0", "conv_head", "9" * 5000),
        ("alexnet", "features.10", "0"),
        ("..", "..", "0"),
        ("x" * 300, "conv_head", "0"),
        ("\0", "conv_head", "0"),
    ],
)
def test_nothing_else_is_served(backbone, pair, row):
    address = f"/sprites/0/{backbone}/{pair}/{row}.webp"
    match, child_scope = Route(SPRITE_ROUTE, answer_sprite).matches({"type": "http", "method": "GET", "path": address})
    assert match == Match.FULL
    assert answer(backbone, pair, child_scope["path_params"]["row"]).status_code == 404
