"""The gallery in a real browser: looking, sorting, finding, pinning and choosing, by mouse, keyboard and touch."""

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from crosspool.backbones import architecture, load_backbone
from crosspool.localisation import compare
from crosspool.receptive_field import receptive_field
from crosspool.statistics import channel_statistics
from tests.networks import sample

pytestmark = pytest.mark.browser

SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.expand3x3", "size": "128"}
COUNT, SIDE = 256, 7


@pytest.fixture(scope="module")
def maps():
    """The upper maps of the cat, (256, 7, 7), and their statistics."""
    backbone = load_backbone(SMALL["backbone"], "untrained")
    pair = backbone.architecture.pair(SMALL["pair"])
    found = backbone.activations(sample("cat"), pair, int(SMALL["size"]))
    return found.upper[0].numpy(), channel_statistics(found.upper[0], crosslayer(found, pair)[0])


def crosslayer(found, pair):
    from crosspool.pooling import cross_layer_pool

    return cross_layer_pool(found.lower, found.upper, **pair.geometry)


@pytest.fixture
def window(visit):
    window = visit().go(**SMALL)
    expect(window.tile_at(0)).to_be_visible()
    window.page.locator(".wall").scroll_into_view_if_needed()
    return window


def shown(window):
    """The channels on the screen in their order."""
    pairs = window.tiles.evaluate_all("tiles => tiles.map(tile => [Number(tile.ariaPosInSet), tile.channel])")
    return [channel for _, channel in sorted(pairs)]


def active(window):
    """The place of the active tile, in the order of the gallery."""
    return int(window.page.locator(".wall .tile.active").get_attribute("aria-posinset")) - 1


def facts(window):
    return window.page.locator(".lens .facts")


# --- order and filters


@pytest.mark.parametrize("sort", ["energy_share", "peak", "mean", "sparsity", "channel"])
def test_the_order_is_the_librarys(window, maps, sort):
    window.control("Show").select_option("all")
    window.control("Sort by").select_option(sort)
    order = maps[1].order(sort)
    values = np.arange(COUNT) if sort == "channel" else np.abs(getattr(maps[1], sort))
    found = shown(window)
    assert len(found) > 20
    # 8 bits and single precision may swap what is as good as equal
    assert values[found] == pytest.approx(values[order[: len(found)]], rel=1e-4, abs=2e-5)


def test_filters_say_how_many_they_keep_and_keep_them(window, maps):
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
    expect(window.page.get_by_text("Map 17 over it")).to_be_visible()
    window.control("Channel").fill("256")
    expect(window.page.get_by_text("There is no channel 256: they run from 0 to 255.")).to_be_visible()
    window.control("Channel").press("Escape")
    expect(window.control("Channel")).to_have_value("")
    assert len(shown(window)) > 20


# --- what it looks like


def colours_of(window, place=0):
    script = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"
    canvas = window.tile_at(place).locator("canvas")
    return np.array(canvas.evaluate(script)).reshape(-1, 4)[:, :3]


def test_the_look_is_drawn_at_once_and_told_to_the_server(window):
    before = colours_of(window)
    window.control("Colours").select_option("gray")
    window.control("Opacity").evaluate("slider => { slider.value = 1; slider.dispatchEvent(new Event('input')); }")
    drawn = colours_of(window)  # without having waited for anything
    assert (drawn == drawn[:, :1]).all()
    assert not (before == before[:, :1]).all()
    window.page.wait_for_url(re.compile("colours=gray&opacity=1"))
    expect(window.page.get_by_alt_text(re.compile("drawn in gray"))).to_be_visible()
    window.control("Smooth").uncheck()
    blocks = colours_of(window)
    assert len(np.unique(blocks[:, 0])) <= SIDE * SIDE


def test_one_scale_for_the_layer_or_a_fixed_one(window, maps):
    upper, statistics = maps
    place, bright = 30, lambda: colours_of(window, 30).max()
    window.control("Colours").select_option("gray")
    window.control("Opacity").evaluate("slider => { slider.value = 1; slider.dispatchEvent(new Event('input')); }")
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
    window.page.wait_for_url(re.compile(rf"scale=fixed&smooth=0&top={top}"))


def test_tiles_grow_and_only_those_on_the_screen_are_there(window):
    few = window.tiles.count()
    assert few < COUNT / 2
    window.control("Tiles").evaluate("slider => { slider.value = 240; slider.dispatchEvent(new Event('input')); }")
    assert window.tile_at(0).bounding_box()["width"] >= 240
    assert window.tiles.count() < few
    window.page.locator(".wall").evaluate("wall => wall.scrollTop = wall.scrollHeight")
    last = int(window.tile_at(0).or_(window.tiles).first.get_attribute("aria-setsize"))
    expect(window.tile_at(last - 1)).to_be_visible()
    assert window.tile_at(0).count() == 0


# --- the hand


def test_hovering_says_the_weight_the_cell_and_its_field(window, maps):
    channel = int(window.tile_at(2).get_attribute("data-channel"))
    canvas = window.tile_at(2).locator("canvas")
    side = canvas.bounding_box()["width"]
    canvas.hover(position={"x": side * 4.5 / SIDE, "y": side * 2.5 / SIDE})
    expect(window.page.locator(".lens .facts b")).to_have_text(f"Map {channel}")
    found = architecture(SMALL["backbone"])
    field = receptive_field(found.layout(128), found.pair(SMALL["pair"]).upper, 2, 4)
    expect(facts(window)).to_contain_text(f"receptive field {field.width}×{field.height} px")
    text = facts(window).inner_text()
    weight = float(re.search(r"row 2, column 4: weight ([\d.e+−]+)", text)[1])
    assert weight == pytest.approx(maps[0][channel, 2, 4], abs=maps[1].peak[channel] / 255)
    expect(window.page.get_by_text(f"Map {channel} over it")).to_have_count(0)  # looking is not choosing


