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
from crosspool.grids import largest_cells
from crosspool.images import load_image
from crosspool.inspection.image import ImageFacts
from crosspool.samples import samples
from crosspool.ui.maps import survey
from crosspool.ui.maps.across import ImageOrder, strongest_first
from crosspool.ui.maps.surveying import SurveyState
from crosspool.ui.runtime import maps as compute
from crosspool.ui.runtime.quota import image_hash
from crosspool.ui.runtime.shared_cache import SharedCache
from crosspool.ui.visit import images as sources
from crosspool.ui.visit.choose_labelled import LabelledState
from crosspool.ui.visit.images import ImageState
from crosspool.ui.visit.labelled import Collection, LabelledImage
from crosspool.ui.visit.link import LinkState
from crosspool.ui.widgets.text import cells_name, number
from tests.app.test_frame import SMALL, checked, component, shown_text, texts
from tests.images import png, tinted
from tests.networks import sample

NAMES = [entry.id for entry in samples()]
PAIR, SIZE = SMALL["pair"], int(SMALL["size"])
LONG = 240  # seconds, which only a hang takes: pytest itself gives up at 300


def section():
    """A page of nothing else."""
    import streamlit as st

    from crosspool.ui.maps.across import across
    from crosspool.ui.maps.page import maps_page
    from crosspool.ui.maps.selection import current_look, selected_channel
    from crosspool.ui.visit.images import ImageState
    from crosspool.ui.visit.link import LinkState
    from crosspool.ui.visit.state import visit_state

    def body(image, request, maps):
        across(image, request, maps, selected_channel(maps), current_look(maps.signed))

    maps_page("Across", body)
    st.caption(f"map {visit_state(LinkState).channel} of {'upload' if visit_state(ImageState).upload else 'sample'}")


