"""Readiness says by name what is wrong."""

import threading
import time

import pytest

from crosspool.backbones import DEFAULT, Backbone, architecture
from crosspool.errors import ImageError
from crosspool.ui.runtime.networks import Networks
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.serving.readiness import Readiness, ReadinessCheck

DECODER_FAILS = "The server cannot decode images at the moment; try again in a minute."


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Nothing loaded, nobody waits, an empty cache."""
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path / "cache"))
    with use_server(Server(ServerSettings(at_once=1, wait_seconds=1))) as server:
        yield server


@pytest.fixture
def readiness(server):
    return Readiness(server)


def test_a_server_is_ready_when_the_first_network_has_run(readiness):
    answer = readiness.answer()
    assert not answer["ready"]
    assert {name for name, check in answer["checks"].items() if not check["ok"]} == {"network"}
    readiness.warm_up()
    readiness._recent.clear()
    assert readiness.answer()["ready"]


def test_after_the_first_run_the_faster_engine_is_looked_for(readiness, monkeypatch):
    prepared = []
    monkeypatch.setattr(Backbone, "prepare", lambda backbone, *part: prepared.append(part))
    readiness.warm_up()
    pair = architecture(DEFAULT).default_pair
    assert prepared == [((pair.lower, pair.upper), 224)]


def test_what_every_visit_imports_is_imported_before_the_first(readiness, monkeypatch):
    listed: list[Networks] = []
    monkeypatch.setattr(Networks, "specs", property(listed.append))
    readiness.warm_up()
    assert listed == [readiness._server.networks]


def test_an_answer_is_repeated_for_a_while(readiness, server):
    assert readiness.answer() is readiness.answer()
    assert server.log.counts()["not_ready"].times == 1


def test_a_cache_that_cannot_be_written_is_reported_without_its_path(readiness, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path / "file"))
    check = readiness.check_cache()
    assert not check.ok
    assert str(tmp_path) not in check.why


def test_a_decoder_that_fails_is_reported(readiness, server, monkeypatch):
    def fails(*args):
        raise ImageError(DECODER_FAILS)

    monkeypatch.setattr(server.decoders, "store", fails)
    assert readiness.check_decoder() == ReadinessCheck(False, DECODER_FAILS)


def test_a_queue_is_too_long_after_a_recent_wait_of_half_the_limit(readiness, server):
    assert readiness.check_queue().ok
    server.compute._waits.append(0.6)
    assert readiness.check_queue().ok  # nobody waits any more
    with server.compute.turn():
        waiting = threading.Thread(target=wait_for_a_turn, args=(server.compute,))
        waiting.start()
        while not server.compute.waiting:
            time.sleep(0.01)
        check = readiness.check_queue()
    waiting.join()
    assert check == ReadinessCheck(False, "1 wait, lately for up to 0.6 of 1 seconds")


def wait_for_a_turn(semaphore):
    with semaphore.turn():
        pass