def test_a_click_chooses(window):
    channel = window.tile_at(4).get_attribute("data-channel")
    window.tile_at(4).click()
    expect(window.tile(channel)).to_have_attribute("aria-selected", "true")
    expect(window.page.get_by_text(f"Map {channel} over it")).to_be_visible()
    window.page.wait_for_url(re.compile(rf"channel={channel}\b"))
    expect(window.page.locator(".wall .tile.chosen")).to_have_count(1)


def test_everything_by_keyboard(window):
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
    expect(window.page.get_by_text(f"Map {channel} over it")).to_be_visible()
    window.settle()
    window.page.keyboard.press("Home")  # the focus has stayed
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


def test_pins_stand_side_by_side_and_are_in_the_link(window):
    channels = [window.tile_at(place).get_attribute("data-channel") for place in (1, 3)]
    window.tile_at(1).click(modifiers=["Shift"])
    window.page.locator(".wall").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight", "p"):
        window.page.keyboard.press(key)
    pinned = window.page.locator(".gallery .pinned figure")
    expect(pinned).to_have_count(2)
    assert pinned.locator("b").all_inner_texts() == channels
    boxes = [figure.bounding_box() for figure in pinned.all()]
    assert boxes[0]["y"] == boxes[1]["y"]
    window.page.wait_for_url(re.compile(rf"pins={channels[0]}%2C{channels[1]}"))
    window.page.reload()
    expect(pinned).to_have_count(2)
    window.page.get_by_role("button", name=f"Unpin map {channels[0]}").first.click()
    expect(pinned).to_have_count(1)
    window.page.wait_for_url(re.compile(rf"pins={channels[1]}\b"))


# --- pointing


def expected_order(maps, box):
    """Average precision and contrast of each map, as it is sent, against the box in parts of the side."""
    upper, statistics = maps
    peak = statistics.peak[:, None, None]
    seen = np.rint(upper / np.where(peak > 0, peak, 1) * 255) / 255 * peak
    mask = np.zeros((SIDE * 100, SIDE * 100), bool)
    left, top, right, bottom = (round(part * SIDE * 100) for part in box)
    mask[top:bottom, left:right] = True
    precision = compare(torch.tensor(seen), mask).precision
    shares = mask.reshape(SIDE, 100, SIDE, 100).mean((1, 3))
    inside = (seen * shares).sum((1, 2)) / shares.sum()
    outside = (seen * (1 - shares)).sum((1, 2)) / (1 - shares).sum()
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
    found = shown(window)
    best = np.lexsort((-contrast, -precision))
    assert precision[found] == pytest.approx(precision[best[: len(found)]], abs=0.01)
    assert window.tile_at(0).locator(".caption span").inner_text() == f"AP {precision[found[0]]:.2f}"
    dead = np.flatnonzero(maps[1].dead)
    assert not len(dead) or precision[dead] == pytest.approx(0.5 * 0.37)  # what a map that knows nothing gets

    photo.focus()
    window.page.keyboard.press("Escape")
    expect(window.control("Sort by")).to_have_value("energy_share")
    assert shown(window)[0] == maps[1].energy_share.argmax()


def test_a_click_on_the_photo_means_its_cell(window, maps):
    window.control("Show").select_option("all")
    photo = window.page.locator(".lens .photo")
    side = photo.bounding_box()["width"]
    photo.click(position={"x": side * 3.5 / SIDE, "y": side * 2.5 / SIDE})
    expect(window.control("Sort by")).to_have_value("box")
    precision, contrast = expected_order(maps, (3 / SIDE, 2 / SIDE, 4 / SIDE, 3 / SIDE))
    found = shown(window)
    assert precision[found] == pytest.approx(np.sort(precision)[::-1][: len(found)], abs=1e-6)
    ties = [k for k in found if precision[k] == precision[found[0]]]
    assert contrast[ties] == pytest.approx(sorted(contrast[ties], reverse=True))


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


def test_by_touch(browser, app_url):
    from urllib.parse import urlencode

    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{app_url}/?{urlencode(SMALL)}")
    tile = page.locator('.wall .tile[aria-posinset="3"]')
    expect(tile).to_be_visible()
    channel = tile.get_attribute("data-channel")
    tile.tap()
    expect(page.locator(".lens .facts b")).to_have_text(f"Map {channel}")
    expect(page.get_by_text(f"Map {channel} over it")).to_be_visible()
    page.locator(".lens .pin").tap()
    expect(page.locator(".gallery .pinned figure")).to_have_count(1)
    page.locator(".lens .photo").tap(position={"x": 30, "y": 40})
    expect(page.locator('.toolbar [aria-label="Sort by"]')).to_have_value("box")
    boxes = [page.locator(f".lens .{name}").bounding_box() for name in ("photo", "map")]
    assert boxes[0]["y"] == boxes[1]["y"]  # side by side, above the maps
    assert boxes[1]["x"] + boxes[1]["width"] <= 390
    context.close()


def test_another_image_keeps_the_look_and_brings_its_own_maps(window):
    window.control("Sort by").select_option("channel")
    window.control("Colours").select_option("magma")
    before = colours_of(window)
    window.page.locator(".strip .tile", has_text="Rocket").click()
    expect(window.page.locator("strong", has_text="Rocket")).to_be_visible()
    window.settle()
    expect(window.control("Sort by")).to_have_value("channel")
    expect(window.control("Colours")).to_have_value("magma")
    assert shown(window)[0] == int(window.tile_at(0).get_attribute("data-channel"))
    assert not np.array_equal(colours_of(window), before)
