"""The view of the collection in the address."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosspool.ui.collection.view import NAMES, OWN, View, from_params, to_params
from crosspool.ui.collection.wall import ordered
from tests.collections import IMAGES, UNREAD

VIEWS = [
    View(),
    View(by="map", map=899, label="001.Kind_1", page=2, place=5),
    View(by="like", like=17),
    View(by="like", like=OWN),
    View(section="plane", cell=(23, 39)),
    View(section="classes", by="map", map=0, label="000.Kind_0"),
]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_comes_back_from_its_address(ready, view):
    assert from_params(to_params(view), ready) == (view, [])


def test_addresses_are_short():
    assert to_params(View()) == {}
    assert to_params(View(by="like", like=OWN)) == {"by": "like", "like": "own"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("section", "walls"), ("by", "size"), ("map", "1280"), ("map", "-1"), ("map", "9" * 5000), ("like", "x"),
        ("like", str(UNREAD[0])), ("label", "jay"), ("page", "0"), ("page", "4"), ("place", str(IMAGES)),
        ("place", "²"), ("cell", "24,0"), ("cell", "0,40"), ("cell", "1"), ("cell", ",,"),
    ],
)  # fmt: skip
def test_nonsense_is_ignored_with_a_note(ready, name, text):
    view, notes = from_params({name: text}, ready)
    assert view == View()
    (note,) = notes
    assert note.startswith(f"Unknown {name} `")
    assert len(note) < 100


TEXT = st.one_of(
    st.text(max_size=8), st.integers(-3, 2000).map(str), st.sampled_from(["map", "like", "plane", "own", "1,2"])
)


@settings(max_examples=40)
@given(params=st.dictionaries(st.sampled_from(NAMES), TEXT))
def test_any_text_gives_a_view_that_can_be_shown(ready, params):
    view, _ = from_params(params, ready)
    places = ordered(ready, view, 61)
    assert ready.collection.is_read[places].all()
    assert view.by != "map" or 0 <= view.map < ready.collection.channels
