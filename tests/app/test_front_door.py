"""The first visit: what it opens on, and when newcomers are left alone."""

from benchmarks.harness.session import state_of
from crosspool import __version__
from crosspool.samples import samples
from crosspool.ui.maps.front_door import PROMISE
from crosspool.ui.visit.link import LinkState
from tests.app.test_frame import SMALL, change_gallery, checked, component, shown_text, visit

EXAMPLES = {sample.id: sample.example for sample in samples() if sample.example}
SMALL_SAMPLE = {**SMALL, "size": "64"}


def choose(app, sample):
    state_of(app, LinkState).sample = sample
    return checked(app.run())


def box_and_question(app):
    gallery = component(app, "gallery")
    return gallery["box"], gallery["question"]


def test_newcomers_are_told_what_this_is_until_they_do_something():
    app = visit()
    assert PROMISE in shown_text(app)
    assert "Use my photo" in [button.label for button in app.button]
    app = checked(change_gallery(app, selected=7).run())
    assert PROMISE not in shown_text(app)
    assert PROMISE not in shown_text(visit(**SMALL))  # a link says what is wanted
    assert PROMISE not in shown_text(checked(visit().button(key="present-button").click().run()))


def test_a_view_is_cited_with_the_version_and_its_address_while_that_is_open():
    app = visit(**SMALL, channel="7")
    assert not app.code
    app.session_state["cite"] = True
    text = checked(app.run()).code[0].value
    assert text.startswith(f"crosspool {__version__}, ")
    assert text.endswith("?backbone=squeezenet1_1&weights=untrained&pair=features.12.squeeze&size=128&channel=7")


def test_samples_ask_which_maps_find_a_part_until_the_box_is_cleared():
    app = visit()
    for sample in ("cat", "astronaut", "rocket", "retina"):
        app = choose(app, sample)
        example = EXAMPLES.get(sample)
        assert box_and_question(app) == ((list(example.box), example.question) if example else (None, ""))
        assert component(app, "gallery")["view"]["sort"] == ("box" if example else "energy_share")
        assert ("box" in app.query_params) == bool(example)
    app = change_gallery(app, box=None)
    assert box_and_question(choose(app, "cat")) == (None, "")
    assert "box" not in app.query_params


def test_a_box_belongs_to_its_image_and_is_in_the_link():
    app = change_gallery(visit(**SMALL_SAMPLE), box=[0.1, 0.2, 0.5, 0.625])
    assert app.query_params["box"] == "0.1,0.2,0.5,0.625"
    again = visit(**app.query_params)
    assert box_and_question(again) == ([0.1, 0.2, 0.5, 0.625], "")
    assert component(again, "gallery")["view"]["sort"] == "box"
    app = choose(again, "rocket")
    assert box_and_question(app) == (None, "")
    assert component(app, "gallery")["view"]["sort"] == "energy_share"
    app = visit(**SMALL_SAMPLE, box="0.5,0.2,0.1,0.6")
    assert "Unknown box `0.5,0.2,0.1,0.6` in the link" in app.info[0].value
    assert box_and_question(app) == (None, "")
