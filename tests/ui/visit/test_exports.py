"""Files behind download buttons: in turn, a few at a time for a visit, and none for those who have left."""

import threading
from types import SimpleNamespace

import pytest
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.gate import BusyError
from crosspool.ui.runtime.quota import Budget
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit import exports
from crosspool.ui.visit.exports import MOST_AT_ONCE, LeftError, drawn_in_turn, made_in_turn, release_files


@pytest.fixture
def server():
    with use_server(Server(ServerSettings(at_once=1, wait_seconds=60))) as server:
        yield server


def test_a_file_is_drawn_in_a_turn(server):
    file = drawn_in_turn(lambda: b"%d running" % server.compute.running, "file.txt", "text/plain")
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

    threads = [threading.Thread(target=made_in_turn(make, "file.txt", "text/plain")) for _ in range(MOST_AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=60)
    one_more = made_in_turn(make, "file.txt", "text/plain")  # of another button, or another run
    with pytest.raises(BusyError, match="of your files are being made already; wait for one"):
        one_more()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert one_more() == b"file"


def test_files_take_room_until_the_page_runs_again(server, state, monkeypatch):
    account = Account()
    monkeypatch.setattr(exports, "visitor", lambda: account)
    monkeypatch.setattr(server, "files", Budget("files", 100, 60))
    file = made_in_turn(lambda on_progress: "é" * 25, "file.txt", "text/plain")
    assert len(file()) == account.reserved["files"] == server.files.reserved == 50
    with pytest.raises(BusyError, match="no room for more files now; choose something on the page"):
        file()
    release_files()
    assert server.files.reserved == 0
    assert file() == ("é" * 25).encode()


def test_a_file_stays_while_other_pages_run(server, state, monkeypatch):
    class Here:
        media_file_mgr = MediaFileManager(MemoryMediaFileStorage("/media"))

        def is_active_session(self, session):
            return True

    manager, context = Here.media_file_mgr, SimpleNamespace(session_id="a session")
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", Here)
    monkeypatch.setattr(exports, "get_script_run_ctx", lambda: context)
    file = drawn_in_turn(lambda: b"all of it", "a.txt", "text/plain")
    url = manager.execute_deferred(manager.add_deferred(file, "text/plain", "its button", "a.txt"))
    for _ in range(3):
        manager.remove_orphaned_files()
    name = url.rpartition("/")[2].partition(".")[0]
    held = manager.read_file(name)
    assert held is not None
    assert held.content == b"all of it"
    manager.clear_session_refs("a session")  # its page runs again
    for _ in range(2):
        manager.remove_orphaned_files()
    assert manager.read_file(name) is None


def test_nothing_is_drawn_for_those_who_have_left(server, monkeypatch):
    class Closed:
        def is_active_session(self, session):
            return False

    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", Closed)

    def draw():
        raise AssertionError("drawn")

    file = drawn_in_turn(draw, "file.txt", "text/plain")
    for _ in range(MOST_AT_ONCE + 1):  # and its place is free again
        with pytest.raises(LeftError):
            file()
    assert server.compute.running == 0
