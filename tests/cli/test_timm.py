"""timm's networks on the command line."""

import json

import pytest

from tests.networks import SAMPLES

pytest.importorskip("timm", reason="needs timm, which pip install -r requirements-dev.txt brings")
NETWORK = "timm:test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def empty_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def test_convolutional_networks_are_listed_by_a_pattern(works, fails) -> None:
    listed = json.loads(works("backbones", "--timm", "test_resnet*", "--json"))
    assert listed == [
        {
            "name": NETWORK,
            "title": "test_resnet.r160_in1k (timm)",
            "input_size": 160,
            "parameters": 469688,
            "weights_licence": "apache-2.0",
            "availability": "needs a download",
            "megabytes": 1.9,
        }
    ]
    table = works("backbones", "--timm", "timm:test_resnet")
    assert NETWORK in table
    assert "get 2 MB" in table
    assert "timm has no convolutional network 'test_vit*'" in fails("backbones", "--timm", "test_vit*")


def test_a_network_of_timm_is_taken_wherever_one_is_named(works, fails, tmp_path) -> None:
    pairs = json.loads(works("pairs", "--backbone", "timm:test_resnet", "--json"))
    assert pairs[-1]["id"] == "layer4.0.downsample.1"
    untrained = ("--backbone", NETWORK, "--weights", "untrained")
    works("maps", SAMPLES / "cat.jpg", *untrained, "--out", tmp_path / "maps.npz")
    assert (tmp_path / "maps.npz").is_file()
    assert "with UNTRAINED (random) weights" in works("predict", SAMPLES / "cat.jpg", *untrained)
    assert "crosspool fetch timm:test_resnet.r160_in1k" in fails("predict", SAMPLES / "cat.jpg", "-b", NETWORK)
    assert "There is no backbone 'timm:test_resnot'; did you mean timm:test_resnet" in fails(
        "pairs", "-b", "timm:test_resnot"
    )
