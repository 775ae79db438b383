"""Build P in a real browser: dragging, playing, and the experiments."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import SMALL

pytestmark = pytest.mark.browser

PAGE = "Build P"


@pytest.fixture
def build(visit):
    """Opens the page, by way of the first one, in a new window."""

    def new(width=1440, height=900):
        window = visit()
        window.sent = []

        def on_sent(frame):
            window.sent.append(frame)

        window.page.on("websocket", lambda socket: socket.on("framesent", on_sent))
        window.go(**SMALL)  # maps of 7 x 7
        window.page.get_by_role("link", name=PAGE).click()
        expect(window.page.get_by_role("heading", name=PAGE, exact=True)).to_be_visible()
        expect(window.page.get_by_text("Confirmed: both sides agree")).to_be_visible()
        window.page.set_viewport_size({"width": width, "height": height})
        window.settle()
        return window

    return new


def middle(frame, row, column):
    """The middle of a cell in the window."""
    box = frame.bounding_box()
    return box["x"] + box["width"] * (column + 0.5) / 7, box["y"] + box["height"] * (row + 0.5) / 7


def test_dragging_moves_the_position_and_the_last_request_wins(build):
    window = build()
    mouse, step = window.page.mouse, window.page.locator(".walk span")
    frame = window.page.locator(".frame").last
    places = [middle(frame, row, column) for row in range(7) for column in range(7)]
    window.sent.clear()
    start = time.monotonic()
    mouse.move(*places[0])
    mouse.down()
    for place in places[1::3]:
        mouse.move(*place)
    assert len(window.sent) <= 10 * (time.monotonic() - start) + 2  # of 17
    mouse.move(*(value + 300 for value in places[-1]))  # far outside: the nearest cell
    expect(step).to_have_text("Position 49 of 49: row 6, column 6")
    mouse.move(*places[23])
    mouse.up()
    expect(step).to_have_text("Position 24 of 49: row 3, column 2")
    window.settle()
    expect(window.page.locator(".cell.moving")).to_have_count(0)
    mouse.move(*places[40])  # the button is up
    window.page.keyboard.press("ArrowRight")
    expect(step).to_have_text("Position 25 of 49: row 3, column 3")


def test_a_finger_drags_the_position_and_elsewhere_scrolls_the_page(build):
    window = build(width=390, height=844)
    page, step = window.page, window.page.locator(".walk span")
    frame = page.locator(".frame").last
    fingers = page.context.new_cdp_session(page)
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def swipe(*places):
        for kind, place in (("touchStart", places[0]), *(("touchMove", place) for place in places[1:])):
            x, y = place
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
            page.wait_for_timeout(30)
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def scrolled():
        return page.get_by_test_id("stMain").evaluate("main => main.scrollTop")

    frame.scroll_into_view_if_needed()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    row, column = map(int, re.findall(r"row (\d), column (\d)", step.inner_text())[0])
    before, cell = scrolled(), frame.bounding_box()["height"] / 7
    swipe(*(middle(frame, place, column) for place in (*range(row, 6), 6)))
    expect(step).to_contain_text(f"row 6, column {column}")
    assert abs(scrolled() - before) < cell  # a line may wrap; a page that scrolls would follow the finger over rows
    swipe(*(middle(frame, place, (column + 3) % 7) for place in range(4, -1, -1)))  # a finger's way down the page
    page.wait_for_function("before => document.querySelector('[data-testid=stMain]').scrollTop > before", arg=before)
    window.settle()
    expect(step).to_contain_text(f"row 6, column {column}")


def test_the_walk_plays_to_its_end(build):
    window = build()
    step, slider = window.page.locator(".walk span"), window.page.locator(".walk input")
    slider.focus()
    window.page.keyboard.press("End")
    expect(step).to_have_text("Position 49 of 49: row 6, column 6")
    for _ in range(3):
        window.page.keyboard.press("ArrowLeft")
    expect(step).to_have_text("Position 46 of 49: row 6, column 3")
    window.page.get_by_role("button", name="Play").click()
    expect(window.page.get_by_role("button", name="Pause")).to_have_count(0)
    expect(step).to_contain_text("row 6, column")
    assert not window.page.locator(".walk").evaluate("walk => walk.playing")


def test_an_experiment_shows_its_verdict_and_fits_any_width(build):
    window = build()
    for title, verdict in (
        ("P is a gradient", "Confirmed: both sides agree"),
        ("Move the weights alone", "P changed, as it must"),
    ):
        window.page.get_by_text(title, exact=True).click()
        expect(window.page.get_by_text(verdict)).to_be_visible()
        window.settle()
    window.expect_to_fit_every_width()
