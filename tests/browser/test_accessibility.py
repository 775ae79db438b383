"""Every page, and what it shows when something is missing, is fit for everybody, as far as a program can tell."""

from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from benchmarks.harness import layout_shift
from tests.accessibility import expect_accessible, faults
from tests.images import noise, png

pytestmark = pytest.mark.browser

SIZE = {"size": "128"}  # maps of 4 x 4


def opened(window, path, ready, **params):
    """The window, on a page in which `ready` is seen."""
    window.page.emulate_media(color_scheme="light")
    window.page.goto(f"{window.url}{path}{'&' if '?' in path else '?'}{urlencode(params)}")
    expect(window.page.locator(ready).first).to_be_visible()
    window.settle()
    window.complaints.clear()  # a test in tests/browser/test_pages.py looks at these
    return window


@pytest.mark.parametrize(
    ("path", "title", "ready", "expander"),
    [
        ("/", "Maps", ".wall canvas", "All channels as a table"),
        ("/contributions", "Why this class?", ".bars canvas", "All channels as a table"),
        ("/build_p", "Build the feature", ".player .frame", "What follows from Eq. 1: try it on this image"),
        ("/what_am_i_looking_at", "Build the feature", ".chart .plot", None),
        ("/train_and_compare", "Train & compare", ".classes img", None),
        ("/channel?channel=899", "Map 899 of EfficientNet-Lite0", ".channel-images img", None),
        ("/lesson?step=5", "Guided lesson", ".chart .plot", None),
        ("/side_by_side", "Side by side", ".pane canvas", None),
        ("/teachers", "For teachers", "[data-testid=stDownloadButton]", None),
        ("/?present=1", "Maps", ".frame img", None),
    ],
)
def test_a_page_is_named_does_not_jump_and_has_no_serious_fault(visit, path, title, ready, expander):
    window, failed = visit(390, 844), []
    window.page.add_init_script(layout_shift.PROBE)
    window.page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
    opened(window, path, ready, **SIZE)
    expect(window.page).to_have_title(f"{title} · crosspool")
    assert len(window.page.locator('meta[name="description"]').get_attribute("content")) > 40
    assert layout_shift.cumulative(window.page.evaluate("shifts")) < layout_shift.GOOD_SHIFT
    assert failed == []
    if expander:
        window.page.get_by_text(expander, exact=True).click()
        window.settle()
    expect_accessible(window)


def test_without_weights_and_with_a_link_that_makes_no_sense(visit):
    window = opened(visit(), "/", "[data-testid=stAlert]", backbone="alexnet", pair="nonsense")
    expect(window.page.get_by_role("button", name="Download 244 MB")).to_be_visible()
    expect_accessible(window)


def test_an_own_image_its_menu_and_a_broken_file(visit):
    window = opened(visit(), "/", ".wall canvas", **SIZE)
    window.upload(("green.png", png(noise(1))), ("broken.jpg", b"only words"))
    expect(window.page.locator(".strip .remove")).to_have_count(1)
    window.page.get_by_role("button", name="Your images").click()
    expect(window.page.get_by_role("button", name="Forget my images")).to_be_visible()
    expect_accessible(window, widths=(390,))
    window.page.keyboard.press("Escape")
    expect(window.page.get_by_role("alert").filter(has_text="broken.jpg")).to_be_visible()
    window.settle()
    expect_accessible(window, widths=(390,))


def test_faults_are_found(visit):
    """So that a page without any is not one that was not looked at: in the page, and in a component's shadow root."""
    window = opened(visit(), "/what_am_i_looking_at", ".frame img", **SIZE)
    window.page.locator(".frame img").first.evaluate("image => image.removeAttribute('alt')")
    window.page.get_by_role("heading", level=1).evaluate("title => (title.style.color = '#ddd')")
    assert [fault.split(":")[0] for fault in faults(window.page)] == ["color-contrast", "image-alt"]
