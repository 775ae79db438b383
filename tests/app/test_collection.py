"""The page of the collection as a session sees it, without a browser."""

import time

import pytest

from benchmarks.harness.session import state_of
from crosspool.backbones import load_backbone
from crosspool.ui.collection import own_image
from crosspool.ui.collection.view import OWN, CollectionState, View
from crosspool.ui.maps.weighting_maps import DrawerState
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.images import ImageState
from crosspool.ui.visit.link import LinkState
from tests.app.test_frame import checked, component, component_state, sentences, shown_text, texts, visit
from tests.collections import IMAGES, generated

PAGE = "pages/collection.py"
TOLD_APART = 40


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store that the included network seems to have made."""
    return generated(tmp_path_factory.mktemp("generated") / "store", load_backbone().fingerprint)


@pytest.fixture(scope="module")
def module_server(store):
    """A server with the store, arranged."""
    with use_server(Server(ServerSettings(features=store.place.address))) as server:
        served = server.collection
        assert served is not None
        served.begin()
        while served.ready is None:
            assert served.problem == ""
            time.sleep(0.01)
        yield server


def opened(**params):
    """The page at an address."""
    app = visit().switch_page(PAGE)
    app.query_params.clear()
    app.query_params.update(params)
    return checked(app.run())


def links(app):
    return [link.proto.label for link in app.get("page_link")]


def view_of(app):
    return state_of(app, CollectionState).view


def ids(app):
    return [item["id"] for item in component(app, "collection-wall")["items"]]


def likes(app):
    """What is said of the image that the others are like."""
    return [element.value for element in app.get("html") if "collection-like" in element.value]


def test_the_first_visit_shows_the_first_images_and_the_way_to_the_others():
    app = opened()
    assert texts(app.title) == ["Collection"]
    told = (
        f"{IMAGES} images, 2 of which could not be read, of **generated** as EfficientNet\\-Lite0 sees them (`gem@224`)"
    )
    assert told in shown_text(app)
    assert len(ids(app)) == 60
    assert app.button(key="collection-earlier").disabled
    app = checked(app.button(key="collection-later").click().run())
    assert (view_of(app).page, ids(app)[0], app.query_params["page"]) == (2, "61", "2")


def test_a_press_selects_an_image_whose_maps_sort_the_wall():
    app = opened(page="2")
    app = component_state(app, "collection-wall", "chosen", "65")
    assert view_of(app) == View(page=2, place=65)  # the wall stays
    assert "Kind 2" in "".join(element.value for element in app.get("html"))
    first = component(app, "collection-channels")["rows"][0]["id"]
    app = component_state(app, "collection-channels", "chosen", first)
    assert view_of(app) == View(by="map", map=int(first), place=65)
    assert dict(app.query_params) == {"by": "map", "map": first, "place": "65"}
    marks = [item["mark"] for item in component(app, "collection-wall")["items"]]
    assert all(marks)
    app = checked(app.button(key="collection-like").click().run())
    assert (view_of(app).by, ids(app)[0]) == ("like", "65")
    app = checked(app.button(key="collection-only").click().run())
    assert view_of(app).label == "002.Kind_2"
    assert {item["title"] for item in component(app, "collection-wall")["items"]} == {"Kind 2"}


def test_what_is_not_on_the_wall_cannot_be_chosen():
    app = component_state(opened(), "collection-wall", "chosen", "3")  # it could not be read
    assert view_of(app) == View()


def test_a_link_is_read_and_what_makes_no_sense_in_it_is_said():
    app = opened(by="map", map="7", label="001.Kind_1", place="9999")
    assert view_of(app) == View(by="map", map=7, label="001.Kind_1")
    assert texts(app.info)[0].startswith("Unknown place `9999` in the link")
    assert app.number_input(key="collection-map").value == 7
    app = checked(app.number_input(key="collection-map").set_value(8).run())
    assert view_of(app).map == 8
    assert not texts(app.info)


@pytest.mark.parametrize("params", [{"by": "unread"}, {"label": "001.Kind_1"}])
def test_a_page_behind_the_last_one_of_the_view_is_that_one(params):
    app = opened(page="3", **params)
    assert dict(app.query_params) == params
    assert view_of(app).page == 1
    assert not texts(app.info)
    assert not [button for button in app.button if button.key == "collection-earlier"]


def test_every_order_has_its_images_or_a_sentence():
    app = opened()
    for by, words in (
        ("map", "Images with the highest peak"),
        ("copies", "Groups of images"),
        ("outliers", "of 127 other images"),
        ("unread", "2 images could not be read"),
        ("like", "1 to 60 of 128"),
    ):
        app = checked(app.selectbox(key="collection-by").set_value(by).run())
        assert words in shown_text(app)
    assert texts(app.info) == ["Select an image and press “Images like this”, or “Use my photo”."]
    assert len(ids(app)) == 60


def test_one_label_alone_is_nothing_to_tell_apart(module_server, monkeypatch):
    counts = module_server.collection.ready.counts
    for label in ("000.Kind_0", "002.Kind_2"):
        monkeypatch.setitem(counts, label, 1)
    app = opened(section="classes")
    assert texts(app.info)[0].startswith("There is nothing to tell apart")


def test_the_plane_and_the_images_of_a_cell(module_server):
    app = checked(opened().segmented_control(key="collection-section").set_value("plane").run())
    assert component(app, "plane")["image"] == module_server.collection.ready.mosaic_address
    plane, place = module_server.collection.ready.plane, 10
    cell = divmod(int(plane.cells[place]), 40)
    app = component_state(app, "plane", "cell", list(cell))
    assert view_of(app).cell == cell
    assert str(place) in ids(app)
    assert not [each for each in app.selectbox if each.key == "collection-label"]  # the picture has all labels


def test_channels_by_classes_lead_to_the_images_of_a_cell():
    app = opened(section="classes")
    table = component(app, "by-class")
    assert (table["rows"], table["columns"], table["names"][0]) == (3, TOLD_APART, ["Kind 0", "Kind 1", "Kind 2"])
    app = component_state(app, "by-class", "cell", [1, 4])
    channel = int(table["names"][1][4])
    assert view_of(app) == View("classes", by="map", map=channel, label="001.Kind_1")
    assert {int(place) % 3 for place in ids(app)} == {1}


def test_an_own_image_sorts_the_store(module_server):
    app = opened()
    app.session_state["collection-own"] = True
    app = checked(app.run())
    strip = component(app, "image-strip")
    (chosen,) = (item["image"] for item in strip["items"] if item["id"] == strip["selected"])
    app = checked(app.button(key="collection-like-own").click().run())
    assert view_of(app) == View(by="like", like=OWN)
    assert any(chosen in element.value for element in app.get("html"))
    (sentence,) = sentences(app)  # as a generated store has learned nothing
    assert sentence.startswith("Your image cannot be compared with those of the collection; tell the person")
    assert module_server.log.counts()["collection_failed"].times >= 1


def test_the_own_image_stays_the_one_that_was_chosen(monkeypatch):
    """Although another one is chosen for other pages since."""
    monkeypatch.setattr(own_image, "_read_learned", lambda ready: None)
    monkeypatch.setattr(own_image, "code_of", lambda ready, sample: ready.collection.codes[7])
    app = opened()
    app.session_state["collection-own"] = True
    app = checked(checked(app.run()).button(key="collection-like-own").click().run())
    assert ids(app)[0] == "7"
    (like,) = likes(app)
    assert "Like your image <b>" in like
    other = ids(app)[1]
    app = component_state(app, "collection-wall", "chosen", other)
    app = checked(app.button(key="collection-maps").click().run())
    assert state_of(app, ImageState).upload
    app = checked(app.switch_page(PAGE).run())
    assert view_of(app) == View(by="like", like=OWN, place=int(other))
    assert likes(app) == [like]


def test_a_link_to_what_is_like_an_own_image_does_not_bring_it():
    app = opened(by="like", like="own")
    (sentence,) = texts(app.info)
    assert sentence.startswith("The image of this link is not here: it stays with whoever chose it. Select an image")
    assert not likes(app)
    assert ids(app)[0] == "0"


def test_what_images_are_like_is_shown_whatever_label_they_have():
    (like,) = likes(opened(by="like", like="7", label="002.Kind_2"))
    assert 'src="data:image/jpeg' in like
    assert "Like <b>image 0000007.jpg</b>. The number says how alike each image is to this one" in like


def test_its_maps_open_with_the_stores_network_and_say_where_a_map_is_strongest():
    app = component_state(opened(), "collection-wall", "chosen", "5")
    app = checked(app.button(key="collection-maps").click().run())
    link = state_of(app, LinkState)
    assert (link.pair, link.size, link.framing) == ("conv_head", 224, "crop")
    assert component(app, "image-strip")["items"][-1]["title"] == "image 0000005.jpg"
    state_of(app, DrawerState).collection_open = True
    link.channel = 11
    app = checked(app.switch_page("pages/weighting_maps.py").run())
    assert 0 < len(component(app, "in-collection")["items"]) <= 12
    (more,) = (each.proto for each in app.get("page_link") if each.proto.label == "All images by map 11")
    assert "map=11" in more.query_string
    first = component(app, "in-collection")["items"][0]["id"]
    app = component_state(app, "in-collection", "chosen", first)
    assert view_of(app) == View(by="map", map=11, place=int(first))


def test_other_maps_are_not_looked_for_there():
    app = visit(size="448")
    assert not [each for each in app.expander if "in the collection" in each.label]


def test_without_a_store_there_is_no_such_page():
    assert "Collection" in links(visit())
    with use_server(Server(ServerSettings())):
        assert "Collection" not in links(visit())


def test_until_it_is_arranged_the_page_says_how_far_it_is(module_server, monkeypatch):
    served = module_server.collection
    monkeypatch.setattr(served, "ready", None)
    monkeypatch.setattr(served, "begin", lambda: None)
    app = opened()
    assert not [each for each in app.get("bidi_component") if each.key == "collection-wall"]
    monkeypatch.setattr(served, "problem", "There is no room.")
    assert sentences(checked(app.run())) == ["There is no room."]
