"""Networks in memory: bounded by their number and by bytes, refused before anything is built."""

import re
import weakref

import pytest

from crosspool.backbones import DEFAULT, load_backbone, spec_of
from crosspool.errors import BackboneError, SettingError
from crosspool.ui.runtime import networks as module
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.networks import Networks, names_of, network_bytes, peak_bytes
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings

SMALL, OTHER, LARGE = "squeezenet1_1", "squeezenet1_0", "mobilenet_v3_small"
PEAK = {name: peak_bytes(spec_of(name)) for name in (SMALL, OTHER, LARGE)}


def networks(nbytes, count=9, allowed=()):
    return Networks(count, nbytes, 1, allowed)


def test_bytes_of_a_network():
    assert network_bytes(spec_of("alexnet")) == 4 * 61_100_840
    assert peak_bytes(spec_of("alexnet")) == int(2.3 * 4 * 61_100_840)


def test_what_is_too_large_is_refused_before_it_is_built(monkeypatch):
    monkeypatch.setattr(module, "load_backbone", lambda *_, **__: pytest.fail("built"))
    kept = networks(PEAK[SMALL])
    assert kept.why_not(spec_of(SMALL)) == ""
    sentence = (
        "AlexNet needs 562 MB while it is loaded, and this server has 11.4 MB for networks; choose one of at most 1 M"
    )
    with pytest.raises(BackboneError, match=f"^{re.escape(sentence)}"):
        kept.backbone("alexnet", "untrained")


def test_others_make_room():
    kept = networks(PEAK[LARGE] + network_bytes(spec_of(OTHER)))
    first = kept.backbone(SMALL, "untrained")
    assert kept.backbone(SMALL, "untrained") is first
    kept.backbone(OTHER, "untrained")
    assert (len(kept), kept.nbytes) == (2, network_bytes(spec_of(SMALL)) + network_bytes(spec_of(OTHER)))
    del first
    kept.backbone(LARGE, "untrained")
    assert kept.nbytes <= kept.limit
    assert len(kept) == 2


def test_a_large_network_takes_no_small_one_from_others():
    kept = networks(PEAK[LARGE] + network_bytes(spec_of(SMALL)))
    small = kept.backbone(SMALL, "untrained")
    kept.backbone(OTHER, "untrained")  # a bit larger, and used later
    kept.backbone(LARGE, "untrained")
    assert kept.in_memory(SMALL, "untrained") is small
    assert kept.in_memory(OTHER, "untrained") is None


def test_where_a_network_is_in_use_no_other_is_dropped_in_vain():
    kept = networks(PEAK[LARGE] + network_bytes(spec_of(SMALL)))
    small = weakref.ref(kept.backbone(SMALL, "untrained"))
    other = kept.backbone(OTHER, "untrained")
    with pytest.raises(BackboneError, match="no memory for MobileNetV3-Small while other networks are at work"):
        kept.backbone(LARGE, "untrained")
    assert small() is not None
    assert kept.in_memory(OTHER, "untrained") is other
    kept.limit += network_bytes(spec_of(SMALL))
    kept.backbone(LARGE, "untrained")
    assert small() is None
    assert kept.in_memory(OTHER, "untrained") is other


def test_a_large_network_that_makes_room_leaves_the_others():
    kept = networks(PEAK[LARGE] + network_bytes(spec_of(SMALL)), count=2)
    small = kept.backbone(SMALL, "untrained")
    kept.backbone(OTHER, "untrained")
    kept.backbone(LARGE, "untrained")
    assert kept.in_memory(SMALL, "untrained") is small


def test_the_default_network_stays():
    kept = networks(peak_bytes(spec_of(DEFAULT)) + network_bytes(spec_of(DEFAULT)), count=1)
    default = kept.backbone(DEFAULT, "pretrained")
    for name in (SMALL, OTHER):
        kept.backbone(name, "untrained")
        assert len(kept) == 2
    assert kept.backbone(DEFAULT, "pretrained") is default
    kept.clear()
    assert len(kept) == 0


def test_the_default_network_always_has_room():
    with use_server(Server(ServerSettings(networks_megabytes=1))) as server:
        assert server.networks.why_not(spec_of(DEFAULT)) == ""
        assert server.networks.why_not(spec_of("alexnet"))
    assert network_bytes(spec_of(DEFAULT)) < module.SMALLEST_LIMIT <= 43 * 10**6


def test_a_network_in_use_counts_although_it_is_not_kept():
    kept = networks(max(PEAK.values()))
    held = kept.backbone(SMALL, "untrained")
    kept.clear()
    assert (len(kept), kept.nbytes) == (0, network_bytes(held.spec))
    with pytest.raises(BackboneError, match="no memory for MobileNetV3-Small while other networks are at work"):
        kept.backbone(LARGE, "untrained")
    del held
    kept.backbone(LARGE, "untrained")


def test_others_compute_while_a_network_is_loaded(monkeypatch):
    compute, kept = FairSemaphore(), networks(2**40)

    def load(name, weights, engine):
        assert compute.running == 0
        with compute.turn():
            return load_backbone(name, weights)

    monkeypatch.setattr(module, "load_backbone", load)
    with compute.turn():
        kept.backbone(SMALL, "untrained")
        assert compute.running == 1


def test_copies_of_weights_count_and_are_dropped_before_a_network():
    other = network_bytes(spec_of(OTHER))
    kept = networks(other + PEAK[SMALL])
    kept.backbone(OTHER, "untrained").sessions._sessions["a program", 1] = None, 1000
    assert kept.nbytes == other + 1000
    kept.backbone(SMALL, "untrained")
    assert (len(kept), kept.nbytes) == (2, other + network_bytes(spec_of(SMALL)))


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_the_servers_engine_is_that_of_its_networks(engine):
    with use_server(Server(ServerSettings(engine=engine))) as server:
        assert server.networks.backbone(SMALL, "untrained").engine == engine


def test_only_the_operators_networks_are_loaded():
    kept = networks(2**40, allowed=names_of(f"{SMALL}, {OTHER}"))
    assert kept.why_not(spec_of("efficientnet_lite0")) == ""
    with pytest.raises(BackboneError, match="AlexNet is not among the networks of this server: EfficientNet-Lite0, "):
        kept.backbone("alexnet", "untrained")


def test_the_names_in_the_setting():
    assert names_of(" ") == frozenset()
    with pytest.raises(SettingError, match=r"network_names: There is no backbone 'alexnett'; did you mean alexnet"):
        names_of("alexnett")
