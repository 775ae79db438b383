"""Build the feature in a real browser: one screen, dragging, playing, and the experiments."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.test_pages import SMALL

pytestmark = pytest.mark.browser

PAGE = "Build the feature"
PLACE = re.compile(r"Position (\d+) of 49: row (\d), column (\d)")
HEIGHTS = {1440: 900, 1024: 768, 390: 844}


@pytest.fixture
def build(visit):
    """Opens the page in a new window."""

    def new(width=1440):
        window = visit()
        window.sent = []

        def on_sent(frame):
            window.sent.append(frame)

        window.page.on("websocket", lambda socket: socket.on("framesent", on_sent))
        window.go("/build_p", **SMALL)  # maps of 7 x 7
        expect(window.page.get_by_role("heading", name=PAGE, exact=True)).to_be_visible()
        expect(window.page.locator(".walk .place")).to_have_text(PLACE)
        window.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        window.settle()
        return window

    return new


def place(window):
    """The step, the row and the column."""
    (numbers,) = PLACE.findall(window.page.locator(".walk .place").inner_text())
    return tuple(map(int, numbers))


def middle(frame, row, column):
    """The middle of a cell in the window."""
    box = frame.bounding_box()
    return box["x"] + box["width"] * (column + 0.5) / 7, box["y"] + box["height"] * (row + 0.5) / 7


def heights(window):
    """The heights of the bars that have grown so far."""
    return window.page.locator(".sum i.part").evaluate_all("bars => bars.map((bar) => bar.style.height)")


def test_photo_map_bars_and_controls_are_on_one_screen(build):
    window = build()
    page = window.page
    for width, height in HEIGHTS.items():
        page.set_viewport_size({"width": width, "height": height})
        window.settle()
        if width == 390:  # below the choice of image, but all of it within one screen
            page.locator(".player").evaluate("player => player.scrollIntoView()")
        for part in page.locator(".frame, .columns").all():
            expect(part).to_be_in_viewport(ratio=0.95)
        expect(page.get_by_role("button", name="Play")).to_be_in_viewport(ratio=0.95)
        for name in ("Guided lesson", "Maps", "Build the feature", "Why this class?", "Train & compare"):
            expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()


def test_dragging_moves_the_position_and_the_last_request_wins(build):
    window = build()
    page, mouse = window.page, window.page.mouse
    page.get_by_role("combobox", name="Order").select_option("rows")
    window.settle()
    frame = page.locator(".frame").last
    places = [middle(frame, row, column) for row in range(7) for column in range(7)]
    window.sent.clear()
    start = time.monotonic()
    mouse.move(*places[0])
    mouse.down()
    for each in places[1::3]:
        mouse.move(*each)
    assert len(window.sent) <= 10 * (time.monotonic() - start) + 2  # of 17
    mouse.move(*(value + 300 for value in places[-1]))  # far outside: the nearest cell
    assert place(window) == (49, 6, 6)
    mouse.move(*places[23])
    mouse.up()
    assert place(window) == (24, 3, 2)
    window.settle()
    mouse.move(*places[40])  # the button is up
    page.keyboard.press("ArrowRight")
    assert place(window) == (25, 3, 3)
    window.settle()
    page.get_by_text("With all numbers").click()
    expect(page.get_by_text(re.compile("At row 3, column 3, map"))).to_be_visible()


def test_a_finger_drags_the_position_and_elsewhere_scrolls_the_page(build):
    window = build(width=390)
    page = window.page
    frame = page.locator(".frame").last
    fingers = page.context.new_cdp_session(page)
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def swipe(*places):
        for kind, (x, y) in (("touchStart", places[0]), *(("touchMove", each) for each in places[1:])):
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
            page.wait_for_timeout(30)
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def scrolled():
        return page.get_by_test_id("stMain").evaluate("main => main.scrollTop")

    page.locator(".player").evaluate("player => player.scrollIntoView({ block: 'center' })")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    _, row, column = place(window)
    before = scrolled()
    swipe(*(middle(frame, each, column) for each in (*range(row, 6), 6)))
    assert place(window)[1:] == (6, column)
    assert abs(scrolled() - before) < 10
    far = 6 if column < 3 else 0  # away from the handle
    swipe(*(middle(frame, each, far) for each in range(4, -1, -1)))  # a finger's way down the page
    page.wait_for_function("before => document.querySelector('[data-testid=stMain]').scrollTop > before", arg=before)
    window.settle()
    assert place(window)[1:] == (6, column)


def test_the_browser_plays_by_itself_at_any_speed_pauses_and_starts_again(build):
    window = build()
    page = window.page
    button = page.locator(".player .play")
    page.get_by_role("combobox", name="Order").select_option("rows")
    page.get_by_role("button", name="Back to start").click()
    expect(page.locator(".walk .place")).to_have_text("Position 1 of 49: row 0, column 0")
    window.settle()
    page.get_by_role("combobox", name="Speed").select_option("8")
    window.sent.clear()
    start = time.monotonic()
    button.click()
    expect(button).to_have_text("❚❚ Pause")
    expect(button).to_have_text("▶ Play")
    assert time.monotonic() - start < 12  # the 12 s of 49 positions, eight times as fast, on a busy machine
    assert len(window.sent) <= 2  # where it stopped
    window.settle()
    wholes = page.locator(".sum i.whole").evaluate_all("bars => bars.map((bar) => bar.style.height)")
    assert heights(window) == wholes
    page.get_by_role("button", name="Back to start").click()
    assert heights(window) != wholes
    page.get_by_role("button", name="Step").click()
    assert place(window) == (2, 0, 1)
    page.get_by_role("combobox", name="Speed").select_option("0.5")
    button.click()
    page.wait_for_timeout(1200)
    button.click()
    expect(button).to_have_text("▶ Play")
    step = place(window)[0]
    assert 2 <= step < 10
    window.settle()
    assert place(window)[0] == step


def test_an_experiment_shows_its_verdict_never_the_last_one_and_fits_any_width(build):
    window = build()
    page = window.page
    page.get_by_text("What follows from Eq. 1").click()
    expect(page.get_by_text("Confirmed: both sides agree")).to_be_visible()
    window.settle()
    page.evaluate(
        """() => {
          globalThis.contradictions = 0;
          const look = () => {
            const text = document.body.innerText;
            const isNew = text.includes("The counter-check: shuffle only the maps");
            if (isNew && text.includes("Confirmed: both sides agree")) globalThis.contradictions += 1;
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    page.get_by_text("Move the weights alone", exact=True).click()
    expect(page.get_by_text("P changed, as it must")).to_be_visible()
    window.settle()
    assert page.evaluate("contradictions") == 0
    window.expect_to_fit_every_width()
