"""The gallery in a real browser: looking, sorting, searching, pinning and selecting, by mouse, keyboard and touch.

Most of it is tested in the HTML file, opened from the disk with the network off; what reaches a server, in the app.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from benchmarks.harness.visits import Visit
from crosspool.backbones import architecture, load_backbone
from crosspool.drawing.rendering import Look
from crosspool.gallery.mapset import pack_maps
from crosspool.gallery.standalone import gallery_page as html_page
from crosspool.localisation import score_region
from crosspool.pooling import cross_layer_pool
from crosspool.receptive_field import receptive_field
from crosspool.statistics import channel_statistics
from tests.networks import sample

pytestmark = pytest.mark.browser

SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.expand3x3", "size": "128"}
COUNT, SIDE = 256, 7


@pytest.fixture(scope="module")
def activations():
    """The cat's maps of a pair, and the pair."""
    backbone = load_backbone(SMALL["backbone"], "untrained")
    pair = backbone.architecture.pair(SMALL["pair"])
    return backbone.activations(sample("cat"), pair, int(SMALL["size"])), pair


@pytest.fixture(scope="module")
def maps(activations):
    """The upper maps, (256, 7, 7), and their statistics."""
    layers, pair = activations
    pooled = cross_layer_pool(layers.lower, layers.upper, **pair.geometry)
    return layers.upper[0].numpy(), channel_statistics(layers.upper[0], pooled[0])


@pytest.fixture(scope="module")
def html_file(activations, maps, tmp_path_factory):
    """The gallery as a file of its own."""
    (layers, pair), (upper, statistics) = activations, maps
    layout = architecture(SMALL["backbone"]).layout(128)
    boxes = [receptive_field(layout, pair.upper, i, i) for i in range(SIDE)]
    fields = [(box.top, box.bottom) for box in boxes], [(box.left, box.right) for box in boxes]
    packed = pack_maps(upper, statistics, layers.framed[0], signed=False, fields=fields)
    look = Look("viridis", opacity=0.65, smooth=True, scale="map", signed=False)
    made = {"name": "</script><img src=x onerror=alert(1)>"}
    page = html_page(packed, statistics, title="Cat", caption="maps", made=made, look=look, selected=3)
    path = tmp_path_factory.mktemp("file") / "gallery.html"
    path.write_bytes(page)
    return path


@pytest.fixture(scope="module")
def offline(browser):
    context = browser.new_context(offline=True, viewport={"width": 1440, "height": 900})
    yield context
    context.close()


@pytest.fixture
def window(offline, html_file):
    """The file, opened from the disk with the network off; it must be quiet and ask for nothing."""
    window = Visit(offline.new_page(), html_file.as_uri())
    window.page.goto(window.url)
    expect(window.tile_at(0)).to_be_visible()
    yield window
    window.page.close()
    window.expect_no_complaints()
    assert {url.partition(":")[0] for url in window.requests} == {"file"}


@pytest.fixture
def in_app(visit):
    window = visit().go(**SMALL)
    expect(window.tile_at(0)).to_be_visible()
    window.page.locator(".wall").scroll_into_view_if_needed()
    return window


def shown(window):
    """The channels on the screen in their order."""
    pairs = window.tiles.evaluate_all("tiles => tiles.map(tile => [Number(tile.ariaPosInSet), tile.channel])")
    return [channel for _, channel in sorted(pairs)]


def scroll_to_the_first(window):
    window.page.locator(".wall").evaluate("wall => wall.scrollTo(0, 0)")
    expect(window.tile_at(0)).to_be_visible()


def active(window):
    """The place of the active tile, in the order of the gallery."""
    return int(window.page.locator(".wall .tile.active").get_attribute("aria-posinset")) - 1


def facts(window):
    return window.page.locator(".lens .facts")


def map_of(window):
    """A sentence with the name of the enlarged map."""
    return window.page.locator(".lens .title")


# --- order and filters


def test_the_order_is_the_librarys(window, maps):
    window.control("Show").select_option("all")
    for sort in ("energy_share", "peak", "mean", "sparsity", "channel"):
        window.control("Sort by").select_option(sort)
        order = maps[1].order(sort)
        values = np.arange(COUNT) if sort == "channel" else np.abs(getattr(maps[1], sort))
        channels = shown(window)
        assert len(channels) > 20
        # single precision may swap what is as good as equal
        assert values[channels] == pytest.approx(values[order[: len(channels)]], rel=1e-4, abs=2e-5), sort


