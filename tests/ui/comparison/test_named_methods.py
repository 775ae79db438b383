"""Methods that a visitor names: bounded, and checked once in the queue."""

import pytest

from crosspool.errors import SettingError
from crosspool.methods.building import MethodSpec
from crosspool.ui.comparison.named_methods import named_methods
from crosspool.ui.runtime.gate import ignore_progress
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings

NETWORK = "squeezenet1_1"


@pytest.fixture
def server():
    with use_server(Server(ServerSettings())) as server:
        yield server


@pytest.fixture
def looked_up(monkeypatch, server):
    """The names that were looked up on the network, each with the number of computations that had a turn."""
    calls, on = [], MethodSpec.on

    def counted(self, *args):
        calls.append((self.name, server.tracing.running))
        return on(self, *args)

    monkeypatch.setattr(MethodSpec, "on", counted)
    return calls


def test_the_same_names_are_looked_up_once_and_in_turn(server, looked_up):
    for _ in range(3):
        specs = named_methods(server, NETWORK, ["cl@128", "sum@128"], ignore_progress)
        assert [spec.name for spec in specs] == ["cl@128", "sum@128"]
    assert looked_up == [("cl@128", 1), ("sum@128", 1)]


def test_a_problem_is_kept_too(server, looked_up):
    for _ in range(2):
        with pytest.raises(SettingError, match="nope"):
            named_methods(server, NETWORK, ["cl:nope@128"], ignore_progress)
    assert len(looked_up) == 1


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([f"sum@{size}" for size in range(128, 228)], "These are 100 methods; choose at most 16"),
        (["x" * 11] * 20_000, "have 239,999 characters; at most 2,000 are read"),
    ],
)
def test_too_much_is_refused_before_anything_is_built(server, looked_up, names, sentence):
    with pytest.raises(SettingError, match=sentence):
        named_methods(server, NETWORK, names, ignore_progress)
    assert looked_up == []


def test_it_ends_with_its_visitor(server, looked_up):
    class LeftError(Exception):
        pass

    def left(place):
        if looked_up:
            raise LeftError

    with pytest.raises(LeftError):
        named_methods(server, NETWORK, ["cl@128", "sum@128"], left)
    assert len(looked_up) == 1
