"""The sprites' route: what comes with crosspool, to be kept for long, and nothing else of the machine."""

import asyncio

import pytest
from starlette.requests import Request

from crosspool.ui.runtime.sprite_address import sprite_for_browser
from crosspool.ui.serving.sprites import answer_sprite


def answer(name):
    scope = {"type": "http", "method": "GET", "headers": [], "path_params": {"digest": "0", "name": name}}
    return asyncio.run(answer_sprite(Request(scope)))


def test_the_address_that_the_gallery_gets_leads_to_the_sprite():
    sprite = sprite_for_browser("efficientnet_lite0", "conv_head", "pretrained")
    assert sprite is not None
    response = answer(sprite["url"].rpartition("/")[2])
    assert (response.status_code, response.headers["content-type"]) == (200, "image/webp")
    assert "immutable" in response.headers["cache-control"]


def test_other_weights_have_none():
    assert sprite_for_browser("efficientnet_lite0", "conv_head", "untrained") is None


@pytest.mark.parametrize("name", ["nothing.webp", "efficientnet_lite0-conv_head.json", "../gallery.js"])
def test_nothing_else_is_served(name):
    assert answer(name).status_code == 404
