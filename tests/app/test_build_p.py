"""The page Build P in a session without a browser."""

import re

import numpy as np
import pytest

from benchmarks.harness.session import state_of
from crosspool.backbones import load_backbone
from crosspool.pooling import cross_layer_pool
from crosspool.ui.equation.experiments import EXPERIMENTS
from crosspool.ui.maps.selection import MapsState
from crosspool.ui.runtime import maps as runtime_maps
from tests.app.test_frame import EXPLANATION, SMALL, checked, component, shown_text, texts, visit
from tests.networks import sample

PAGE = "pages/build_p.py"
PATCHES = {**SMALL, "pair": "features.12.expand3x3"}  # ReLU, 3x3 patches


def build(**params):
    """A new session on the page Build P."""
    return checked(visit(**params).switch_page(PAGE).run())


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


def test_the_first_visit():
    app = build()
    assert texts(app.title) == ["Build P"]
    assert "**Cat** · EfficientNet-Lite0" in shown_text(app)
    assert component(app, "walk")["steps"] == 49
    assert component(app, "walk")["label"].startswith("Position ")
    assert len(app.get("plotly_chart")) == 3
    (verdict,) = texts(app.success)
    assert verdict.startswith("Confirmed: both sides agree ")
    assert not app.error
    assert app.query_params == {}


def test_blocks_have_the_numbers_of_their_maps_and_count_from_0():
    app = build(**PATCHES)  # 256 maps, of which the channel control offers 0 to 255
    assert (app.number_input(key="built").min, app.number_input(key="built").max) == (0, 255)
    blocks = r"P \;=\; [\,P_0;\; P_1;\; \dots;\; P_{255}\,]"
    assert f"${blocks}$" in shown_text(app)
    app = checked(app.switch_page(EXPLANATION).run())
    equation, all_blocks = texts(app.latex)
    assert r"\sum_i a_{i,k}\, x_i" in equation  # positions have no numbers on the pages
    assert all_blocks == f"$$\n{blocks}\n$$"
    assert shown_text(app).count("Rows, columns, maps and the blocks of P are all counted from 0.") == 1


def test_a_position_adds_its_weight_times_its_patch():
    app = move(build(**PATCHES, channel="5"), 2, 3)
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
    assert component(app, "walk") == {
        "step": 18, "steps": 49, "end": 49, "stride": 1, "label": "Position 18 of 49: row 2, column 3",
    }  # fmt: skip
    at_the_end = numbers(move(app, 6, 6))
    assert at_the_end["sum so far"].tolist() == at_the_end["finished block"].tolist()


def test_positions_can_be_added_strongest_first():
    app = checked(build(**SMALL).segmented_control(key="walk_order").set_value("strongest").run())
    assert component(app, "walk")["step"] == 1  # a map is first seen at its peak
    app = checked(app.switch_page(EXPLANATION).run())
    app = checked(app.switch_page(PAGE).run())
    assert app.segmented_control(key="walk_order").value == "strongest"


def test_choices_survive_a_page_switch():
    app, _ = choose_experiment(build(**SMALL), "filters")
    app = checked(app.number_input(key="built").set_value(7).run())
    app = checked(app.switch_page(EXPLANATION).run())
    assert app.number_input(key="explained").value == 7
    app = checked(app.switch_page(PAGE).run())
    assert app.radio(key="experiment").value == "filters"
    assert app.number_input(key="built").value == 7
    assert app.query_params["channel"] == "7"


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
    assert any("only whole patches are pooled" in text for text in texts(app.info)) == (border == "valid")


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
    app = checked(app.number_input(key="built").set_value(dead).run())
    assert any("its block stays zero" in text for text in texts(app.info))
    assert (numbers(app)["finished block"] == 0).all()
    assert component(app, "walk")["end"] == 1  # there is nothing to play
