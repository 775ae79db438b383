"""The page Side by side without a browser: what the right pane shows, against the library."""

import base64

import numpy as np
import pytest

from crosspool.backbones import load_backbone
from crosspool.map_matching import best_by_chance, best_matches, map_correlations
from crosspool.ui.visit.link import LinkState, from_params, right_side, to_params
from tests.app.test_frame import checked, component, component_state, texts, visit
from tests.networks import sample

SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.squeeze", "size": "128"}


def opened(**params):
    return checked(visit(**{**SMALL, **params}).switch_page("pages/side_by_side.py").run())


def upper(name="cat", pair=SMALL["pair"], size=128):
    backbone = load_backbone("squeezenet1_1", "untrained")
    return backbone.activations(sample(name), backbone.architecture.pair(pair), size).upper[0].numpy()


def cells(side):
    values = np.frombuffer(base64.b64decode(side["map"]["cells"]), np.uint8)
    return values.reshape(side["map"]["rows"], side["map"]["columns"])


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No weights but the embedded ones."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def test_another_size_shows_the_best_matches():
    app = opened(right_size="256", channel="7")
    panes = component(app, "panes")
    left, right = panes["left"], panes["right"]
    ours, theirs = upper(), upper(size=256)
    matches = best_matches(map_correlations(ours[7], theirs), 5)
    assert (left["selected"], left["rows"], right["rows"]) == (7, ours.shape[1], theirs.shape[1])
    assert right["selected"] == matches[0].channel
    assert [(each["channel"], each["note"]) for each in right["choices"]] == [
        (match.channel, f"{match.correlation:.2f}") for match in matches
    ]
    weights = theirs[right["selected"]]
    assert cells(right) == pytest.approx(255 * weights / weights.max(), abs=1)
    numbers = np.frombuffer(base64.b64decode(right["weights"]), np.float32)  # which are read out: 8 bits are too few
    assert numbers == pytest.approx(weights.ravel(), rel=1e-4, abs=1e-4)  # other threads, other rounding
    assert f"correlation {matches[0].correlation:.2f}" in right["title"]
    chance = f"with the cells of map 7 shuffled, it is {best_by_chance(ours[7], theirs):.2f} on average"
    assert any(chance in text for text in texts(app.caption))

    app = component_state(app, "panes", "chosen", ["right", matches[3].channel])
    assert component(app, "panes")["right"]["selected"] == matches[3].channel
    assert app.query_params["right_channel"] == str(matches[3].channel)
    app = component_state(app, "panes", "chosen", ["left", left["choices"][2]["channel"]])
    assert component(app, "panes")["left"]["selected"] == left["choices"][2]["channel"]
    assert "right_channel" not in app.query_params  # the best match again


def test_the_same_number_of_another_image():
    app = opened(right_sample="rocket", right_by="number", channel="9")
    right = component(app, "panes")["right"]
    assert right["selected"] == 9
    weights = upper("rocket")[9]
    assert cells(right) == pytest.approx(255 * weights / max(weights.max(), 1e-9), abs=1)
    assert right["title"].startswith("Rocket · SqueezeNet 1.1, untrained · 128 px · ")


def test_another_network_has_no_numbers_in_common_and_is_untrained_where_its_weights_are_not_here():
    app = opened(right_backbone="alexnet", right_weights="pretrained", right_by="number")
    assert "AlexNet, untrained" in component(app, "panes")["right"]["title"]
    assert "right_by" not in [group.key for group in app.button_group]
    app = checked(app.selectbox(key="right_backbone").select("").run())
    assert "SqueezeNet 1.1, untrained" in component(app, "panes")["right"]["title"]
    assert not texts(app.error)


def test_a_network_that_is_chosen_has_its_trained_weights_where_they_are_here():
    app = opened(right_backbone="efficientnet_lite1", right_size="128")
    assert "EfficientNet-Lite1, untrained" in component(app, "panes")["right"]["title"]  # as the link says
    for name, title, weights in [
        ("efficientnet_lite0", "EfficientNet-Lite0 ·", "pretrained"),
        ("alexnet", "AlexNet, untrained", None),
        ("efficientnet_lite1", "EfficientNet-Lite1 ·", "pretrained"),
        ("", "SqueezeNet 1.1, untrained", None),
    ]:
        app = checked(app.selectbox(key="right_backbone").select(name).run())
        assert title in component(app, "panes")["right"]["title"]
        assert app.query_params.get("right_weights") == weights


def test_two_embedded_networks_of_one_family():
    left = {"backbone": "efficientnet_lite0", "weights": "pretrained", "pair": "conv_head", "size": "128"}
    app = opened(
        **left, right_backbone="efficientnet_lite1", right_weights="pretrained", right_size="128", channel="112"
    )
    panes = component(app, "panes")
    assert "EfficientNet-Lite0 · 128 px" in panes["left"]["title"]
    assert "EfficientNet-Lite1 · 128 px" in panes["right"]["title"]
    maps = {
        name: load_backbone(name).activations(sample(), "conv_head", 128).upper[0].numpy()
        for name in ("efficientnet_lite0", "efficientnet_lite1")
    }
    best = best_matches(map_correlations(maps["efficientnet_lite0"][112], maps["efficientnet_lite1"]), 1)[0]
    assert panes["right"]["selected"] == best.channel
    assert not texts(app.warning) + texts(app.error)


def test_a_link_is_read_as_it_was_written():
    params = {
        "backbone": "alexnet", "right_backbone": "squeezenet1_1", "right_pair": "features.12.squeeze",
        "right_channel": "63", "right_size": "256", "right_weights": "pretrained", "right_by": "number",
        "right_sample": "rocket",
    }  # fmt: skip
    state, notes = from_params(params)
    assert notes == []
    assert to_params(state) == params
    assert right_side(LinkState(pair="conv_head", size=256)) == LinkState(
        pair="conv_head", size=256, weights="untrained"
    )


@pytest.mark.parametrize(("name", "value"), [("right_channel", "64"), ("right_pair", "features.10"), ("right_by", "x")])
def test_nonsense_about_the_right_pane_is_ignored_with_a_note(name, value):
    params = {"right_backbone": "squeezenet1_1", "right_pair": "features.12.squeeze", name: value}
    state, notes = from_params(params)
    assert getattr(state, name) == getattr(LinkState(), name)
    assert len(notes) == 1
    assert notes[0].startswith(f"Unknown {name} `{value}` in the link")
