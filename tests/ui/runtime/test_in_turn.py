"""Structures and networks in turn, and computations that would take more memory than there is."""

import threading
import time
from dataclasses import replace

import pytest

from crosspool.backbones import architecture, load_backbone
from crosspool.errors import SettingError
from crosspool.tracing import BETWEEN_NODES
from crosspool.ui.runtime import gate, in_turn, networks
from crosspool.ui.runtime.gate import ignore_progress
from crosspool.ui.runtime.in_turn import check_memory, load_in_turn, trace_in_turn
from crosspool.ui.runtime.maps import MapRequest, image_maps
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from tests.networks import sample

NETWORK = "squeezenet1_1"
REQUEST = MapRequest(
    ImageHash("a"), NETWORK, "untrained", "features.12.squeeze", 128, "crop", signed=False, border="zero"
)


@pytest.fixture
def server():
    with use_server(Server(ServerSettings(wait_seconds=60))) as server:
        yield server


class LeftError(Exception):
    """The visitor has left."""


def leave(place):
    if place:
        raise LeftError


@pytest.mark.parametrize(
    ("queue", "call"),
    [
        ("tracing", lambda server: trace_in_turn(server, NETWORK, 131, leave)),
        ("loading", lambda server: load_in_turn(server, server.networks.named(NETWORK, "untrained"), leave)),
    ],
)
def test_what_is_not_there_waits_for_a_turn(server, queue, call):
    with getattr(server, queue).turn(), pytest.raises(LeftError):
        call(server)
    call(server)
    with getattr(server, queue).turn():
        call(server)  # it is there, so that nobody waits


def test_what_is_being_loaded_lets_nothing_else_be_loaded(server, monkeypatch):
    monkeypatch.setattr(gate, "LONG_SECONDS", 0.0)
    entered = threading.Event()

    def enter():
        with server.loading.turn():
            entered.set()

    other = threading.Thread(target=enter)

    def load(name, weights, engine):
        other.start()
        while not server.loading.waiting:
            time.sleep(0.01)
        BETWEEN_NODES.get()()  # as loading does, which traces a network that is not known
        assert not entered.is_set()
        return load_backbone(name, weights)

    monkeypatch.setattr(networks, "load_backbone", load)
    server.networks.backbone(NETWORK, "untrained")
    other.join()


def test_a_size_is_traced_once_and_shares_its_graph_with_others(server):
    structure = architecture(NETWORK)
    trace_in_turn(server, NETWORK, 133, ignore_progress)
    trace_in_turn(server, NETWORK, 135, ignore_progress)
    assert structure.is_traced(133)
    assert structure.is_traced()
    assert structure.layout(133) is structure.layout(133)
    assert structure.layout(133).graph is structure.layout(135).graph
    assert structure.layout(133).shapes != structure.layout(135).shapes


def test_maps_that_take_too_much_memory_are_refused_before_anything_is_read(server):
    def read():
        raise AssertionError("read")

    server.computation_bytes = 2**20
    large = replace(REQUEST, size=256)
    with pytest.raises(SettingError, match=r"^Computing SqueezeNet 1.1 at 256 px takes .* choose a smaller input"):
        image_maps(server, large, read)
    assert not server.networks
    server.computation_bytes = 2**30
    image_maps(server, large, sample)


def test_the_estimate_counts_what_is_held_and_what_is_concatenated(server):
    pair = architecture(NETWORK).pair(REQUEST.pair)
    nodes = pair.lower, pair.upper
    held, concatenated = architecture(NETWORK).peak_numbers(nodes, 128)
    server.computation_bytes = int(in_turn.BYTES_PER_NUMBER * (in_turn.PEAK * held + concatenated))
    check_memory(server, NETWORK, nodes, 128)
    server.computation_bytes -= 1
    with pytest.raises(SettingError):
        check_memory(server, NETWORK, nodes, 128)
