"""The operator's page: who gets in, and what it shows."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from crosspool.ui.runtime import server as server_module
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import OperatorKey, Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.shared_cache import CacheKind, CacheUsage
from crosspool.ui.serving.operator import cache_row, memory_use, queue_row, settings_rows

KEY = "a key of some length"
RESULTS = CacheKind[tuple[ImageHash, str], int]("of the operator's test", lambda value: 1, lambda key: key[0])


@pytest.fixture(autouse=True)
def server(monkeypatch):
    monkeypatch.setattr(server_module, "WRONG_KEY_SECONDS", 0.2)
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
    assert headings(app) == ["Queues", "Caches", "What happened since the start", "Settings in force"]
    tables = [table.value.to_csv() for table in app.dataframe]
    assert not any(KEY in table for table in tables)
    assert "operator_key,hidden" in tables[-2]
    network, key = server.networks.backbone("efficientnet_lite0", ""), (ImageHash("an image"), "a setting")
    server.cache.put(RESULTS, key, 1, time.monotonic())
    app.button[0].click().run()
    assert headings(app)[0] == "Queues"
    assert server.cache.get(RESULTS, key) is None
    assert server.networks.backbone("efficientnet_lite0", "") is not network


def test_a_wrong_key_takes_time(server):
    start = time.monotonic()
    assert not server.operator_key.matches("wrong")
    assert time.monotonic() - start >= 0.2
    assert server.operator_key.matches(KEY)
    assert server.log.counts()["wrong_key"].times == 1


def test_without_a_key_nothing_opens_the_page(server):
    assert not OperatorKey("", server.log)
    assert not OperatorKey("", server.log).matches("")


def test_the_row_of_a_queue():
    semaphore = FairSemaphore(2)
    with semaphore.turn(), semaphore.turn():
        row = queue_row("maps", semaphore)
    assert (row["at a time"], row["running"], row["waiting"]) == (2, 2, 0)


def test_the_row_of_a_cache():
    row = cache_row(CacheUsage("maps", entries=2, nbytes=3 * 2**20, hits=3, misses=1))
    assert row == {"cache": "maps", "entries": 2, "MB": 3.0, "asked for": 4, "there, %": 75.0}
    assert cache_row(CacheUsage("maps", 0, 0, 0, 0))["there, %"] == 0.0


def test_settings_are_shown_without_the_key():
    rows = {row["setting"]: row["value"] for row in settings_rows(ServerSettings(operator_key=KEY, networks=3))}
    assert rows["networks"] == "3"
    assert rows["operator_key"] == "hidden"


def test_memory_is_that_of_this_process_within_that_of_the_machine():
    memory = memory_use()
    assert 0 < memory.server < memory.limit
    assert 0 < memory.used <= memory.limit
