"""The page of a channel in a real browser: from the gallery and back, by keyboard, on a phone."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_from_the_gallery_to_a_channel_on_to_its_neighbour_and_back(visit):
    window = visit()
    page = window.page
    page.goto(f"{window.url}/?size=128&channel=112")
    page.get_by_role("link", name="All about map 112").click()
    expect(page.get_by_role("heading", name="Map 112 of EfficientNet-Lite0")).to_be_visible()
    expect(page.locator(".channel-classes .for li").first).to_contain_text("butternut squash")
    expect(page.locator(".channel-images tbody tr")).to_have_count(8)
    window.settle()
    window.press("ArrowRight")
    expect(page.get_by_role("heading", name="Map 113 of EfficientNet-Lite0")).to_be_visible()
    expect(page).to_have_url(re.compile(r"channel=113\b"))
    window.settle()
    page.set_viewport_size({"width": 390, "height": 844})
    window.settle()
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth <= main.clientWidth")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("link", name="All maps").click()
    expect(page.get_by_role("link", name="All about map 113")).to_be_visible()
