"""The operator's page and /metrics: who gets in, and what they show."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Route
from streamlit.testing.v1 import AppTest

from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import OperatorKey, Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.shared_cache import CacheKind, CacheUsage
from crosspool.ui.serving import operator
from crosspool.ui.serving.operator import (
    ServerMetrics,
    account_row,
    cache_row,
    limit_row,
    limits,
    queue_row,
    settings_rows,
)
from tests import loops

KEY = "a key of some length"
RESULTS = CacheKind[tuple[ImageHash, str], int]("of the operator's test", lambda value: 1, lambda key: key[0])


@pytest.fixture(autouse=True)
def server(monkeypatch):
    monkeypatch.setattr(operator, "WRONG_KEY_SECONDS", 0.2)
    with use_server(Server(ServerSettings(operator_key=KEY))) as server:
        yield server


def page():
    from crosspool.ui.serving.operator import operator_page

    operator_page()


def headings(app):
    assert not app.exception
    return [title.value for title in app.subheader]


def test_only_the_key_opens_the_page_and_is_shown_nowhere(server):
    app = AppTest.from_function(page, default_timeout=60).run()
    assert headings(app) == []
    app.text_input[0].input("a wrong key, as long")
    app.button[0].click().run()
    assert headings(app) == []
    assert [error.value for error in app.error] == ["This is not the key in CROSSPOOL_OPERATOR_KEY; try again."]
    app.text_input[0].input(KEY)
    app.button[0].click().run()
    assert headings(app) == [
        "Queues", "Limits", "Visitors who take most", "Caches", "What happened since the start", "Settings in force",
    ]  # fmt: skip
    tables = [table.value.to_csv() for table in app.dataframe]
    assert not any(KEY in table for table in tables)
    assert "operator_key,hidden" in tables[-2]
    network, key = server.networks.backbone("efficientnet_lite0", ""), (ImageHash("an image"), "a setting")
    server.cache.put(RESULTS, key, 1, time.monotonic())
    app.button[0].click().run()
    assert headings(app)[0] == "Queues"
    assert server.cache.get(RESULTS, key) is None
    assert server.networks.backbone("efficientnet_lite0", "") is not network


def test_a_key_is_compared_at_once(server):
    assert not server.operator_key.matches("wrong")
    assert not server.operator_key.matches("\udcff")
    assert server.operator_key.matches(KEY)
    assert server.log.counts()["wrong_key"].times == 2


def test_without_a_key_nothing_opens_the_page(server):
    assert not OperatorKey("", server.log)
    assert not OperatorKey("", server.log).matches("")


def test_the_row_of_a_queue():
    semaphore = FairSemaphore(2)
    with semaphore.turn(), semaphore.turn():
        row = queue_row("maps", semaphore)
    assert (row["at a time"], row["running"], row["waiting"]) == (2, 2, 0)


def test_the_rows_of_limits_and_visitors(server):
    visitor = server.accounts.of("a browser")
    visitor.charge(3.0, time.monotonic())
    visitor.nbytes = 3 * 2**20
    visitor.reserved["disk"] = 2**20
    row = account_row(visitor)
    assert (row["s in all"], row["MB of images"], row["MB of disk"]) == (3.0, 3.0, 1.0)
    assert "a browser" not in str(row)
    assert limit_row("pages", limits(server)["pages"]) == {"limit": "pages", "now": "0", "at most": "400", "refused": 0}


def test_the_row_of_a_cache():
    row = cache_row(CacheUsage("maps", entries=2, nbytes=3 * 2**20, hits=3, misses=1))
    assert row == {"cache": "maps", "entries": 2, "MB": 3.0, "asked for": 4, "there, %": 75.0}
    assert cache_row(CacheUsage("maps", 0, 0, 0, 0))["there, %"] == 0.0


def test_settings_are_shown_without_the_key():
    rows = {row["setting"]: row["value"] for row in settings_rows(ServerSettings(operator_key=KEY, networks=3))}
    assert rows["networks"] == "3"
    assert rows["operator_key"] == "hidden"


# --- /metrics


def get(server, authorization=None):
    """The status, the headers and the text of the answer to a request for the metrics."""
    return loops.run(ask(server, authorization))


async def ask(server, authorization):
    app = Starlette(routes=[Route("/metrics", ServerMetrics(server).respond)])
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": headers, "query_string": b""}
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
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
def test_metrics_cannot_be_read_without_the_key(server, authorization):
    status, headers, text = get(server, authorization)
    assert (status, headers[b"www-authenticate"], text) == (401, b"Bearer", "")


def test_without_a_key_there_are_no_metrics():
    with use_server(Server(ServerSettings())) as server:
        assert get(server, "Bearer ")[0] == get(server)[0] == 404


def test_the_key_opens_the_metrics_and_is_not_in_them(server):
    status, headers, text = get(server, f"Bearer {KEY}")
    assert status == 200
    assert headers[b"content-type"].startswith(b"text/plain")
    assert KEY not in text


def test_the_metrics_are_the_numbers_of_the_operators_page(server):
    server.log.record("computed", ms=1500)
    server.log.record("computed", ms=500)
    key = (ImageHash("a"), "a setting")
    server.cache.put(RESULTS, key, 1, time.monotonic())
    server.cache.get(RESULTS, key)
    visitor = server.accounts.of("a browser")
    visitor.charge(7.0, time.monotonic())
    lease = server.quota.lease(visitor, [ImageHash("a")], 1000)
    reservation = server.classifier_memory.reserve(2000, visitor)
    assert server.classifier_memory.reserve(2**40, visitor) is None
    with server.compute.turn(), server.open_pages.opened("a browser"):
        exported = samples(server)
    expected = {
        ("crosspool_events_total", "computed"): 2,
        ("crosspool_event_seconds_total", "computed"): 2,
        ("crosspool_queue_running", "maps and features"): 1,
        ("crosspool_queue_waiting", "trainings"): 0,
        ("crosspool_cache_bytes", RESULTS.name): 1,
        ("crosspool_cache_hits_total", RESULTS.name): 1,
        ("crosspool_networks",): 0,
        ("crosspool_decoders",): 0,
        ("crosspool_decoded_images_total", "decoded"): 0,
        ("crosspool_visitor_images",): 1,
        ("crosspool_visitor_image_bytes",): 1000,
        ("crosspool_classifier_bytes",): 2000,
        ("crosspool_limit_used", "bytes of classifiers"): 2000,
        ("crosspool_limit", "bytes of classifiers"): 768 * 2**20,
        ("crosspool_refusals_total", "bytes of classifiers"): 1,
        ("crosspool_limit_used", "pages"): 1,
        ("crosspool_limit", "trainings"): 62,
        ("crosspool_refusals_total", "waiting to compute"): 0,
        ("crosspool_visitor_bytes", "1"): 3000,
    }
    assert exported.items() >= expected.items()
    assert exported["crosspool_memory_bytes",] > 2**20
    assert 0 < exported["crosspool_visitor_seconds", "1"] <= 7  # it counts less as time goes by
    del lease, reservation


def test_wrong_keys_are_delayed_and_the_right_one_is_not(server, monkeypatch):
    monkeypatch.setattr(operator, "WRONG_KEY_SECONDS", 3600)

    async def requests():
        wrong = [asyncio.create_task(ask(server, "Bearer wrong")) for _ in range(50)]
        status, _, _ = await ask(server, f"Bearer {KEY}")
        assert not any(task.done() for task in wrong)
        for task in wrong:
            task.cancel()
        return status

    assert loops.run(requests()) == 200


def test_the_metrics_are_not_in_the_librarys_global_registry(server):
    get(server, f"Bearer {KEY}")
    assert not [metric.name for metric in REGISTRY.collect() if metric.name.startswith("crosspool")]
