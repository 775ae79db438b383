"""Files behind download buttons: in turn, a few at a time for a visit, and none for those who have left."""

import threading

import pytest
from streamlit import runtime

from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.gate import BusyError
from crosspool.ui.runtime.quota import HeldFiles
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit import exports
from crosspool.ui.visit.exports import MOST_AT_ONCE, LeftError, drawn_in_turn, made_in_turn


@pytest.fixture
def server():
    with use_server(Server(ServerSettings(at_once=1, wait_seconds=60))) as server:
        yield server


def test_a_file_is_drawn_in_a_turn(server):
    file = drawn_in_turn(lambda: b"%d running" % server.compute.running)
    assert file() == b"1 running"
    assert server.compute.running == 0


@pytest.fixture
def state(monkeypatch):
    state = exports.ExportState()
    monkeypatch.setattr(exports, "visit_state", lambda part: state)
    return state


def test_a_few_files_at_a_time(server, state):
    begun, go_on = threading.Semaphore(0), threading.Event()

    def make(on_progress):
        begun.release()
        go_on.wait(60)
        return b"file"

    threads = [threading.Thread(target=made_in_turn(make)) for _ in range(MOST_AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=60)
    one_more = made_in_turn(make)  # of another button, or another run
    with pytest.raises(BusyError, match="of your files are being made already; wait for one"):
        one_more()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert one_more() == b"file"


def test_files_take_room_until_two_more_runs(server, state, monkeypatch):
    account, files = Account(), HeldFiles(100, 60)
    monkeypatch.setattr(exports, "visitor", lambda: account)
    monkeypatch.setattr(server, "held_files", files)
    file = made_in_turn(lambda on_progress: bytes(50))
    assert len(file()) == account.reserved["files"] == files.budget.reserved == 50
    files.age()
    with pytest.raises(BusyError, match="no room for more files now; choose something on the page"):
        file()
    files.age()
    assert files.budget.reserved == 0
    assert len(file()) == 50


def test_nothing_is_drawn_for_those_who_have_left(server, monkeypatch):
    class Closed:
        def is_active_session(self, session):
            return False

    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", Closed)

    def draw():
        raise AssertionError("drawn")

    file = drawn_in_turn(draw)
    for _ in range(MOST_AT_ONCE + 1):  # and its place is free again
        with pytest.raises(LeftError):
            file()
    assert server.compute.running == 0