def test_filters_keep_the_maps_that_they_count(window, maps):
    alive = int((~maps[1].dead).sum())
    strongest = np.sort(maps[1].energy_share)[::-1].cumsum()
    most = int(np.searchsorted(strongest, 0.9)) + 1
    window.tile_at(5).click(modifiers=["Shift"])
    for name, kept in (("alive", alive), ("all", COUNT), ("most", most), ("pinned", 1)):
        window.control("Show").select_option(name)
        expect(window.page.locator(".gallery .status")).to_have_text(f"{kept} of {COUNT} maps")
        expect(window.tile_at(0)).to_have_attribute("aria-setsize", str(kept))


def test_a_channel_is_found_by_its_number(window):
    window.control("Channel").fill("17")
    expect(window.tiles).to_have_count(11)
    assert shown(window) == [17, *range(170, 180)]
    window.control("Channel").press("Enter")
    expect(window.tile(17)).to_have_class(re.compile("selected"))
    window.control("Channel").fill("256")
    expect(window.page.get_by_text("There is no channel 256: they run from 0 to 255.")).to_be_visible()
    window.control("Channel").fill("0, 5,12-14,")
    assert shown(window) == [0, 5, 12, 13, 14]
    window.control("Channel").fill("eyes")
    expect(window.page.get_by_text("Type a channel number, or several, such as 0,5,12-20.")).to_be_visible()
    window.control("Channel").press("Escape")
    expect(window.control("Channel")).to_have_value("")
    assert len(shown(window)) > 20
    last = int(window.page.locator(".wall .space").evaluate("space => space.parentElement.scrollHeight"))
    for text in ("201", "20", "2", ""):  # deleted letter by letter, what was found stays
        window.control("Channel").fill(text)
    expect(window.tile(201)).to_have_class(re.compile("selected"))
    expect(window.tile(201)).to_be_in_viewport(ratio=0.9)
    assert window.page.locator(".wall").evaluate("wall => wall.scrollHeight") == last


# --- what it looks like


COLOURS = """tile => {
    const [left, side] = tile.area;
    return Array.from(tile.parentElement.canvas.getContext("2d").getImageData(left, 0, side, side).data);
}"""


def colours_of(window, place=0):
    return np.array(window.tile_at(place).evaluate(COLOURS)).reshape(-1, 4)[:, :3]


def slide_to(control, value):
    control.evaluate("(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }", value)


def test_the_look_is_drawn_at_once(window):
    before = colours_of(window)
    window.control("Overlay").select_option("even")
    window.control("Colours").select_option("gray")
    slide_to(window.control("Opacity"), 1)
    drawn = colours_of(window)  # without having waited for anything
    assert (drawn == drawn[:, :1]).all()
    assert not (before == before[:, :1]).all()
    window.control("Smooth").uncheck()
    blocks = colours_of(window)
    assert len(np.unique(blocks[:, 0])) <= SIDE * SIDE


def test_one_scale_for_the_layer_or_a_fixed_one(window, maps):
    upper, statistics = maps
    place, bright = 30, lambda: colours_of(window, 30).max()
    window.control("Overlay").select_option("even")
    window.control("Colours").select_option("gray")
    slide_to(window.control("Opacity"), 1)
    window.control("Smooth").uncheck()
    channel = int(window.tile_at(place).get_attribute("data-channel"))
    assert bright() == 255
    window.control("Scale").select_option("layer")
    assert bright() == pytest.approx(255 * statistics.peak[channel] / upper.max(), abs=2)
    window.control("Scale").select_option("fixed")
    expect(window.control("Up to")).to_have_value(f"{upper.max():.3g}")
    top = 2 * float(statistics.peak[channel])
    window.control("Up to").fill(str(top))
    window.control("Up to").press("Enter")
    assert bright() == pytest.approx(127.5, abs=2)


