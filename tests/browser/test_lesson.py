"""The guided lesson and presenter mode in a real browser: keys, links and widths."""

import re

import pytest
from playwright.sync_api import expect

from crosspool.ui.lesson.state import TITLES
from tests.accessibility import expect_accessible

pytestmark = pytest.mark.browser


@pytest.fixture
def lesson(visit):
    """Opens the lesson in a new window."""

    def new():
        window = visit()
        window.page.goto(f"{window.url}/lesson?step=1")
        at_step(window, 1)
        return window

    return new


def at_step(window, step):
    """Wait for a step, in the heading, the row of steps and the address."""
    heading = window.page.get_by_role("heading", name=f"{step} · {TITLES[step - 1]}")
    expect(heading.first).to_be_visible()  # for a moment, the old step may still be there
    expect(window.page.locator(".steps [aria-current]").first).to_have_attribute(
        "aria-label", re.compile(re.escape(f"Step {step}: {TITLES[step - 1]}"))
    )
    window.page.wait_for_url(re.compile(rf"/lesson\?(.*&)?step={step}\b"))
    window.settle()


def test_keys_buttons_links_and_back_change_the_step(lesson):
    window = lesson()
    page = window.page
    window.press("ArrowRight")
    at_step(window, 2)
    page.get_by_role("button", name="Next").click()
    at_step(window, 3)
    window.press("ArrowLeft")
    at_step(window, 2)
    page.get_by_role("link", name="Step 5: All of P").click()
    at_step(window, 5)
    page.go_back()
    at_step(window, 2)
    assert page.get_by_role("link", name="Step 7").get_attribute("href") == "?step=7"


def test_keys_that_an_image_or_field_needs_do_not_change_the_step(lesson):
    window = lesson()
    page = window.page
    photo = page.locator(".frame")
    photo.focus()  # in the middle, row 3 and column 3, until it is moved
    for key in ("ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text("At row 2, column 2 the weight is")).to_be_visible()
    expect(page.get_by_role("button", name="Ask me again")).to_be_visible()
    page.locator(".frame").last.click(position={"x": 5, "y": 5})
    expect(page.get_by_text("At row 0, column 0 the weight is")).to_be_visible()
    page.keyboard.press("ArrowRight")  # moves the position
    expect(page.get_by_text("At row 0, column 1 the weight is")).to_be_visible()
    page.get_by_role("link", name="Step 5").click()
    at_step(window, 5)
    page.get_by_role("button", name="Show the answer").click()
    page.get_by_role("spinbutton", name="Map k").click()
    page.keyboard.press("ArrowLeft")  # moves the cursor
    page.wait_for_timeout(300)
    at_step(window, 5)


def test_every_step_fits_every_width(lesson):
    window = lesson()
    for step in (2, 4, 7):
        window.page.set_viewport_size({"width": 1440, "height": 900})
        window.page.get_by_role("link", name=f"Step {step}").click()
        at_step(window, step)
        window.expect_to_fit_every_width()
        if step == 4:
            expect_accessible(window, widths=(390,))
            window.page.get_by_role("button", name="Show the answer").click()
            expect(window.page.get_by_role("button", name="Ask me again")).to_be_visible()
            window.settle()
            expect_accessible(window, widths=(1440,))


def test_presenter_mode_shows_only_the_lesson(lesson):
    window = lesson()
    page = window.page
    size = "Number.parseFloat(getComputedStyle(document.documentElement).fontSize)"
    before = page.evaluate(size)
    page.get_by_role("button", name="Present", exact=True).click()
    page.wait_for_url(re.compile("present=1"))
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    assert page.evaluate(size) > 1.2 * before
    cut = "names => names.filter((name) => name.scrollWidth > name.clientWidth).map((name) => name.textContent)"
    for width in (1920, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        window.settle()
        assert page.locator(".steps a").evaluate_all(cut) == []
        expect(page.locator(".steps [aria-current] span")).to_be_visible()
    window.press("PageDown")  # a remote control
    at_step(window, 2)
    window.expect_to_fit_every_width()
    window.press("Escape")
    expect(page.get_by_test_id("stHeader")).to_be_visible()
    at_step(window, 2)
    assert "present" not in page.url


def test_the_keys_of_the_lesson_stop_on_other_pages(lesson):
    """Presenter mode adds listeners, which must be removed again."""
    window = lesson()
    page = window.page
    for _ in range(2):
        page.get_by_role("button", name="Present", exact=True).click()
        expect(page.get_by_role("button", name="Leave presenter mode")).to_be_visible()
        window.settle()
        window.press("Escape")
        expect(page.get_by_role("button", name="Present", exact=True)).to_be_visible()
        window.settle()
    page.get_by_role("link", name="Build the feature").first.click()
    expect(page.get_by_role("heading", name="Build the feature")).to_be_visible()
    window.settle()
    page.evaluate("addEventListener('keydown', (event) => (globalThis.held = event.defaultPrevented))")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("globalThis.held === false")


def test_another_photo_is_asked_about_anew(lesson):
    window = lesson()
    page = window.page
    page.get_by_role("link", name="Step 7").click()
    at_step(window, 7)
    page.get_by_role("button", name="The map's average").click()
    expect(page.get_by_text("Not quite.")).to_be_visible()
    expect(page.get_by_role("link", name="Step 7: Against averages, answered")).to_be_visible()
    window.settle()
    page.get_by_role("button", name="Another photo").click()
    page.locator(".strip .tile", has_text="Rocket").click()
    page.wait_for_url(re.compile("sample=rocket"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="The map's average")).to_be_visible()
    expect(page.get_by_text("Not quite.")).to_have_count(0)
    window.settle()
