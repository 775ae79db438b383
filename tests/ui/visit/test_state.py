"""What a visit remembers: every field says whether it has to do with images, and forgetting goes by that."""

import pkgutil
from collections import Counter
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any

import pytest
from streamlit.proto.Common_pb2 import StringArray
from streamlit.testing.v1 import AppTest

from benchmarks.harness.session import state_of
from crosspool import ui
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.background import BackgroundJob, JobLimit
from crosspool.ui.visit.state import (
    ABOUT,
    DATA,
    IMAGES,
    NONE,
    VisitPart,
    VisitState,
    about_images,
    image_data,
    plain,
)


@dataclass
class Added(VisitPart):
    """A part that no list elsewhere names."""

    photo: Any = image_data(b"")
    label: str = about_images("none")
    names: list[str] = about_images([])
    zoom: int = plain(1)


def parts_of_the_app():
    for module in pkgutil.walk_packages(ui.__path__, "crosspool.ui."):
        import_module(module.name)
    return [kind for kind in VisitPart.__subclasses__() if kind.__module__.startswith("crosspool.")]


def without_statement(kind):
    return [each.name for each in fields(kind) if each.metadata.get(IMAGES) not in (NONE, ABOUT, DATA)]


def test_every_field_says_whether_it_has_to_do_with_images():
    kinds = parts_of_the_app()
    assert len(kinds) > 8
    assert [(kind.__name__, without_statement(kind)) for kind in kinds if without_statement(kind)] == []


def test_a_field_without_a_statement_is_detected():
    @dataclass
    class Careless:
        photo: bytes = b""
        other: list[str] = field(default_factory=list)
        stated: int = plain(0)

    assert without_statement(Careless) == ["photo", "other"]


def test_no_two_parts_share_a_field_name_that_a_widget_may_have_as_its_key():
    names = Counter(each.name for kind in parts_of_the_app() for each in fields(kind))
    shared = {name for name, count in names.items() if count > 1}
    assert shared <= {"answers", "channel", "cell", "name", "note", "notes", "lease"}  # no widget is bound to these


def page():
    from crosspool.ui.visit.uploads import own_images_menu

    own_images_menu("images")


def test_a_new_field_with_images_is_forgotten():
    app = AppTest.from_function(page).run()
    assert not app.button
    added = state_of(app, Added)
    added.photo, added.label, added.names, added.zoom = b"a photo", "cat", ["cat.jpg"], 3
    app.run()
    app.button(key="forget-images").click().run()
    assert not app.exception
    assert state_of(app, Added) == Added(zoom=3)


def test_forgetting_cancels_jobs_and_empties_uploaders():
    state, job = (
        VisitState(),
        BackgroundJob(lambda step: None, JobLimit("test", "tests", 1).take(Account()), task="a test", advice=""),
    )
    state.part(Added).photo = job
    state.emptied.update({"zip": 2, "files": 0})
    state.forget_images()
    assert job.cancelled
    assert state.emptied == {"zip": 3, "files": 1}


def test_parts_of_two_visits_share_nothing():
    first, second = VisitState(), VisitState()
    first.part(Added).names.append("cat.jpg")
    assert second.part(Added).names == []
    assert first.part(Added).names == ["cat.jpg"]


def binding_page():
    import streamlit as st

    from crosspool.ui.maps.selection import MapsState
    from crosspool.ui.visit.state import bound, visit_state

    if st.checkbox("Draw it", True):
        st.number_input("Tile", 1, 500, **bound(visit_state(MapsState), "tile"))


@pytest.mark.parametrize("times", [1, 2])
def test_a_widget_keeps_its_value_through_runs_that_do_not_draw_it(times):
    from crosspool.ui.maps.selection import MapsState

    app = AppTest.from_function(binding_page).run()
    assert app.number_input(key="tile").value == MapsState().tile
    app.number_input(key="tile").set_value(200).run()
    assert state_of(app, MapsState).tile == 200
    for _ in range(times):
        app.checkbox[0].set_value(False).run()
    app.checkbox[0].set_value(True).run()
    assert app.number_input(key="tile").value == 200
    state_of(app, MapsState).tile = 300  # not by the widget
    assert app.run().number_input(key="tile").value == 300


def test_every_run_sends_the_value_of_a_widget():
    """A browser may never draw the first of two quick runs: the widget would then start at its minimum."""
    app = AppTest.from_function(binding_page)
    for _ in range(3):
        proto = app.run().number_input(key="tile").proto
        assert (proto.set_value, proto.value) == (True, 104)


def options_page():
    import streamlit as st

    from crosspool.ui.maps.selection import MapsState
    from crosspool.ui.visit.state import bound, bound_value, visit_state

    state, sorts = visit_state(MapsState), ["peak", "mean"]
    st.selectbox("Sort", sorts, format_func=str.title, **bound(state, "sort", among=sorts))

    def keep(chosen):
        state.first = [len(text) for text in chosen]

    st.multiselect("First", ["a", "bb"], **bound_value("first", ["a"], keep, among=["a", "bb"]))


def test_only_options_can_be_chosen():
    """Streamlit hands on any text as if it were an option."""
    from crosspool.ui.maps.selection import MapsState

    app = AppTest.from_function(options_page).run()

    def send(element, **value):
        sent = app._tree.get_widget_states()
        sent.widgets.add(id=element.proto.id, **value)
        assert not app._run(sent).exception
        return state_of(app, MapsState)

    assert send(app.selectbox[0], string_value="Mean").sort == "mean"
    assert send(app.selectbox[0], string_value="rubbish").sort == "mean"
    assert send(app.multiselect[0], string_array_value=StringArray(data=["bb"])).first == [2]
    assert send(app.multiselect[0], string_array_value=StringArray(data=["a", "rubbish"])).first == [2]
    assert send(app.multiselect[0], string_array_value=StringArray(data=[])).first == []