def test_tiles_grow_and_only_those_on_the_screen_are_there(window):
    few = window.tiles.count()
    assert few < COUNT / 2
    slide_to(window.control("Tiles"), 240)
    assert window.tile_at(0).bounding_box()["width"] >= 240
    assert window.tiles.count() < few
    window.page.locator(".wall").evaluate("wall => wall.scrollTop = wall.scrollHeight")
    last = int(window.tile_at(0).or_(window.tiles).first.get_attribute("aria-setsize"))
    expect(window.tile_at(last - 1)).to_be_visible()
    assert window.tile_at(0).count() == 0


# --- the hand

HISTORY = """wall => {
    const selected = () => wall.querySelector(".tile.selected")?.dataset.channel;
    wall.selections = [selected()];
    const note = () => {
        const channel = selected();
        if (channel !== wall.selections.at(-1)) wall.selections.push(channel);
    };
    new MutationObserver(note).observe(wall, { subtree: true, attributeFilter: ["class"] });
}"""


def test_hovering_says_the_weight_the_cell_and_its_field(window, maps):
    channel = int(window.tile_at(2).get_attribute("data-channel"))
    image = window.tile_at(2).locator(".image")
    side = image.bounding_box()["width"]
    image.hover(position={"x": side * 4.5 / SIDE, "y": side * 2.5 / SIDE})
    expect(window.large).to_have_text(f"Preview: map {channel}")  # which has a frame of another kind
    frames = [window.tile_at(place).evaluate("tile => getComputedStyle(tile).borderStyle") for place in (2, 1)]
    assert frames == ["dashed", "solid"]
    network = architecture(SMALL["backbone"])
    field = receptive_field(network.layout(128), network.pair(SMALL["pair"]).upper, 2, 4)
    expect(facts(window)).to_contain_text(f"receptive field {field.width}×{field.height} px")
    text = facts(window).inner_text()
    (weight,) = re.findall(r"row 2, column 4: weight ([\d.e+−]+)", text)
    assert float(weight) == pytest.approx(maps[0][channel, 2, 4], abs=maps[1].peak[channel] / 255)
    expect(window.tile(channel)).to_have_attribute("aria-selected", "false")  # looking is not choosing


def expect_presses_to_work_after_coming_back(in_app):
    in_app.tile_at(2).click()
    in_app.page.wait_for_url(re.compile("channel="))
    in_app.settle()
    in_app.page.get_by_role("link", name="Build the feature").click()
    expect(in_app.page.get_by_role("heading", name="Weighting maps")).to_have_count(0)
    in_app.settle()
    in_app.page.get_by_role("link", name="Maps", exact=True).click()
    expect(in_app.tile_at(2)).to_have_attribute("aria-selected", "true")
    channel = in_app.tile_at(3).get_attribute("data-channel")
    in_app.tile_at(3).click()
    in_app.page.wait_for_url(re.compile(rf"channel={channel}\b"))
    in_app.settle()
    expect(in_app.tile(channel)).to_have_attribute("aria-selected", "true")


def test_a_click_selects_a_map_also_after_coming_back_to_the_page(in_app):
    channel = in_app.tile_at(4).get_attribute("data-channel")
    wall = in_app.page.locator(".wall")
    before = wall.bounding_box()
    in_app.tile_at(4).click()
    expect(in_app.tile(channel)).to_have_attribute("aria-selected", "true")
    expect(map_of(in_app)).to_contain_text(re.compile(rf"^Map {channel}Pin"))
    in_app.page.wait_for_url(re.compile(rf"channel={channel}\b"))
    expect(in_app.page.locator(".wall .tile.selected")).to_have_count(1)
    in_app.settle()
    assert wall.bounding_box() == before  # nothing about the map has pushed it away from under the pointer
    wall.focus()
    in_app.page.keyboard.press("Home")
    in_app.page.keyboard.press("Enter")
    strongest = in_app.tile_at(0).get_attribute("data-channel")
    expect(in_app.large).to_have_text(f"Map {strongest}")
    in_app.settle()
    in_app.page.keyboard.press("ArrowRight")  # the focus has stayed
    assert active(in_app) == 1
    expect_presses_to_work_after_coming_back(in_app)