@pytest.fixture(autouse=True)
def empty_caches(tmp_path, monkeypatch, server):
    """No weights but the embedded ones, and nothing computed before."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    server.cache.clear()


@pytest.fixture
def passes(monkeypatch):
    """The hash of every image whose maps are computed, in this order."""
    images, compute_maps = [], compute._compute

    def counted(request, image, backbone):
        images.append(request.image)
        return compute_maps(request, image, backbone)

    monkeypatch.setattr(compute, "_compute", counted)
    return images


def opened(**params):
    app = AppTest.from_function(section, default_timeout=120)
    app.query_params.update({**SMALL, **params})
    return checked(app.run())


def surveyed(app):
    """The page once the button was pressed and all maps are computed."""
    app = checked(app.button(key="across-look").click().run())
    assert state_of(app, SurveyState).survey.wait(LONG)
    return checked(app.run())


def pick(app, control, option):
    return checked(app.button_group(key=f"across_{control}").set_value(option).run())


def upload(app, count):
    """What the uploader leaves in the session: `count` images of different tints."""
    images = [sources._visitors_image(png(tinted(seed, seed % 3)), f"mine {seed}.png") for seed in range(count)]
    state_of(app, ImageState).received = {image.key: image for image in images}
    return checked(app.run())


def labelled_image(data, title):
    facts = ImageFacts("PNG", "RGB", 32, 24, pixels=image_hash(data))
    return LabelledImage(image_hash(data), image_hash(data), title, data, "", facts)


def labelled(app, each, damaged=0):
    """What "Train & compare" leaves in the session: two classes of `each` images, and some damaged ones.

    They are put there without a decoder process or a lease, and other tests have no equal ones: a lost process, or a
    lease that ends late, would take one of them away.
    """
    own = Collection("Your images")
    for channel, label in enumerate(("red", "green")):
        files = [png(tinted(10 * turn + channel, channel)) for turn in range(1, each + 1)]
        files += [f"no image {turn}".encode() for turn in range(damaged if label == "red" else 0)]
        own.classes[label] = [labelled_image(data, f"{turn}.png") for turn, data in enumerate(files)]
    state_of(app, LabelledState).own_collection, state_of(app, LabelledState).labelled_source = own, "upload"
    return pick(checked(app.run()), "set", "labelled")


@cache
def network(name="squeezenet1_1"):
    return load_backbone(name, "untrained")


def upper(image):
    """All maps of an image straight from the library, (D, H, W)."""
    return network().activations(image, PAIR, SIZE).upper[0].numpy()


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
    app = opened()
    assert len(passes) == 1  # the page's own image
    assert [bool(row["cells"]) for row in rows(app)] == [True] + [False] * (len(NAMES) - 1)
    assert [row["chosen"] for row in rows(app)] == [True] + [False] * (len(NAMES) - 1)
    assert f"1 of {len(NAMES)} images computed" in shown_text(app)
    for order in ("peak", "mean", "given"):
        app = pick(app, "order", order)
    assert len(passes) == 1
    app = surveyed(app)
    assert len(passes) == len(NAMES)
    assert all(row["cells"] for row in rows(app))
    assert app.button(key="across-look").disabled
    assert len(set(passes)) == len(NAMES)
    assert all(row["cells"] for row in rows(opened()))  # another session computes nothing
    assert len(passes) == len(NAMES)


def test_a_column_has_the_librarys_values_on_one_scale():
    app = surveyed(opened(channel="5", pins="40,5", smooth="0"))
    maps = library()
    columns = component(app, "across")["columns"]
    assert [column["channel"] for column in columns] == [40, 5]  # as they were pinned
    for place, channel in enumerate((40, 5)):
        top = max(float(image_maps[channel].max()) for image_maps in maps)
        assert columns[place]["scale"] == ["0", number(top)]
        for row, image_maps in zip(rows(app), maps, strict=True):
            cell = row["cells"][place]
            assert np.abs(steps(row, place) - image_maps[channel] / top * 255).max() <= 1
            where = largest_cells(image_maps[channel])
            assert cell["peak"] == f"peak {number(image_maps[channel].max())}"
            assert cell["place"] == cells_name(where)
            assert cell["mean"] == f"mean {number(image_maps[channel].mean())}"


@pytest.mark.parametrize(("params", "top"), [({"scale": "layer"}, None), ({"scale": "fixed", "top": "0.5"}, 0.5)])
def test_all_columns_share_the_scale_of_the_layer_or_a_fixed_one(params, top):
    app = surveyed(opened(channel="5", pins="40", **params))
    maps = library()
    top = top or max(float(image_maps.max()) for image_maps in maps)
    assert [column["scale"] for column in component(app, "across")["columns"]] == [None, None]
    (bar,) = (element.proto.body for element in app.get("html") if "colour-scale" in element.proto.body)
    assert "<span>0</span>" in bar
    assert f"<span>{number(top)}</span>" in bar
    for row, image_maps in zip(rows(app), maps, strict=True):
        assert np.abs(steps(row, 1) - np.clip(image_maps[40] / top, 0, 1) * 255).max() <= 1 + image_maps[40].max() / top


def test_signed_maps_have_their_zero_in_the_middle():
    params = {"backbone": "resnet18", "pair": "layer4.1.conv2", "signed": "1", "channel": "3"}
    app = surveyed(opened(**params))
    results = [network("resnet18").activations(sample(name), params["pair"], SIZE, signed=True) for name in NAMES]
    maps = [result.upper[0, 3].numpy() for result in results]
    top = max(float(np.abs(weights).max()) for weights in maps)
    for row, weights in zip(rows(app), maps, strict=True):
        assert np.abs(steps(row) - (weights / top + 1) * 127.5).max() <= 1.5
    strongest = sorted(zip(maps, NAMES, strict=True), key=lambda pair: -np.abs(pair[0]).max())
    titles_of = {entry.id: entry.title for entry in samples()}
    assert titles(pick(app, "order", "peak")) == [titles_of[name] for _, name in strongest]


def test_the_strongest_image_comes_first():
    app = surveyed(opened(channel="5"))
    maps = {entry.title: image_maps[5] for entry, image_maps in zip(samples(), library(), strict=True)}
    assert titles(app) == list(maps)
    peaks = sorted(maps, key=lambda title: -maps[title].max())
    assert titles(pick(app, "order", "peak")) == peaks
    assert "Strongest first: by the peak of map 5" in shown_text(app)
    means = sorted(maps, key=lambda title: -maps[title].mean())
    assert titles(pick(app, "order", "mean")) == means
    assert peaks != means != list(maps) != peaks


def test_of_equal_peaks_the_larger_mean_comes_first():
    def summary(peak, mean):
        return survey.ImageSummary("", False, *(np.array([value]) for value in (0, peak, 0, 0, 1, mean, 0, 0)))

    rows = [("a", summary(6, 1)), ("b", None), ("c", summary(6, 2)), ("d", summary(-7, -3)), ("e", summary(5, 5))]
    orders: dict[ImageOrder, str] = {"peak": "dcaeb", "mean": "ecadb"}
    for order, names in orders.items():
        ranked: Any = strongest_first(cast(Any, rows), 0, order)
        assert "".join(name for name, _ in ranked) == names


# --- sets


def test_two_or_more_uploads_come_before_the_samples():
    app = upload(opened(), 1)
    assert titles(app) == [entry.title for entry in samples()]
    app = upload(app, 3)
    assert titles(app) == ["mine 0.png", "mine 1.png", "mine 2.png"]
    assert titles(pick(app, "set", "both")) == [*(f"mine {turn}.png" for turn in range(3)), *titles(opened())]
    state_of(app, ImageState).received = {}
    app = checked(app.run())
    assert titles(app) == [entry.title for entry in samples()]


def test_a_sample_that_was_uploaded_is_one_image():
    app = opened()
    cat = samples()[0]
    own = [sources._visitors_image(data, "mine") for data in (cat.path.read_bytes(), png(tinted(0, 0)))]
    state_of(app, ImageState).received = {image.key: image for image in own}
    app = pick(checked(app.run()), "set", "both")
    assert titles(app) == ["mine", "mine", *(entry.title for entry in samples()[1:])]
    app = surveyed(app)
    progress = state_of(app, SurveyState).survey.progress
    assert progress.total == progress.done == len(NAMES)
    assert app.button(key="across-look").label == f"All {len(NAMES) + 1} computed"


def test_of_a_labelled_set_the_strongest_are_shown(passes, server):
    app = labelled(opened(channel="5"), each=8)
    assert not [element for element in app.get("bidi_component") if element.key == "across"]
    app = surveyed(app)
    assert len(passes) == 17
    assert "16 of 16 images computed. The 12 strongest of them: by the peak of map 5" in shown_text(app)
    peaks = {
        f"{label}/{place} {image.title}": upper(load_image(image.data))[5].max()
        for label, members in state_of(app, LabelledState).own_collection.classes.items()
        for place, image in enumerate(members, 1)
    }
    assert titles(app) == sorted(peaks, key=lambda name: -peaks[name])[:12]
    (maps_usage,) = [usage for usage in server.cache.usages() if usage.name == "maps"]
    assert maps_usage.entries == 1  # of the others no more than is shown is kept
    other = checked(app.run())
    state_of(other, LinkState).channel = 40
    other = checked(other.run())
    assert len(passes) == 17
    assert titles(other) != sorted(peaks, key=lambda name: -peaks[name])[:12]


def test_a_large_set_is_thinned_out_to_what_there_is_room_for(monkeypatch):
    maps = upper(sample())
    bytes_per_image = maps.size + len(maps) * survey.BYTES_A_CHANNEL + survey.BYTES_A_PHOTO
    cache, max_images = SharedCache(2 * 5 * bytes_per_image), survey.max_images
    monkeypatch.setattr("crosspool.ui.maps.survey.max_images", lambda _, map_shape: max_images(cache, map_shape))
    app = labelled(opened(), each=8)
    assert app.button(key="across-look").label == "Compute these 4 images"
    assert "One in 4 images is computed: there is no room for the maps of all 16." in shown_text(app)


def test_a_damaged_image_gives_one_sentence_and_the_others_go_on():
    app = surveyed(labelled(opened(), each=2, damaged=1))
    (warning,) = [text for text in texts(app.warning) if "2\\.png" in text]
    assert warning.count("\n") == 1
    assert len(rows(app)) == 4
    assert app.button(key="across-look").label == "All 4 computed"


# --- a survey under way


@pytest.fixture
def held(monkeypatch):
    """A semaphore that lets the maps of one image be computed at each release."""
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


def test_results_come_one_by_one_until_the_survey_is_cancelled(held):
    app = checked(opened().button(key="across-look").click().run())
    held.release(2)
    under_way = state_of(app, SurveyState).survey
    until(lambda: under_way.progress.done == 2)
    app = checked(app.run())
    (bar,) = app.get("progress")
    assert bar.proto.text == f"2 of {len(NAMES) - 1}"
    assert [bool(row["cells"]) for row in rows(app)] == [True] * 3 + [False] * (len(NAMES) - 3)
    app = pick(app, "order", "peak")  # while it runs the rows keep their places
    assert titles(app) == [entry.title for entry in samples()]
    app = checked(app.button(key="across-cancel").click().run())
    assert not app.get("progress")
    held.release()  # the image under way finds that nobody waits for it
    assert under_way.wait(LONG)
    assert under_way.progress.done == 2
    assert checked(app.run()).button(key="across-look").label == f"Compute the other {len(NAMES) - 3} images"


def test_other_settings_end_the_survey(held):
    app = checked(opened().button(key="across-look").click().run())
    under_way = state_of(app, SurveyState).survey
    state_of(app, LinkState).framing = "squash"
    app = checked(app.run())
    assert not under_way.running
    assert state_of(app, SurveyState).survey is None
    held.release()
    assert under_way.wait(LONG)
    assert under_way.progress.done == 0
