"""The same channels on several images as a session sees them, without a browser."""

import base64
import threading
import time
from functools import cache
from typing import Any, cast

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.harness.session import state_of
from crosspool.backbones import load_backbone
from crosspool.images import load_image
from crosspool.samples import samples
from crosspool.ui.maps import survey
from crosspool.ui.maps.map_matrix import AcrossState, Order, strongest_first
from crosspool.ui.runtime import maps as compute
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.shared_cache import SharedCache
from crosspool.ui.visit import images as sources
from crosspool.ui.visit.choose_labelled import LabelledState
from crosspool.ui.visit.images import ImageState
from crosspool.ui.visit.labelled import Collection, LabelledImage
from crosspool.ui.visit.link import LinkState
from crosspool.ui.widgets.text import number
from tests.app.test_frame import SMALL, checked, component, shown_text, texts
from tests.networks import sample
from tests.pictures import png, tinted

NAMES = [entry.id for entry in samples()]
PAIR, SIZE = SMALL["pair"], int(SMALL["size"])
LONG = 60


def section():
    """A page of nothing else."""
    import streamlit as st

    from crosspool.ui.maps.across import across
    from crosspool.ui.maps.page import maps_page
    from crosspool.ui.maps.selection import current_look, selected_channel
    from crosspool.ui.visit.images import ImageState
    from crosspool.ui.visit.link import LinkState
    from crosspool.ui.visit.state import visit_state

    def body(picture, request, maps):
        across(picture, request, maps, selected_channel(maps), current_look(maps.signed))

    maps_page("Across", body)
    st.caption(f"map {visit_state(LinkState).channel} of {visit_state(ImageState).source}")


