"""The route of the collection: its mosaic, to be kept for long, and nothing else."""

import io
from types import SimpleNamespace

import pytest
from PIL import Image
from starlette.requests import Request

from crosspool.ui.serving.collection import answer_mosaic
from tests.loops import run


def answer(digest):
    return run(
        answer_mosaic(Request({"type": "http", "method": "GET", "headers": [], "path_params": {"digest": digest}}))
    )


@pytest.fixture
def served(module_server, ready, monkeypatch):
    monkeypatch.setattr(module_server, "collection", SimpleNamespace(ready=ready))
    return module_server


def test_the_mosaic_is_served_by_its_digest(served, ready):
    response = answer(ready.digest)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/webp")
    assert "immutable" in response.headers["cache-control"]
    assert ready.mosaic_address == f"/collection/{ready.digest}/mosaic.webp"
    with Image.open(io.BytesIO(response.body)) as mosaic:
        assert mosaic.size == (1280, 768)


@pytest.mark.parametrize("digest", ["", "0" * 12, "..", "x" * 500])
def test_nothing_else_is_served(served, digest):
    assert answer(digest).status_code == 404


def test_a_server_without_a_collection_serves_none(module_server, ready, monkeypatch):
    assert answer(ready.digest).status_code == 404
    monkeypatch.setattr(module_server, "collection", SimpleNamespace(ready=None))
    assert answer(ready.digest).status_code == 404
