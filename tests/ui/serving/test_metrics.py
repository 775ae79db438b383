"""/metrics: who may read it, and what it exports."""

import time

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Route

from crosspool.ui.runtime import server as server_module
from crosspool.ui.runtime.quota import ImageHash, ImageOwner
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.serving.operator import ServerMetrics
from tests import loops

KEY = "a key of some length"
RESULTS = CacheKind[ImageHash, bytes]("of the test", len, lambda key: key)


@pytest.fixture(autouse=True)
def server(monkeypatch):
    monkeypatch.setattr(server_module, "WRONG_KEY_SECONDS", 0.0)
    with use_server(Server(ServerSettings(operator_key=KEY))) as server:
        yield server


def get(server, authorization=None):
    """The status, the headers and the text of an answer."""
    app = Starlette(routes=[Route("/metrics", ServerMetrics(server).respond)])
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": headers, "query_string": b""}
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    loops.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


def samples(server):
    """All numbers that are exported, by name and label."""
    _, _, text = get(server, f"Bearer {KEY}")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("authorization", [None, "", KEY, f"Basic {KEY}", "Bearer", "Bearer wrong", f"Bearer {KEY}x"])
def test_without_the_key_there_is_nothing_to_read(server, authorization):
    status, headers, text = get(server, authorization)
    assert (status, headers[b"www-authenticate"], text) == (401, b"Bearer", "")


def test_without_a_key_there_is_no_such_page():
    with use_server(Server(ServerSettings())) as server:
        assert get(server, "Bearer ")[0] == get(server)[0] == 404


def test_the_key_opens_it_and_is_not_in_it(server):
    status, headers, text = get(server, f"Bearer {KEY}")
    assert status == 200
    assert headers[b"content-type"].startswith(b"text/plain")
    assert KEY not in text


def test_it_exports_the_numbers_of_the_operators_page(server):
    server.log.record("computed", ms=1500)
    server.log.record("computed", ms=500)
    server.cache.put(RESULTS, ImageHash("a"), b"12345", time.monotonic())
    server.cache.get(RESULTS, ImageHash("a"))
    lease = server.quota.lease(ImageOwner(), [ImageHash("a")], 1000)
    reservation = server.classifier_memory.reserve(2000)
    with server.compute.turn():
        exported = samples(server)
    expected = {
        ("crosspool_events_total", "computed"): 2,
        ("crosspool_event_seconds_total", "computed"): 2,
        ("crosspool_queue_running", "maps and features"): 1,
        ("crosspool_queue_waiting", "trainings"): 0,
        ("crosspool_cache_bytes", "of the test"): 5,
        ("crosspool_cache_hits_total", "of the test"): 1,
        ("crosspool_networks",): 0,
        ("crosspool_decoders",): 0,
        ("crosspool_decoded_images_total", "decoded"): 0,
        ("crosspool_visitor_images",): 1,
        ("crosspool_visitor_image_bytes",): 1000,
        ("crosspool_classifier_bytes",): 2000,
    }
    assert exported.items() >= expected.items()
    assert exported["crosspool_memory_bytes",] > 2**20
    del lease, reservation


def test_nothing_is_in_the_librarys_global_registry(server):
    get(server, f"Bearer {KEY}")
    assert not [metric.name for metric in REGISTRY.collect() if metric.name.startswith("crosspool")]