def test_presses_in_quick_succession_are_not_undone(in_app):
    """The server answers the first press after the second one, and may hear of no more than the last."""
    first = in_app.page.locator(".wall .tile.selected").get_attribute("data-channel")
    channels = [in_app.tile_at(place).get_attribute("data-channel") for place in (2, 3, 4)]
    in_app.page.locator(".wall").evaluate(HISTORY)
    in_app.tile_at(2).click()
    in_app.tile_at(1).click(modifiers=["Shift"])
    in_app.tile_at(3).click()
    in_app.tile_at(4).click()
    in_app.page.wait_for_url(re.compile(rf"channel={channels[-1]}\b.*pins=\d+"))
    in_app.settle()
    expect(in_app.large).to_have_text(f"Map {channels[-1]}")
    assert in_app.page.locator(".wall").evaluate("wall => wall.selections") == [first, *channels]
    expect(in_app.pinned).to_have_count(1)


def test_the_gallery_can_be_used_by_keyboard(window):
    wall = window.page.locator(".wall")
    wall.focus()
    for key, place in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("Home", 0), ("ArrowUp", 0)):
        window.page.keyboard.press(key)
        assert active(window) == place
    window.page.keyboard.press("ArrowDown")
    above, below = window.tile_at(0).bounding_box(), window.page.locator(".wall .tile.active").bounding_box()
    assert (above["x"], above["y"] < below["y"]) == (below["x"], True)
    window.page.keyboard.press("End")
    assert active(window) == int(window.tiles.first.get_attribute("aria-setsize")) - 1
    expect(wall).to_have_attribute("aria-activedescendant", window.page.locator(".tile.active").get_attribute("id"))
    expect(window.page.locator(".tile.active")).to_be_in_viewport()
    assert window.page.locator(".tile.active").evaluate("tile => getComputedStyle(tile).outlineStyle") == "solid"
    channel = window.page.locator(".tile.active").get_attribute("data-channel")
    window.page.keyboard.press("Enter")
    expect(window.tile(channel)).to_have_class(re.compile("selected"))
    window.page.keyboard.press("Home")
    assert active(window) == 0
    window.page.keyboard.press("Escape")  # back to the one that is chosen
    assert window.page.locator(".tile.active").get_attribute("data-channel") == channel


def test_screen_readers_hear_number_peak_and_place(window, maps):
    channel = int(window.tile_at(0).get_attribute("data-channel"))
    statistics = maps[1]
    label = window.tile_at(0).get_attribute("aria-label")
    place = f"at row {statistics.peak_row[channel]}, column {statistics.peak_column[channel]}"
    assert label.startswith(f"map {channel}: peak {statistics.peak[channel]:.3g} {place}; ")
    assert window.page.get_by_role("listbox", name="Weighting maps").count() == 1


def test_pins_stand_side_by_side(window):
    channels = [window.tile_at(place).get_attribute("data-channel") for place in (1, 3)]
    window.tile_at(1).click(modifiers=["Shift"])
    window.page.locator(".wall").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight", "p"):
        window.page.keyboard.press(key)
    assert window.pinned.locator("b").all_inner_texts() == channels
    boxes = [figure.bounding_box() for figure in window.pinned.all()]
    assert boxes[0]["y"] == boxes[1]["y"]
    window.page.get_by_role("button", name=f"Unpin map {channels[0]}").first.click()
    assert window.pinned.locator("b").all_inner_texts() == channels[1:]


def test_the_ninth_pin_is_refused_with_a_sentence(window):
    for place in range(9):
        window.tile_at(place).click(modifiers=["Shift"])
    expect(window.page.locator(".gallery .status")).to_have_text("8 maps are pinned; unpin one first.")
    pinned = window.pinned.locator("b").all_inner_texts()
    assert pinned == [str(channel) for channel in shown(window)[:8]]


def test_pins_are_in_the_link(in_app):
    channels = [in_app.tile_at(place).get_attribute("data-channel") for place in (1, 3)]
    for place in (1, 3):
        in_app.tile_at(place).click(modifiers=["Shift"])
    in_app.page.wait_for_url(re.compile(rf"pins={channels[0]}%2C{channels[1]}"))
    in_app.page.reload()
    expect(in_app.pinned).to_have_count(2)
    in_app.page.get_by_role("button", name=f"Unpin map {channels[0]}").first.click()
    in_app.page.wait_for_url(re.compile(rf"pins={channels[1]}\b"))


