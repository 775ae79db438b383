"""timm's networks in the app: those that the operator lists, and nothing is imported or built for any other name."""

from types import SimpleNamespace

import pytest

from crosspool.backbones import timm_networks
from crosspool.errors import BackboneError, ModelError, SettingError
from crosspool.ui.contributions.choose_classifier import read_classifier
from crosspool.ui.runtime.networks import Networks, names_of
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from tests.app.test_frame import checked, component, sent_maps, texts, visit

NETWORK = "timm:test_resnet.r160_in1k"


@pytest.fixture
def asked(monkeypatch):
    """What asks for timm while a test runs; it gets none."""
    calls = []

    def refused():
        calls.append("asked")
        raise BackboneError("no timm here")

    monkeypatch.setattr(timm_networks, "_timm", refused)
    return calls


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("name", ["backbone", "right_backbone"])
def test_a_strangers_link_asks_for_nothing_of_timm(asked, name):
    app = visit(**{name: "timm:resnet50", "size": "128"})
    assert [note for note in texts(app.info) if f"Unknown {name} `timm_resnet50` in the link" in note]
    app = checked(app.switch_page("pages/side_by_side.py").run())
    assert asked == []


def test_a_strangers_classifier_asks_for_nothing_of_timm(asked, server, monkeypatch):
    described = SimpleNamespace(settings=SimpleNamespace(backbone="timm:resnet50"), arrays={})
    monkeypatch.setattr(server.decoders, "describe", lambda data, name: described)
    with pytest.raises(ModelError, match=r"x was trained on timm:resnet50, which is not among the networks of this"):
        read_classifier(b"", "x")
    assert asked == []


def test_what_the_operator_lists_is_offered():
    pytest.importorskip("timm", reason="needs timm")
    with use_server(Server(ServerSettings(network_names="timm:test_resnet"))) as server:
        assert list(server.networks.specs)[-1] == NETWORK
        app = visit(backbone=NETWORK, weights="untrained", size="128")
        assert len(sent_maps(app).peak) == 96
        assert app.selectbox(key="backbone").value == NETWORK
        app = visit(backbone=NETWORK, weights="untrained", size="128", right_backbone=NETWORK, right_size="160")
        app = checked(app.switch_page("pages/side_by_side.py").run())
        assert "test_resnet.r160_in1k (timm), untrained · 160 px" in component(app, "panes")["right"]["title"]
        notes = texts(visit(backbone="timm:test_byobnet.r160_in1k", size="128").info)
        assert [note for note in notes if "Unknown backbone" in note]


def test_names_in_the_setting_are_looked_up_at_the_start():
    pytest.importorskip("timm", reason="needs timm")
    assert names_of("timm:test_resnet") == {"efficientnet_lite0", NETWORK}
    with pytest.raises(SettingError, match=r"^network_names: There is no backbone 'timm:resnet81'"):
        names_of("timm:resnet81")
    with pytest.raises(SettingError, match=r"^network_names: timm:test_vit.r160_in1k has no layer pair"):
        names_of("timm:test_vit")


def test_without_names_no_network_of_timm_is_listed(asked):
    assert not [name for name in Networks(1, 2**30, 1).specs if name.startswith("timm:")]
    assert asked == []
