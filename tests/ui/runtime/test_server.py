"""One explicit server: two in a process share nothing, and pages are served by the one that was chosen."""

import ast
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from crosspool.ui.runtime import server as module
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import Server, current_server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.state import VisitState

UI = Path(__file__).resolve().parents[3] / "crosspool" / "ui"
RESULTS = CacheKind[ImageHash, bytes]("of the test", len, lambda key: key)
IMAGE = ImageHash("a")


def test_two_servers_in_one_process_share_nothing():
    with (
        use_server(Server(ServerSettings(at_once=1))) as first,
        use_server(Server(ServerSettings(networks=3))) as second,
    ):
        first.log.record("computed")
        first.cache.put(RESULTS, IMAGE, b"one", time.monotonic())
        lease = first.quota.lease(Account(), [IMAGE], 1000)
        reservation = first.classifier_memory.reserve(1000, Account())
        first.networks.backbone("squeezenet1_1", "untrained")
        first.visits.note("a session", "a browser", VisitState())
        with first.compute.turn(), first.trainings.turn(), first.decoders.semaphore.turn():
            assert (second.compute.running, second.trainings.running, second.decoders.semaphore.running) == (0, 0, 0)
        assert second.log.counts() == {}
        assert second.cache.get(RESULTS, IMAGE) is None
        assert (second.quota.nbytes, second.classifier_memory.reserved, len(second.networks)) == (0, 0, 0)
        assert second.visits.take_up("2", "a browser") is None
        assert first.log.session_name("a session") != second.log.session_name("a session")
        parts = [{id(part) for part in vars(each).values() if part is not None} for each in (first, second)]
        assert not parts[0] & parts[1]
        del lease, reservation


def test_what_is_forgotten_in_one_server_stays_in_another():
    with use_server(Server(ServerSettings())) as first, use_server(Server(ServerSettings())) as second:
        for server in (first, second):
            server.cache.put(RESULTS, IMAGE, b"value", time.monotonic())
        lease = first.quota.lease(Account(), [IMAGE], 1)
        del lease
        first.quota.release_dropped()
        assert first.cache.get(RESULTS, IMAGE) is None
        assert second.cache.get(RESULTS, IMAGE) == b"value"


def test_pages_are_served_by_the_innermost_server(server):
    assert current_server() is server
    with use_server(Server(ServerSettings())) as inner:
        assert current_server() is inner
    assert current_server() is server


def test_without_a_server_the_error_says_how_to_begin(monkeypatch):
    monkeypatch.setattr(module, "_current", None)
    with pytest.raises(RuntimeError, match="use_server"):
        current_server()


def test_a_closed_server_leaves_no_thread():
    before = set(threading.enumerate())
    with use_server(Server(ServerSettings())) as server:
        server.start()
        lease = server.quota.lease(Account(), [IMAGE], 1)
        began = set(threading.enumerate()) - before
        assert {thread.name for thread in began} == {"housekeeping", "quota"}
    for thread in began:
        thread.join(20)
        assert not thread.is_alive()
    del lease


def test_importing_the_app_reads_no_settings():
    modules = [
        ".".join(("crosspool.ui", *path.relative_to(UI).with_suffix("").parts))
        for path in sorted(UI.rglob("*.py"))
        if path.name != "__init__.py"
    ]
    code = f"import {', '.join(modules)}"
    environment = {"CROSSPOOL_WAIT_SECONDS": "wrong", "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)


def test_no_module_holds_state():
    """Importing a module makes only constants in capitals, loggers and components, no locks or collections."""
    states = [
        f"{path.relative_to(UI)}: {ast.unparse(node)}"
        for path in sorted(UI.rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Call | ast.Dict | ast.List | ast.Set | ast.DictComp)
        and not ast.unparse(node.value).startswith(("TypeVar(", "NewType(", "component("))
        and not all(is_constant(target) for target in (node.targets if isinstance(node, ast.Assign) else [node.target]))
    ]
    assert states == []


def is_constant(target):
    name = ast.unparse(target)
    return name.strip("_").isupper() or name in ("logger", "_logger", "__all__")
