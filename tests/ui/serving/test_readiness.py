"""Readiness says what is the matter, by name."""

import threading
import time

import pytest

from crosspool.errors import ImageError
from crosspool.ui.runtime import decoder_pool as decoding
from crosspool.ui.runtime import maps as compute
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.serving import readiness
from crosspool.ui.serving.readiness import Check, warm_up


@pytest.fixture(autouse=True)
def new_server(monkeypatch, tmp_path):
    """Nothing loaded, nobody waits, an empty cache."""
    monkeypatch.setattr(readiness, "_warm", threading.Event())
    monkeypatch.setattr(compute, "gate", FairSemaphore(1))
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path / "cache"))
    readiness.readiness.cache_clear()
    readiness._decoder.cache_clear()


def test_a_server_is_ready_when_the_first_network_has_run(monkeypatch):
    monkeypatch.setitem(readiness.CHECKS, "decoder", lambda: Check(True, "decodes pictures"))
    answer = readiness.readiness()
    assert not answer["ready"]
    assert {name for name, check in answer["checks"].items() if not check["ok"]} == {"network"}
    warm_up()
    readiness.readiness.cache_clear()
    assert readiness.readiness()["ready"]


def test_a_cache_that_cannot_be_written_is_told_without_its_path(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path / "file"))
    check = readiness._cache()
    assert not check.ok
    assert str(tmp_path) not in check.why


def test_a_decoder_that_fails_is_told(monkeypatch):
    def keep(*args):
        raise ImageError("The server cannot decode pictures at present; try again in a minute.")

    monkeypatch.setattr(decoding.workers, "keep", keep)
    assert readiness._decoder() == Check(False, "The server cannot decode pictures at present; try again in a minute.")


def test_a_queue_is_too_long_when_somebody_waited_lately_for_half_of_what_one_may(monkeypatch):
    monkeypatch.setattr(readiness, "settings", lambda: ServerSettings(wait_seconds=1))
    readiness._warm.set()
    assert readiness._queue().ok
    gate = compute.gate
    gate._waits.append(0.6)
    assert readiness._queue().ok  # nobody waits any more
    with gate.turn():
        waiting = threading.Thread(target=wait_for_a_turn, args=(gate,))
        waiting.start()
        while not gate.waiting:
            time.sleep(0.01)
        check = readiness._queue()
    waiting.join()
    assert check == Check(False, "1 wait, lately for up to 0.6 of 1 seconds")


def wait_for_a_turn(gate):
    with gate.turn():
        pass
