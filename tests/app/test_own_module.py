"""The pages with a network of the operator's own."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.harness.session import state_of
from crosspool.backbones.given_module import VARIABLE
from crosspool.ui.comparison.state import ComparisonState
from crosspool.ui.contributions.choose_classifier import read_classifier
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.choose_labelled import LabelledState
from crosspool.ui.visit.labelled import Collection
from crosspool.ui.visit.link import LinkState
from tests.images import png, tinted

APP = Path(__file__).resolve().parents[2] / "app.py"
LONG = 60
PAGES = [f"pages/{name}.py" for name in ("build_p", "channel", "side_by_side", "contributions", "train_and_compare")]


@pytest.fixture(autouse=True)
def served(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "tests.own_modules:served")
    monkeypatch.setenv("CROSSPOOL_CACHE", str(tmp_path / "cache"))
    with use_server(Server(ServerSettings())) as server:
        yield server


def checked(app):
    assert not app.exception, [error.value for error in app.exception]
    assert not app.error, [error.value for error in app.error]
    return app


def visit(page=None, **params):
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params.update({"backbone": "insects"} | params)
    app = checked(app.run())
    return checked(app.switch_page(page).run()) if page else app


def test_it_is_the_first_in_the_list_of_networks():
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params.update({"sample": "cat"})
    app = checked(app.run())
    network = app.selectbox(key="backbone")
    assert network.options[0] == "insects · included"
    assert network.options[1].startswith("EfficientNet-Lite0")
    app = checked(network.select("insects").run())
    assert state_of(app, LinkState).pair == "head"
    assert app.query_params["backbone"] == "insects"


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_show_it(page):
    app = visit(page)
    assert state_of(app, LinkState).backbone == "insects"


def test_layers_and_sizes_are_chosen():
    app = visit(size="256", pair="block.1", signed="1")
    assert (state_of(app, LinkState).pair, state_of(app, LinkState).size) == ("block.1", 256)


def test_its_size_is_told_by_all_digits_and_no_megabytes(served):
    count = f"{served.networks.own.spec.parameters:,} parameters · input 128 px · weights your own, included"
    assert count in [caption.value for caption in visit().caption]


def test_the_same_map_on_both_sides_is_said_to_be_so():
    app = visit("pages/side_by_side.py")
    assert any(caption.value.startswith("Both sides show the same map") for caption in app.caption)
    app = checked(app.selectbox(key="right_size").select(256).run())
    assert not any(caption.value.startswith("Both sides show the same map") for caption in app.caption)


def test_there_is_no_untrained_one():
    app = visit(weights="untrained")
    assert state_of(app, LinkState).weights == "pretrained"
    assert any("Unknown weights" in info.value for info in app.info)


def test_a_size_that_it_does_not_take_is_not_shown(monkeypatch):
    monkeypatch.setenv(VARIABLE, "tests.own_modules:served_at_one_size")
    with use_server(Server(ServerSettings())):
        app = visit(backbone="fixed", size="256")
        assert state_of(app, LinkState).size in (0, 128)
        assert any("fixed cannot compute a 3×256×256 image" in info.value for info in app.info)
        checked(app.switch_page("pages/train_and_compare.py").run())


@pytest.mark.parametrize("page", [None, *PAGES])
def test_the_pages_show_one_that_has_no_classes(monkeypatch, page):
    monkeypatch.setenv(VARIABLE, "tests.own_modules:served_without_scores")
    with use_server(Server(ServerSettings())):
        assert state_of(visit(page, backbone="maps"), LinkState).pair == "2"


def test_only_methods_that_it_offers_are_in_the_menu(monkeypatch):
    monkeypatch.setenv(VARIABLE, "tests.own_modules:served_without_scores")
    with use_server(Server(ServerSettings())):
        app = visit("pages/train_and_compare.py", backbone="maps")
        app = checked(app.selectbox(key="training_network").select(("maps", "pretrained")).run())
        names = [option.rpartition(" · ")[2] for option in app.multiselect(key="methods-maps").options]
        assert "cl@128" in names
        assert not any(name.startswith("global") for name in names)


def test_methods_are_compared_on_it_and_its_classifier_is_loaded_again(served):
    own = Collection("Your images")
    for channel, label in enumerate(("red", "green")):
        for number in range(4):
            own.add(label, png(tinted(10 * number + channel, channel).resize((64, 64))), f"{number}.png")
    app = visit("pages/train_and_compare.py")
    state_of(app, LabelledState).own_collection = own
    app = checked(app.button_group(key="labelled_source").set_value("upload").run())
    assert app.selectbox(key="training_network").options[0] == "insects"
    app = checked(app.selectbox(key="training_network").select(("insects", "pretrained")).run())
    app = checked(app.multiselect(key="methods-insects").set_value(["cl@128", "global@128"]).run())
    app = checked(app.button(key="train").click().run())
    assert state_of(app, ComparisonState).job.wait(LONG)
    app = checked(app.run())
    comparison = state_of(app, ComparisonState).comparison
    classifier = comparison.classifiers["cl@128"]
    assert classifier.settings.fingerprint == served.networks.own.fingerprint
    assert read_classifier(classifier.to_bytes(), "own.safetensors").settings.backbone == "insects"