# --- pointing


def expected_order(maps, box):
    """Average precision and contrast of each map against the box in parts of the side."""
    upper = maps[0]
    mask = np.zeros((SIDE * 100, SIDE * 100), bool)
    left, top, right, bottom = (round(part * SIDE * 100) for part in box)
    mask[top:bottom, left:right] = True
    precision = score_region(torch.tensor(upper), mask).precision
    shares = mask.reshape(SIDE, 100, SIDE, 100).mean((1, 3))
    inside = (upper * shares).sum((1, 2)) / shares.sum()
    outside = (upper * (1 - shares)).sum((1, 2)) / (1 - shares).sum()
    return precision, inside - outside


def test_a_box_on_the_photo_sorts_the_maps_by_how_well_they_find_it(window, maps):
    window.control("Show").select_option("all")
    photo = window.page.locator(".lens .photo")
    photo.scroll_into_view_if_needed()
    frame = photo.bounding_box()
    box = (0.25, 0.25, 0.75, 0.62)
    place = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in (box[:2], box[2:])]
    window.page.mouse.move(*place[0])
    window.page.mouse.down()
    window.page.mouse.move(*place[1], steps=4)
    window.page.mouse.up()
    expect(window.control("Sort by")).to_have_value("box")
    precision, contrast = expected_order(maps, box)
    channels = shown(window)
    best = np.lexsort((-contrast, -precision))
    assert precision[channels] == pytest.approx(precision[best[: len(channels)]], abs=0.01)
    assert window.tile_at(0).locator(".caption span").inner_text() == f"AP {precision[channels[0]]:.2f}"
    expect(map_of(window)).to_contain_text(f"Map {channels[0]}match {precision[channels[0]]:.2f}")
    dead = np.flatnonzero(maps[1].dead)
    assert not len(dead) or precision[dead] == pytest.approx(0.5 * 0.37)  # what a map that knows nothing gets

    photo.focus()
    window.page.keyboard.press("Escape")
    expect(window.control("Sort by")).to_have_value("energy_share")
    assert shown(window)[0] == maps[1].energy_share.argmax()
    expect(map_of(window)).to_have_text(re.compile("^Map 3Pin"))  # all as it was before


def test_a_click_on_the_photo_or_the_map_selects_a_cell(window, maps):
    order = shown(window)
    for name, (row, column) in (("photo", (2, 3)), ("map", (5, 1))):
        canvas = window.page.locator(f".lens .{name}")
        side = canvas.bounding_box()["width"]
        canvas.click(position={"x": side * (column + 0.5) / SIDE, "y": side * (row + 0.5) / SIDE})
        window.tile_at(0).hover()
        window.page.mouse.move(0, 0)
        weight = float(maps[0][3, row, column])
        expect(facts(window)).to_contain_text(f"row {row}, column {column}: weight ")
        shown_weight = re.findall(r"weight ([\d.e+−]+)", facts(window).inner_text())[0]
        assert float(shown_weight) == pytest.approx(weight, rel=0.006)
    window.page.locator(".lens .map").focus()
    window.page.keyboard.press("ArrowRight")
    expect(facts(window)).to_contain_text("row 5, column 2: weight ")
    assert shown(window) == order


def test_a_box_by_keyboard(window):
    window.page.locator(".lens .photo").focus()
    window.page.keyboard.press("ArrowRight")
    expect(window.control("Sort by")).to_have_value("box")
    first = shown(window)
    for _ in range(2):
        window.page.keyboard.press("ArrowUp")
        window.page.keyboard.press("Shift+ArrowLeft")
    assert shown(window) != first


# --- touch, and another image


