"""The page Build the feature in a session without a browser."""

import base64
import re

import numpy as np
import pytest

from benchmarks.harness.session import state_of
from crosspool.backbones import load_backbone
from crosspool.pooling import cross_layer_pool
from crosspool.ui.equation.build_p import BuildState
from crosspool.ui.equation.experiments import EXPERIMENTS
from crosspool.ui.maps.selection import MapsState
from crosspool.ui.runtime import maps as runtime_maps
from tests.app.test_frame import EXPLANATION, SMALL, checked, component, component_state, shown_text, texts, visit
from tests.networks import sample

PAGE = "pages/build_p.py"
PATCHES = {**SMALL, "pair": "features.12.expand3x3"}  # ReLU, 3x3 patches


def build(**params):
    """A new session on the page, with both drawers open."""
    app = visit(**params)
    state_of(app, BuildState).numbers_open = state_of(app, BuildState).experiments_open = True
    return checked(app.switch_page(PAGE).run())


def played(app):
    """The order of positions in the browser, the weights there, and the entries of the patches."""
    data = component(app, "player")
    weights, features = (np.frombuffer(base64.b64decode(data[name]), np.float32) for name in ("weights", "features"))
    return data, weights, features.reshape(len(weights), len(data["names"]))


def move(app, row, column):
    """What a click on an image does."""
    state_of(app, MapsState).cell = (row, column)
    return checked(app.run())


@pytest.mark.parametrize("page", ["pages/weighting_maps.py", PAGE, EXPLANATION])
def test_a_run_of_a_page_asks_for_its_maps_once(page, monkeypatch):
    requests, image_maps = [], runtime_maps.image_maps

    def counted(request, *args, **options):
        requests.append(request)
        return image_maps(request, *args, **options)

    app = visit(**SMALL)
    monkeypatch.setattr("crosspool.ui.maps.page.image_maps", counted)
    checked(app.switch_page(page).run())
    assert len(requests) == 1


def numbers(app):
    """The table of the strongest entries, as numbers."""
    (table,) = (table.value for table in app.table if "finished block" in table.value)
    return table.astype(float)


def comparisons(app):
    (table,) = (table.value for table in app.table if "verdict" in table.value)
    return table


def choose_experiment(app, key):
    app = checked(app.radio(key="experiment").set_value(key).run())
    assert not texts(app.error)
    return app, comparisons(app)


def test_closed_drawers_cost_nothing():
    app = checked(visit().switch_page(PAGE).run())
    assert [texts(elements) for elements in (app.header, app.table, app.latex)] == [[], [], []]
    assert not [each for each in app.get("bidi_component") if each.key.startswith("chart-")]
    assert not app.success


def test_the_browser_builds_the_block_that_the_library_pools():
    app = build(**PATCHES, channel="5")
    data, weights, features = played(app)
    maps = load_backbone("squeezenet1_1", "untrained").activations(sample(), PATCHES["pair"], 128)
    pair = load_backbone("squeezenet1_1", "untrained").architecture.pair(PATCHES["pair"])
    block = cross_layer_pool(maps.lower, maps.upper, **pair.geometry)[0, 5].numpy()
    assert (data["channel"], data["channels"], data["length"]) == (5, 256, 576)
    strongest = np.sort(np.abs(block))[::-1][: len(data["names"])]
    assert np.abs(weights @ features) == pytest.approx(strongest, rel=1e-3)
    assert data["outside"] == []


def test_the_first_visit():
    app = build()
    assert texts(app.title) == ["Build the feature"]
    assert "**Cat** · EfficientNet-Lite0" in shown_text(app)
    (verdict,) = texts(app.success)
    assert verdict.startswith("Confirmed: both sides agree ")
    assert not app.error
    assert app.query_params == visit().query_params  # the page adds nothing


def test_blocks_have_the_numbers_of_their_maps_and_count_from_0():
    app = build(**PATCHES)  # 256 maps, of which the channel control offers 0 to 255
    assert component(app, "player")["channels"] == 256
    blocks = r"P \;=\; [\,P_0;\; P_1;\; \dots;\; P_{255}\,]"
    equation, all_blocks, _ = texts(app.latex)
    assert r"\sum_i a_{i,k}\, x_i" in equation  # positions have no numbers on the pages
    assert all_blocks == f"$$\n{blocks}\n$$"
    assert shown_text(app).count("Rows, columns, maps and the blocks of P are all counted from 0.") == 1


def test_a_position_adds_its_weight_times_its_patch():
    app = build(**PATCHES, channel="5")
    app = move(component_state(app, "player", "order", "rows"), 2, 3)
    backbone = load_backbone("squeezenet1_1", "untrained")
    pair = backbone.architecture.pair(PATCHES["pair"])
    maps = backbone.activations(sample(), pair, 128)
    pooled = cross_layer_pool(maps.lower, maps.upper, **pair.geometry)[0, 5].numpy()
    before, here = numbers(move(app, 2, 2)), numbers(move(app, 2, 3))
    assert list(here.columns) == ["patch", "weight × patch", "sum so far", "finished block"]
    strongest = np.argsort(-np.abs(pooled), kind="stable")[: len(here)]
    assert here["finished block"].to_numpy() == pytest.approx(pooled[strongest], rel=1e-3)
    weight = maps.upper[0, 5, 2, 3].item()
    assert here["weight × patch"].to_numpy() == pytest.approx(weight * here["patch"].to_numpy(), rel=2e-3)
    added = (here["sum so far"] - before["sum so far"]).to_numpy()
    assert added == pytest.approx(here["weight × patch"].to_numpy(), abs=2e-3 * float(np.abs(pooled).max()))
    at_the_end = numbers(move(app, 6, 6))
    assert at_the_end["sum so far"].tolist() == at_the_end["finished block"].tolist()


