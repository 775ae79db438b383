"""The operator's page: who gets in, and what it tells."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from crosspool.ui.runtime import shared_cache as kept
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.maps import backbone_of
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.shared_cache import Kept
from crosspool.ui.serving import operator
from crosspool.ui.serving.operator import cache, in_force, is_key, memory_now, queue

KEY = "a key of some length"
results: Kept[tuple[str, str], int] = Kept("of the operator's test", lambda value: 1, lambda key: key[0])


@pytest.fixture(autouse=True)
def with_key(monkeypatch):
    monkeypatch.setattr(operator, "settings", lambda: ServerSettings(operator_key=KEY))
    monkeypatch.setattr(operator, "WRONG_KEY_SECONDS", 0.2)


def page():
    from crosspool.ui.serving.operator import operator_page

    operator_page()


def shown(app):
    assert not app.exception
    return [title.value for title in app.subheader]


def test_only_the_key_opens_the_page_and_is_shown_nowhere():
    app = AppTest.from_function(page, default_timeout=60).run()
    assert shown(app) == []
    app.text_input[0].input("a wrong key, as long")
    app.button[0].click().run()
    assert shown(app) == []
    assert [error.value for error in app.error] == ["This is not the key that CROSSPOOL_OPERATOR_KEY has; try again."]
    app.text_input[0].input(KEY)
    app.button[0].click().run()
    assert shown(app) == ["Queues", "Caches", "What happened since the start", "Settings in force"]
    tables = [table.value.to_csv() for table in app.dataframe]
    assert not any(KEY in table for table in tables)
    assert "operator_key,hidden" in tables[-2]
    network, key = backbone_of("efficientnet_lite0", ""), ("a picture", "a setting")
    results.put(key, 1, time.monotonic())
    app.button[0].click().run()
    assert shown(app)[0] == "Queues"
    assert results.get(key) is None
    assert backbone_of("efficientnet_lite0", "") is not network


def test_a_wrong_key_takes_time(monkeypatch):
    start = time.monotonic()
    assert not is_key("wrong")
    assert time.monotonic() - start >= 0.2
    assert is_key(KEY)
    monkeypatch.setattr(operator, "settings", ServerSettings)
    assert not is_key("")  # where there is no key, none opens


def test_a_queue_says_who_runs_and_who_waits():
    gate = FairSemaphore(2)
    with gate.turn(), gate.turn():
        row = queue("maps", gate)
    assert (row["at a time"], row["running"], row["waiting"]) == (2, 2, 0)


def test_a_cache_says_how_often_what_was_asked_for_was_there():
    row = cache(kept.Usage("maps", entries=2, nbytes=3 * 2**20, hits=3, misses=1))
    assert row == {"cache": "maps", "entries": 2, "MB": 3.0, "asked for": 4, "there, %": 75.0}
    assert cache(kept.Usage("maps", 0, 0, 0, 0))["there, %"] == 0.0


def test_settings_are_told_without_the_key():
    rows = {row["setting"]: row["value"] for row in in_force(ServerSettings(operator_key=KEY, networks=3))}
    assert rows["networks"] == "3"
    assert rows["operator_key"] == "hidden"


def test_memory_is_that_of_this_process_within_that_of_the_machine():
    memory = memory_now()
    assert 0 < memory.server < memory.limit
    assert 0 < memory.used <= memory.limit
