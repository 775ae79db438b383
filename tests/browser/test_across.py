"""The same channels on several images in a real browser: images are drawn, pressed, and reached by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import SMALL, colours_in

pytestmark = pytest.mark.browser


def surveyed(window, **params):
    """The page with the maps of all samples computed."""
    window.go(**{**SMALL, **params})
    window.open("The same maps on other images")
    window.page.get_by_role("button", name=re.compile("^Compute ")).click()  # those that no other visit has computed
    expect(window.page.get_by_role("button", name="All 8 computed", exact=True)).to_be_visible()
    window.settle()
    return window


def cell(window, channel, title):
    return window.page.get_by_role("button", name=f"Map {channel} over {title}: peak")


def test_every_image_is_drawn_a_phone_scrolls_the_maps_and_a_cell_is_chosen_by_keyboard(visit):
    window = surveyed(visit(), channel="5", pins="41,40,42,43")
    for title in ("Cat", "Bricks", "Galaxies"):
        assert colours_in(cell(window, 5, title).locator("canvas")) > 50
    assert cell(window, 5, "Cat").get_attribute("aria-pressed") == "true"
    window.page.set_viewport_size({"width": 390, "height": 844})
    window.settle()
    expect_to_scroll_beside_the_images(window)
    window.page.set_viewport_size({"width": 1440, "height": 900})
    window.settle()
    cell(window, 5, "Cat").focus()
    for key in ("ArrowLeft", "ArrowUp", "ArrowDown", *["ArrowRight"] * 5, *["ArrowLeft"] * 2):  # at the rim it stays
        window.page.keyboard.press(key)
    expect(cell(window, 40, "Espresso")).to_be_focused()
    assert window.page.locator('.across button[tabindex="0"]').count() == 1
    window.page.keyboard.press("Enter")
    expect(window.large).to_have_text("Map 40")
    expect(window.page.locator('.strip .tile[aria-pressed="true"]')).to_contain_text("Espresso")
    expect(cell(window, 40, "Espresso")).to_have_attribute("aria-pressed", "true")


def expect_to_scroll_beside_the_images(window):
    """The maps scroll, and the page does not."""
    grid, image = window.page.locator(".across"), window.page.locator(".across img").first
    grid.scroll_into_view_if_needed()
    before = image.bounding_box()["x"]
    assert grid.evaluate("grid => { grid.scrollLeft = 200; return grid.scrollLeft; }") == 200
    assert image.bounding_box()["x"] == pytest.approx(before, abs=4)
    assert window.page.get_by_test_id("stMain").evaluate("main => main.scrollWidth <= main.clientWidth")
    assert window.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