def test_the_gallery_can_be_used_by_touch(browser, app_url):
    from urllib.parse import urlencode

    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{app_url}/?{urlencode(SMALL)}")
    tile = page.locator('.wall .tile[aria-posinset="3"]')
    expect(tile).to_be_visible()
    channel = tile.get_attribute("data-channel")
    tile.tap()
    expect(page.locator(".lens .title b")).to_have_text(f"Map {channel}")
    page.locator(".lens .pin").tap()
    expect(page.locator(".gallery .pins figure")).to_have_count(1)
    page.locator(".lens .photo").tap(position={"x": 30, "y": 40})  # selects a cell, and is no box
    side = page.locator(".lens .photo").bounding_box()["width"]
    place = f"row {int(40 / side * SIDE)}, column {int(30 / side * SIDE)}"
    expect(page.locator(".lens .facts")).to_contain_text(place)
    expect(page.locator('.toolbar [aria-label="Sort by"]')).to_have_value("energy_share")
    page.locator(".lens .photo").dispatch_event("keydown", {"key": "ArrowRight"})
    expect(page.locator('.toolbar [aria-label="Sort by"]')).to_have_value("box")
    page.get_by_role("button", name="Clear box").tap()
    expect(page.locator('.toolbar [aria-label="Sort by"]')).to_have_value("energy_share")
    expect(page.locator(".lens .title b")).to_have_text(f"Map {channel}")  # as it was before
    boxes = [page.locator(f".lens .{name}").bounding_box() for name in ("photo", "map")]
    assert boxes[0]["y"] == boxes[1]["y"]  # side by side, above the maps
    assert boxes[1]["x"] + boxes[1]["width"] <= 390
    context.close()


def test_the_server_hears_of_the_look_and_another_image_keeps_it_and_brings_its_own_maps(in_app):
    in_app.control("Colours").select_option("gray")
    in_app.control("Overlay").select_option("even")
    slide_to(in_app.control("Opacity"), 1)
    in_app.page.wait_for_url(re.compile("colours=gray&overlay=even&opacity=1"))
    assert (colours_of(in_app) == colours_of(in_app)[:, :1]).all()
    in_app.control("Sort by").select_option("channel")
    in_app.control("Colours").select_option("magma")
    before = colours_of(in_app)
    in_app.page.locator(".strip .tile", has_text="Rocket").click()
    expect(in_app.chosen_image).to_contain_text("Rocket")
    in_app.settle()
    expect(in_app.control("Sort by")).to_have_value("channel")
    expect(in_app.control("Colours")).to_have_value("magma")
    selected = in_app.large.inner_text().split()[1]
    expect(in_app.tile(selected)).to_be_in_viewport(ratio=0.9)
    scroll_to_the_first(in_app)
    assert shown(in_app)[0] == int(in_app.tile_at(0).get_attribute("data-channel"))
    assert not np.array_equal(colours_of(in_app), before)


def test_a_look_chosen_just_before_another_image_stays(in_app):
    in_app.control("Colours").select_option("magma")
    in_app.control("Sort by").select_option("channel")
    in_app.page.locator(".strip .tile", has_text="Rocket").click()  # before the server has heard of it
    expect(in_app.chosen_image).to_contain_text("Rocket")
    in_app.page.wait_for_url(re.compile("colours=magma"))
    expect(in_app.control("Colours")).to_have_value("magma")
    in_app.settle()
    in_app.open("Download and share")
    first = in_app.page.get_by_role("radio", name=re.compile("First 23"))
    first.click()
    in_app.settle()
    in_app.page.get_by_role("tab", name="Python").click()
    scroll_to_the_first(in_app)
    alive = sorted(shown(in_app))
    expect(in_app.page.locator("code", has_text="slide(")).to_contain_text(f"[{alive[0]}, {alive[1]}, {alive[2]},")


# --- large and signed maps


@pytest.fixture
def large(offline, tmp_path):
    """Six signed maps of 150 x 224: one has a negative peak, one is dead. Sent averaged down to 112 cells a side."""
    upper = np.zeros((6, 150, 224), np.float32)
    for channel in range(5):
        upper[channel, 12 + channel : 14 + channel, 206:208] = (-1) ** channel * (channel + 1)
    statistics = channel_statistics(torch.tensor(upper), torch.tensor(upper).flatten(1))
    fields = [(i, i + 1) for i in range(150)], [(i, i + 1) for i in range(224)]
    packed = pack_maps(upper, statistics, sample("cat").resize((224, 224)), signed=True, fields=fields)
    look = Look("RdBu_r", opacity=1, smooth=False, scale="layer", signed=True, overlay="even")
    path = tmp_path / "large.html"
    path.write_bytes(html_page(packed, statistics, title="x", caption="y", made={}, look=look, selected=3))
    window = Visit(offline.new_page(), path.as_uri())
    window.page.goto(window.url)
    expect(window.tile_at(0)).to_be_visible()
    yield window
    window.page.close()
    window.expect_no_complaints()