def test_the_browser_chooses_position_map_and_order_for_all_pages():
    app = build(**SMALL)
    assert component(app, "player")["order"] == "strongest"
    app = component_state(component_state(app, "player", "cell", [6, 2]), "player", "order", "rows")
    app = component_state(app, "player", "cell", [7, 2])  # there is no such row
    assert component(app, "player")["cell"] == [6, 2]
    app = component_state(app, "player", "channel", 7)
    assert app.query_params["channel"] == "7"
    app, _ = choose_experiment(app, "filters")
    app = checked(checked(app.switch_page("pages/weighting_maps.py").run()).switch_page(PAGE).run())
    assert app.radio(key="experiment").value == "filters"
    assert [component(app, "player")[name] for name in ("channel", "order")] == [7, "rows"]


@pytest.mark.parametrize("border", ["zero", "valid"])
def test_every_experiment_on_a_relu(border):
    upper = load_backbone("squeezenet1_1", "untrained").activations(sample(), PATCHES["pair"], 128).upper
    in_the_corner = int(upper[0, :, 0, 0].argmax())
    app = move(build(**PATCHES, border=border, channel=str(in_the_corner)), 0, 0)
    for key in EXPERIMENTS:
        app, table = choose_experiment(app, key)
        expected = ["different"] if key == "alone" else ["equal"] * len(table)
        assert table["verdict"].tolist() == expected
        assert len(app.success) == (key != "alone")
        assert "all 256 maps" in shown_text(app)
    app, table = choose_experiment(app, "one_hot")
    assert table.index[0].startswith("zeros, as the patch" if border == "valid" else "the patch at row 0, column 0")
    assert (component(app, "player")["outside"] != []) == (border == "valid")


def test_a_clipping_relu6_is_named():
    """The default network clips: P is not the gradient of half the squared map, and the page says why and where."""
    app, table = choose_experiment(build(), "gradient")
    assert table["verdict"].tolist() == ["equal", "equal", "different", "equal"]
    assert re.search(r"slope is not 1 at [1-9]\d* of [\d,]+ weights", table.index[2])
    assert "the network's own **ReLU6**" in shown_text(app)
    assert not app.success
    assert any(text.startswith("P is the gradient with A held fixed") for text in texts(app.info))


def test_signed_weights_without_a_non_linearity():
    app = build(**{**SMALL, "backbone": "resnet18", "pair": "layer4.1.conv2", "signed": "1"})
    app, table = choose_experiment(app, "gradient")
    assert table["verdict"].tolist() == ["equal"] * 3
    assert "f is the **identity**, as nothing follows u; the weights are signed" in shown_text(app)


def test_shuffling_again_gives_another_order():
    app, before = choose_experiment(build(**SMALL), "alone")
    (again,) = (button for button in app.button if button.label == "Shuffle again")
    app = checked(again.click().run())
    assert comparisons(app)["largest difference"].iloc[0] != before["largest difference"].iloc[0]
    assert any(text.startswith("P changed, as it must") for text in texts(app.info))


def test_results_of_experiments_are_cached_for_all_visitors(server):
    app = build(**SMALL)
    kinds = len(server.cache.usages())
    hits = next(usage.hits for usage in server.cache.usages() if usage.name == "experiments")
    checked(app.run())
    build(**SMALL)
    assert len(server.cache.usages()) == kinds  # a page and all its definitions run again for every press
    assert next(usage.hits for usage in server.cache.usages() if usage.name == "experiments") >= hits + 2


def test_a_dead_map_adds_nothing():
    app = build(**{**SMALL, "pair": "classifier.1"})
    maps = load_backbone("squeezenet1_1", "untrained").activations(sample(), "classifier.1", 128)
    dead = int((maps.upper[0].amax((1, 2)) == 0).nonzero()[0])
    app = component_state(app, "player", "channel", dead)
    assert component(app, "player")["note"] == "This map is zero everywhere on this image: its block stays zero."
    assert (numbers(app)["finished block"] == 0).all()
    assert not played(app)[1].any()


def test_a_map_at_the_ceiling_of_its_relu6_says_so():
    app = build(channel="112")
    _, weights, _ = played(app)
    clipped = int((weights == 6).sum())
    assert clipped > 20
    note = f"Clipped at 6 in {clipped} of 49 positions: 6 is ReLU6's ceiling."
    assert component(app, "player")["note"] == note
    assert note in shown_text(app)
    assert component(build(**SMALL), "player")["note"] == ""
