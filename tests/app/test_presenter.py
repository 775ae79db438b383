"""Presenter mode, without a browser."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.harness.session import state_of
from crosspool.grids import largest_cells
from crosspool.text import cells_name
from crosspool.ui.maps.presenter import neighbours
from crosspool.ui.maps.selection import MAX_FIRST_CHANNELS, MapsState
from tests.app.test_frame import SMALL, checked, component, computed, shown_text, texts, visit

LESSON = "pages/lesson.py"
PAGES = ("pages/contributions.py", "pages/build_p.py", "pages/what_am_i_looking_at.py", LESSON)


def maps_presented():
    """A page that presents maps and nothing else."""
    from crosspool.ui.maps.page import maps_page
    from crosspool.ui.maps.presenter import present_maps

    maps_page("Maps presented", present_maps)


def present(**params):
    app = AppTest.from_function(maps_presented, default_timeout=120)
    app.query_params.update(SMALL | {"present": "1"} | params)
    return checked(app.run())


def press(app, key):
    return checked(app.button(key=key).click().run())


@pytest.mark.parametrize("page", PAGES)
def test_a_link_presents_any_page_until_the_visitor_leaves(page):
    app = checked(visit(**SMALL, present="1").switch_page(page).run())
    assert component(app, "leave-keys") == {"keys": ["Escape"]}
    assert app.query_params["present"] == "1"
    app = press(app, "leave")
    assert "present" not in app.query_params
    assert "leave" not in {button.key for button in app.button}


def test_the_lesson_offers_presenter_mode_and_obeys_a_remote_control():
    app = checked(visit().switch_page(LESSON).run())
    assert component(app, "step-keys")["keys"] == ["ArrowLeft", "ArrowRight"]
    app = press(app, "present-button")
    assert app.query_params == {"step": "1", "present": "1"}
    assert component(app, "step-keys")["keys"] == ["ArrowLeft", "PageUp", "ArrowRight", "PageDown"]
    assert "present-button" not in {button.key for button in app.button}


def test_maps_follow_each_other_by_energy():
    upper, statistics = computed()
    order = [int(k) for k in np.argsort(-statistics.energy_share, kind="stable") if not statistics.dead[k]]
    app = present(channel=str(order[0]))
    place = cells_name(largest_cells(upper[order[0]]))
    assert f"**Map {order[0]}** · input 128 px" in shown_text(app)
    assert f"weight **{upper[order[0]].max():.3g}** at {place}" in shown_text(app)
    assert component(app, "map-keys")["keys"] == ["ArrowLeft", "PageUp", "ArrowRight", "PageDown"]
    app = press(press(app, "map-after"), "map-after")
    assert f"**Map {order[2]}** ·" in shown_text(app)
    assert app.query_params["channel"] == str(order[2])
    assert f"**Map {order[1]}** ·" in shown_text(press(app, "map-before"))
    assert texts(app.title) == ["Maps presented"]


def test_maps_follow_the_order_of_the_gallery():
    app = present(channel="4")
    state_of(app, MapsState).first = [9, 4, 7]
    app = press(checked(app.run()), "map-after")
    assert "**Map 7** ·" in shown_text(app)
    assert "**Map 9** ·" in shown_text(press(app, "map-after"))  # and round again


def test_from_a_map_beyond_the_first_ones_the_next_is_shown():
    upper, statistics = computed({**SMALL, "pair": "features.12.expand3x3"})
    order = [int(k) for k in statistics.order("energy_share") if not statistics.dead[k]]
    app = present(pair="features.12.expand3x3", channel=str(order[60]))
    assert f"**Map {order[61]}** ·" in shown_text(press(app, "map-after"))
    app = press(press(app, "map-before"), "map-before")
    assert f"**Map {order[59]}** ·" in shown_text(app)
    assert len(upper) > 61 > MAX_FIRST_CHANNELS


def test_neighbours_go_round_in_a_circle():
    assert neighbours([9, 4, 7], 4) == (9, 7)
    assert neighbours([9, 4, 7], 9) == (7, 4)
    assert neighbours([9, 4, 7], 5) == (7, 9)
    assert neighbours([3], 3) == (3, 3)
    assert neighbours([], 2) == (2, 2)