def test_large_signed_maps_say_where_they_were_averaged(large):
    label = large.tile(3).get_attribute("aria-label")
    assert label.startswith("map 3: peak −4 at 4 cells; ")  # of the map that was averaged
    text = facts(large).inner_text()
    assert text.startswith("rows 14 to 16, columns 206 to 207: mean weight −")
    assert " (largest −4); " in text
    assert large.page.locator(".lens .scale span").all_inner_texts() == ["−5", "5"]


def test_signed_colours_are_the_librarys(large):
    from crosspool.drawing.rendering import colour_table, quantise

    zero = colours_of(large, 0)[0]  # a corner, where all maps are zero
    table = colour_table("RdBu_r")
    assert np.abs(zero.astype(int) - table[quantise(np.zeros(1), (-5, 5))[0]]).max() <= 4


@pytest.mark.parametrize("signed", [False, True])
def test_overlays_are_the_librarys(offline, tmp_path, signed):
    upper = np.array([[[0, 1, 2], [3, 4, 5], [6, 7, 8]]], np.float32) - (4 if signed else 0)
    photo, statistics = (
        Image.new("RGB", (96, 96), (90, 140, 200)),
        channel_statistics(torch.tensor(upper), torch.ones(1, 1)),
    )
    packed = pack_maps(upper, statistics, photo, signed=signed, fields=([(0, 1)] * 3, [(0, 1)] * 3))
    look = Look("RdBu_r" if signed else "viridis", opacity=0.7, smooth=False, signed=signed)
    path = tmp_path / "one.html"
    path.write_bytes(html_page(packed, statistics, title="x", caption="y", made={}, look=look, selected=0))
    window = Visit(offline.new_page(), path.as_uri())
    window.page.goto(window.url)
    expect(window.tile_at(0)).to_be_visible()
    for overlay in ("growing", "even"):
        window.control("Overlay").select_option(overlay)
        drawn = colours_of(window)
        side = round(len(drawn) ** 0.5)
        centres = [(2 * cell + 1) * side // 6 for cell in range(3)]
        middle = drawn.reshape(side, side, 3)[np.ix_(centres, centres)].astype(int)
        expected = replace(look, overlay=overlay).over(
            Image.new("RGB", (3, 3), (90, 140, 200)), upper[0], colours_span(look, upper)
        )
        assert np.abs(middle - np.asarray(expected, int)).max() <= 4  # a JPEG, and steps of 8 bits
    window.page.close()


def colours_span(look, upper):
    return look.colour_range(np.abs(upper).max((1, 2)), 0)


# --- presenting


def test_presenting_shows_one_map_after_the_other(visit):
    window = visit().go(**SMALL, present="1")
    page = window.page
    expect(page.get_by_test_id("stSidebar")).not_to_be_visible()
    expect(page.locator(".strip")).not_to_be_visible()
    boxes = [image.bounding_box() for image in page.locator(".frame img").all()]
    assert len(boxes) == 2
    assert min(box["width"] for box in boxes) > 500  # of 1,440 pixels
    first = page.get_by_text(re.compile(r"^Map \d+ over the photo$")).inner_text()
    window.press("ArrowRight")
    expect(page.get_by_text(first)).to_have_count(0)
    second = page.get_by_text(re.compile(r"^Map \d+ over the photo$")).inner_text()
    page.wait_for_url(re.compile(rf"channel={second.split()[1]}\b.*present=1"))
    window.settle()
    window.press("ArrowLeft")
    expect(page.get_by_text(first)).to_be_visible()
    window.settle()
    page.set_viewport_size({"width": 1024, "height": 768})
    expect(page.locator(".st-key-phone-pages")).not_to_be_visible()
    expect(page.get_by_role("button", name="Cite this view")).to_have_count(0)
    page.set_viewport_size({"width": 1440, "height": 900})
    window.press("Escape")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    expect(window.tile_at(0)).to_be_visible()
    assert "present" not in page.url
