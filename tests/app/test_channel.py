"""The page of one channel as a session sees it, without a browser."""

import numpy as np
import pytest

from benchmarks.harness.session import state_of
from crosspool.ui.channel.looks_for import LooksForState
from crosspool.ui.maps.surveying import SurveyState
from crosspool.ui.runtime import channel_images
from crosspool.ui.visit.images import ImageState
from crosspool.ui.visit.link import LinkState
from crosspool.visualisation import Recipe
from tests.app.test_frame import SMALL, checked, component, component_state, shown_text, texts, visit

PAGE = "pages/channel.py"
LITE0 = {"size": "128"}
LONG = 240  # seconds, which only a hang takes


@pytest.fixture(autouse=True)
def no_weights_but_the_embedded_ones(tmp_path, monkeypatch, server):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    server.cache.clear()


def opened(**params):
    """The page with the maps of all samples computed, which it does by itself."""
    app = checked(visit(**params).switch_page(PAGE).run())
    survey = state_of(app, SurveyState).survey
    assert survey.wait(LONG)
    return checked(app.run())


def test_what_a_channel_looks_for_is_drawn_on_request(server, monkeypatch):
    monkeypatch.setattr(channel_images, "RECIPE", Recipe(size=128, steps=2))
    app = opened(**SMALL)
    assert state_of(app, LinkState).channel >= 0  # the address names it, though no channel was chosen
    assert not app.get("image")
    app = checked(app.button(key="look-for").click().run())
    job = state_of(app, LooksForState).optimisation
    assert job is not None
    assert job.wait(LONG)
    app = checked(app.run())
    assert len(app.get("image")) == 1
    state = state_of(app, LooksForState)
    app = checked(app.button(key="channel-after").click().run())  # for another channel there is none, and nothing runs
    assert (state.optimisation, len(app.get("image"))) == (None, 0)


def test_why_no_image_can_be_begun_is_said_also_after_one_that_failed(server, monkeypatch):
    app = opened(**SMALL)
    monkeypatch.setattr(channel_images, "MAX_SECONDS", -1.0)
    app = checked(app.button(key="look-for").click().run())
    job = state_of(app, LooksForState).optimisation
    assert job.wait(LONG)
    assert texts(checked(app.run()).error)[0].startswith("The visualisation was ended")
    monkeypatch.setattr(server.channel_images.jobs, "limit", 0)
    app = checked(app.button(key="look-for").click().run())
    assert texts(app.error)[0].startswith("The server is full")


def test_a_shipped_image_is_there_at_once(server):
    app = opened(channel="112", **LITE0)
    assert len(app.get("image")) == 1
    assert app.button(key="look-for").label == "Draw it larger"


def html(app):
    return "\n".join(element.value for element in app.get("html"))


def names(app, key):
    return [item["title"] for item in component(app, key)["items"]]


def test_a_channel_of_the_default_pair(server):
    app = opened(channel="112", **LITE0)
    assert texts(app.title) == ["Map 112 of EfficientNet\\-Lite0"]
    assert [header.value for header in app.header] == [
        "Over the photo",
        "What it looks for", "Which classes it speaks for", "Map 112 on many images", "Strongest patches",
        "On each image", "Maps most like it",
    ]  # fmt: skip
    text = html(app)
    assert text.index("butternut squash</span> <b>+0.272") < text.index("spaghetti squash") < text.index("tiger</span>")
    assert text.count('<th scope="row">') == 8
    patches = names(app, "channel-patches")
    peaks = [float(title.split(" · ")[0]) for title in patches]
    assert peaks == sorted(peaks, reverse=True)
    assert patches[0].endswith("Cat") or peaks[0] == 6
    alike = names(app, "channel-alike")
    assert alike[0] == "Map 112 · this map"
    correlations = [float(title.split(" · ")[1]) for title in alike[1:]]
    assert 1 >= correlations[0] >= correlations[-1] > 0
    assert correlations == sorted(correlations, reverse=True)
    assert "over all cells of 8 images" in shown_text(app)


def test_patches_and_maps_alike_are_links():
    app = opened(channel="112", **LITE0)
    other = next(item for item in component(app, "channel-patches")["items"] if "Cat" not in item["title"])
    app = component_state(app, "channel-patches", "chosen", other["id"])
    assert state_of(app, LinkState).sample == other["title"].split(" · ")[1].lower()
    assert component(app, "channel-patches")["selected"] == other["id"]
    alike = component(app, "channel-alike")["items"][1]["id"]
    app = component_state(app, "channel-alike", "chosen", alike)
    assert state_of(app, LinkState).channel == int(alike)
    assert texts(app.title)[0].startswith(f"Map {alike} of ")


def test_the_neighbours_and_the_ends():
    app = opened(channel="0", **SMALL)
    assert [app.button(key=f"channel-{name}").disabled for name in ("before", "after")] == [True, False]
    app = checked(app.button(key="channel-after").click().run())
    assert texts(app.title)[0].startswith("Map 1 of ")
    assert app.button(key="channel-before").label == "Map 0"
    app = checked(app.number_input(key="channel-number").set_value(63).run())
    assert state_of(app, LinkState).channel == 63
    assert app.button(key="channel-after").disabled
    app = component_state(app, "channel-keys", "pressed", "ArrowLeft")
    assert state_of(app, LinkState).channel == 62
    assert app.query_params["channel"] == "62"
    (back,) = (link.proto for link in app.get("page_link") if link.proto.label == "All maps")
    assert "channel=62" in back.query_string


def test_a_network_without_such_classes_says_why_and_a_dead_map_has_no_patch(server):
    app = opened(**SMALL)
    assert "The network is untrained" in shown_text(app)
    maps = [value for (kind, _), (value, _) in server.cache._store.items() if kind.name == "summaries"]
    dead = np.flatnonzero(np.all([summary.peak == 0 for summary in maps], axis=0))
    state_of(app, LinkState).channel = int(dead[0])
    app = checked(app.run())
    assert "No patch: this map is zero everywhere on these images." in texts(app.caption)
    assert "Zero everywhere on all 8 images." in shown_text(app)
    assert "No other map rises and falls with this one" in shown_text(app)


def test_many_images_are_computed_only_when_that_is_asked_for(monkeypatch):
    monkeypatch.setattr("crosspool.ui.maps.surveying.FEW_IMAGES", 6)
    app = checked(visit(channel="5", **SMALL).switch_page(PAGE).run())
    assert state_of(app, SurveyState).survey is None
    assert app.button(key="across-look").label == "Compute the other 7 images"
    assert len(names(app, "channel-patches")) <= 1


def test_cancelled_it_does_not_begin_again():
    app = checked(visit(channel="5", **SMALL).switch_page(PAGE).run())
    survey = state_of(app, SurveyState).survey
    survey.cancel()
    assert survey.wait(LONG)
    app = checked(app.run())
    assert state_of(app, SurveyState).survey is survey
    assert state_of(app, ImageState).upload == ""
