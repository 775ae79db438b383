"""The collection in a real browser: a wall, a map, a cell of the plane, and back; at every width, for everybody."""

import re

import pytest
from playwright.sync_api import expect

from benchmarks.harness import app as harness
from benchmarks.harness.visits import Visit
from tests.accessibility import expect_accessible
from tests.collections import generated

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a server with a collection."""
    store, folder = tmp_path_factory.mktemp("generated") / "store", tmp_path_factory.mktemp("app")
    generated(store)
    environment = {"TORCH_HOME": str(folder), "CROSSPOOL_ENGINE": "torch", "CROSSPOOL_FEATURES": str(store)}
    with harness.served(folder, environment) as server:
        yield server.url
    assert server.faults == [], server.log.read_text()


def test_a_visit_from_the_wall_to_a_map_and_a_cell_and_back(browser, url):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    window = Visit(page, url)
    page.goto(f"{url}/collection")
    tiles = page.locator(".strip.small .tile")
    expect(tiles).to_have_count(60)
    window.settle()
    expect(page).to_have_title("Collection · crosspool")
    assert tiles.first.locator("img").evaluate("image => image.naturalWidth") > 0

    tiles.nth(4).click()  # by a mouse, and then by keys
    expect(page.locator(".collection-picture img")).to_be_visible()
    window.settle()
    bar = page.locator(".bars .tile").first
    bar.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".strip.small .mark").first).to_be_visible()
    expect(page).to_have_url(re.compile(r"by=map&map=\d+&place=5$"))
    window.settle()
    expect_accessible(window)
    page.set_viewport_size({"width": 1440, "height": 900})

    page.get_by_role("radio", name="By likeness").click()
    mosaic = page.locator(".frame img")
    expect(mosaic).to_be_visible()
    window.settle()
    assert mosaic.evaluate("image => image.naturalWidth / image.naturalHeight") == pytest.approx(5 / 3)
    page.locator(".frame").focus()
    page.keyboard.press("ArrowUp")
    assert "cell" not in page.url
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("section=plane.*cell=11%2C20"))
    window.settle()
    page.get_by_role("radio", name="Channels by classes").click()
    expect(page.locator(".names.rows span")).to_have_text(["Kind 0", "Kind 1", "Kind 2"])
    window.settle()
    window.expect_to_fit_every_width()
    expect_accessible(window)

    page.go_back()
    expect(page).to_have_url(re.compile("section=plane.*cell="))
    expect(page.get_by_role("radio", name="By likeness")).to_be_checked()
    window.settle()
    for _ in range(2):
        page.go_back()
        window.settle()
    expect(page).to_have_url(re.compile(r"/collection\?by=map&map=\d+&place=5$"))
    expect(page.locator(".strip.small .mark").first).to_be_visible()
    page.get_by_role("button", name="Close image").click()
    expect(page.locator(".collection-picture")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"by=map&map=\d+$"))
    window.settle()
    window.expect_no_complaints()
    page.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_what_images_are_like_stands_beside_its_name(browser, url, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    window = Visit(page, url)
    page.goto(f"{url}/collection?by=like&like=7&label=001.Kind_1")
    expect(page.locator(".collection-like img")).to_be_visible()
    window.settle()
    picture, caption = (page.locator(f".collection-like {name}").bounding_box() for name in ("img", "figcaption"))
    assert picture["height"] == 56
    assert caption["x"] > picture["x"] + picture["width"]
    assert abs(caption["y"] + caption["height"] / 2 - picture["y"] - picture["height"] / 2) < 2
    window.expect_no_complaints()
    page.close()