@pytest.fixture(autouse=True)
def nothing_seen(tmp_path, monkeypatch, server):
    """No weights but the embedded ones, and nothing computed before."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    server.cache.clear()


@pytest.fixture
def passes(monkeypatch):
    """A list that grows with every image that is looked at."""
    seen, compute_maps = [], compute._compute

    def counted(request, image, backbone):
        seen.append(request.image)
        return compute_maps(request, image, backbone)

    monkeypatch.setattr(compute, "_compute", counted)
    return seen


def visit(**params):
    app = AppTest.from_function(section, default_timeout=120)
    app.query_params.update({**SMALL, **params})
    return checked(app.run())


def looked(app):
    """Press the button, wait for the survey, and see what came of it."""
    app = checked(app.button(key="across-look").click().run())
    assert state_of(app, AcrossState).survey.wait(LONG)
    return checked(app.run())


def pick(app, control, option):
    return checked(app.button_group(key=f"across_{control}").set_value(option).run())


def upload(app, count):
    """What the uploader leaves in the session: so many pictures of different tints."""
    pictures = [sources._visitors_image(png(tinted(seed, seed % 3)), f"mine {seed}.png") for seed in range(count)]
    state_of(app, ImageState).received = {picture.key: picture for picture in pictures}
    return checked(app.run())


def labelled(app, each, damaged=0):
    """What "Train & compare" leaves in the session: two classes of so many pictures, some of them damaged."""
    own = Collection("Your images")
    for turn in range(each):
        for channel, label in enumerate(("red", "green")):
            own.add(label, png(tinted(10 * turn + channel, channel)), f"{turn}.png")
    own.classes["red"] += [
        LabelledImage(ImageHash(f"{turn}"), ImageHash(f"{turn}"), f"bad {turn}.png", b"no picture", "")
        for turn in range(damaged)
    ]
    state_of(app, LabelledState).own_collection, state_of(app, LabelledState).labelled_source = own, "upload"
    return pick(checked(app.run()), "set", "labelled")


@cache
def network(name="squeezenet1_1"):
    return load_backbone(name, "untrained")


def upper(picture):
    """All maps of a picture straight from the library, (D, H, W)."""
    return network().activations(picture, PAIR, SIZE).upper[0].numpy()


@cache
def library():
    """All maps of each sample."""
    return [upper(sample(name)) for name in NAMES]


def rows(app):
    return component(app, "across")["rows"]


def titles(app):
    return [row["title"] for row in rows(app)]


def steps(row, column=0):
    cells = np.frombuffer(base64.b64decode(row["cells"][column]["steps"]), np.uint8)
    return cells.reshape(row["rows"], row["columns"])


def test_nothing_is_computed_unasked(passes):
    app = visit()
    assert len(passes) == 1  # the page's own picture
    assert [bool(row["cells"]) for row in rows(app)] == [True] + [False] * (len(NAMES) - 1)
    assert [row["chosen"] for row in rows(app)] == [True] + [False] * (len(NAMES) - 1)
    assert f"1 of {len(NAMES)} images computed" in shown_text(app)
    for order in ("peak", "mean", "given"):
        app = pick(app, "order", order)
    assert len(passes) == 1
    app = looked(app)
    assert len(passes) == len(NAMES)
    assert all(row["cells"] for row in rows(app))
    assert app.button(key="across-look").disabled
    assert len(set(passes)) == len(NAMES)
    assert all(row["cells"] for row in rows(visit()))  # another session computes nothing
    assert len(passes) == len(NAMES)


def test_a_column_has_the_librarys_values_on_one_scale():
    app = looked(visit(channel="5", pins="40,5", smooth="0"))
    maps = library()
    columns = component(app, "across")["columns"]
    assert [column["channel"] for column in columns] == [40, 5]  # as they were pinned
    for place, channel in enumerate((40, 5)):
        top = max(float(one[channel].max()) for one in maps)
        assert columns[place]["scale"] == ["0", number(top)]
        for row, one in zip(rows(app), maps, strict=True):
            cell = row["cells"][place]
            assert np.abs(steps(row, place) - one[channel] / top * 255).max() <= 1
            where = np.unravel_index(one[channel].argmax(), one[channel].shape)
            assert cell["peak"] == f"peak {number(one[channel].max())}"
            assert cell["place"] == f"row {where[0]}, column {where[1]}"
            assert cell["mean"] == f"mean {number(one[channel].mean())}"


@pytest.mark.parametrize(("params", "top"), [({"scale": "layer"}, None), ({"scale": "fixed", "top": "0.5"}, 0.5)])
def test_all_columns_share_the_scale_of_the_layer_or_a_fixed_one(params, top):
    app = looked(visit(channel="5", pins="40", **params))
    maps = library()
    top = top or max(float(one.max()) for one in maps)
    assert [column["scale"] for column in component(app, "across")["columns"]] == [None, None]
    (bar,) = (element.proto.body for element in app.get("html") if "colour-scale" in element.proto.body)
    assert "<span>0</span>" in bar
    assert f"<span>{number(top)}</span>" in bar
    for row, one in zip(rows(app), maps, strict=True):
        assert np.abs(steps(row, 1) - np.clip(one[40] / top, 0, 1) * 255).max() <= 1 + one[40].max() / top


def test_signed_maps_have_their_zero_in_the_middle():
    params = {"backbone": "resnet18", "pair": "layer4.1.conv2", "signed": "1", "channel": "3"}
    app = looked(visit(**params))
    found = [network("resnet18").activations(sample(name), params["pair"], SIZE, signed=True) for name in NAMES]
    maps = [one.upper[0, 3].numpy() for one in found]
    top = max(float(np.abs(one).max()) for one in maps)
    for row, one in zip(rows(app), maps, strict=True):
        assert np.abs(steps(row) - (one / top + 1) * 127.5).max() <= 1.5
    strongest = sorted(zip(maps, NAMES, strict=True), key=lambda pair: -np.abs(pair[0]).max())
    titles_of = {entry.id: entry.title for entry in samples()}
    assert titles(pick(app, "order", "peak")) == [titles_of[name] for _, name in strongest]


def test_the_strongest_image_comes_first():
    app = looked(visit(channel="5"))
    maps = {entry.title: one[5] for entry, one in zip(samples(), library(), strict=True)}
    assert titles(app) == list(maps)
    peaks = sorted(maps, key=lambda title: -maps[title].max())
    assert titles(pick(app, "order", "peak")) == peaks
    assert "Strongest first: by the peak of map 5" in shown_text(app)
    means = sorted(maps, key=lambda title: -maps[title].mean())
    assert titles(pick(app, "order", "mean")) == means
    assert peaks != means != list(maps) != peaks


def test_of_equal_peaks_the_larger_mean_comes_first():
    def glance(peak, mean):
        return survey.ImageSummary("", False, *(np.array([value]) for value in (0, peak, 0, 0, mean)))

    rows = [("a", glance(6, 1)), ("b", None), ("c", glance(6, 2)), ("d", glance(-7, -3)), ("e", glance(5, 5))]
    orders: dict[Order, str] = {"peak": "dcaeb", "mean": "ecadb"}
    for order, names in orders.items():
        found: Any = strongest_first(cast(Any, rows), 0, order)
        assert "".join(name for name, _ in found) == names


# --- sets


def test_ones_own_images_come_first_from_two_on():
    app = upload(visit(), 1)
    assert titles(app) == [entry.title for entry in samples()]
    app = upload(app, 3)
    assert titles(app) == ["mine 0.png", "mine 1.png", "mine 2.png"]
    assert titles(pick(app, "set", "both")) == [*(f"mine {turn}.png" for turn in range(3)), *titles(visit())]
    state_of(app, ImageState).received = {}
    app = checked(app.run())
    assert titles(app) == [entry.title for entry in samples()]


def test_a_sample_that_was_uploaded_is_one_image():
    app = visit()
    cat = samples()[0]
    own = [sources._visitors_image(data, "mine") for data in (cat.path.read_bytes(), png(tinted(0, 0)))]
    state_of(app, ImageState).received = {picture.key: picture for picture in own}
    app = pick(checked(app.run()), "set", "both")
    assert titles(app) == ["mine", "mine", *(entry.title for entry in samples()[1:])]
    app = looked(app)
    progress = state_of(app, AcrossState).survey.progress
    assert progress.total == progress.done == len(NAMES)
    assert app.button(key="across-look").label == f"All {len(NAMES) + 1} computed"


def test_of_a_labelled_set_the_strongest_are_shown(passes, server):
    app = labelled(visit(channel="5"), each=8)
    assert not [element for element in app.get("bidi_component") if element.key == "across"]
    app = looked(app)
    assert len(passes) == 17
    assert "16 of 16 images computed. The 12 strongest of them: by the peak of map 5" in shown_text(app)
    shots = {
        f"{label}/{place} {shot.title}": upper(load_image(shot.data))[5].max()
        for label, members in state_of(app, LabelledState).own_collection.classes.items()
        for place, shot in enumerate(members, 1)
    }
    assert titles(app) == sorted(shots, key=lambda name: -shots[name])[:12]
    (first,) = [usage for usage in server.cache.usages() if usage.name == "maps"]
    assert first.entries == 1  # of the others no more than is shown is kept
    other = checked(app.run())
    state_of(other, LinkState).channel = 40
    other = checked(other.run())
    assert len(passes) == 17
    assert titles(other) != sorted(shots, key=lambda name: -shots[name])[:12]


def test_a_large_set_is_thinned_out_to_what_there_is_room_for(monkeypatch):
    maps = upper(sample())
    a_picture = maps.size + len(maps) * survey.BYTES_A_CHANNEL + survey.BYTES_A_PHOTO
    cache, max_images = SharedCache(2 * 5 * a_picture), survey.max_images
    monkeypatch.setattr("crosspool.ui.maps.survey.max_images", lambda _, map_shape: max_images(cache, map_shape))
    app = labelled(visit(), each=8)
    assert app.button(key="across-look").label == "Compute these 4 images"
    assert "One in 4 images is computed: there is no room for the maps of all 16." in shown_text(app)


def test_a_damaged_picture_is_one_sentence_and_the_others_go_on():
    app = looked(labelled(visit(), each=2, damaged=1))
    (told,) = [text for text in texts(app.warning) if "bad 0" in text]
    assert told.count("\n") == 1
    assert len(rows(app)) == 4
    assert app.button(key="across-look").label == "All 4 computed"


# --- a survey under way


@pytest.fixture
def held(monkeypatch):
    """Images are looked at one by one: each waits until it may."""
    turn = threading.Semaphore(0)

    def waiting(*args, **options):
        assert turn.acquire(timeout=LONG)
        return compute.image_maps(*args, **options)

    monkeypatch.setattr(survey, "image_maps", waiting)
    return turn


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_results_come_one_by_one_until_it_is_cancelled(held):
    app = checked(visit().button(key="across-look").click().run())
    held.release(2)
    under_way = state_of(app, AcrossState).survey
    until(lambda: under_way.progress.done == 2)
    app = checked(app.run())
    (bar,) = app.get("progress")
    assert bar.proto.text == f"2 of {len(NAMES) - 1}"
    assert [bool(row["cells"]) for row in rows(app)] == [True] * 3 + [False] * (len(NAMES) - 3)
    app = pick(app, "order", "peak")  # while it runs the rows keep their places
    assert titles(app) == [entry.title for entry in samples()]
    app = checked(app.button(key="across-cancel").click().run())
    assert not app.get("progress")
    held.release()  # the one that was begun finds that nobody waits for it
    assert under_way.wait(LONG)
    assert under_way.progress.done == 2
    assert checked(app.run()).button(key="across-look").label == f"Compute the other {len(NAMES) - 3} images"


def test_other_settings_end_it(held):
    app = checked(visit().button(key="across-look").click().run())
    under_way = state_of(app, AcrossState).survey
    state_of(app, LinkState).framing = "squash"
    app = checked(app.run())
    assert not under_way.running
    assert state_of(app, AcrossState).survey is None
    held.release()
    assert under_way.wait(LONG)
    assert under_way.progress.done == 0
