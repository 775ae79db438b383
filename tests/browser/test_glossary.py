"""The glossary in a real browser: a word explains itself by pointer, keyboard and touch."""

import pytest
from playwright.sync_api import expect

from crosspool.ui.widgets.glossary import GLOSSARY

pytestmark = pytest.mark.browser

SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.squeeze", "size": "128"}


def test_a_word_explains_itself_by_pointer_keyboard_and_touch(visit):
    window = visit(390, 844).go(**SMALL)
    window.open("Download and share")
    window.settle()
    page, address = window.page, window.page.url
    word, bubble = page.get_by_test_id("stMain").locator('a[href="#term-P"]'), page.get_by_role("tooltip")
    word.hover()
    expect(bubble).to_have_text(f"P {GLOSSARY['P']}")
    expect(bubble).to_be_in_viewport(ratio=1)
    page.mouse.move(0, 0)
    expect(bubble).to_be_hidden()
    word.focus()
    expect(bubble).to_be_visible()
    expect(word).to_have_accessible_description(GLOSSARY["P"])
    page.keyboard.press("Escape")
    expect(bubble).to_be_hidden()
    word.dispatch_event("click")  # as a tap ends
    expect(bubble).to_be_visible()
    page.get_by_role("heading", name="Weighting maps").click()
    expect(bubble).to_be_hidden()
    page.locator('.lens a[href="#term-receptive-field"]').dispatch_event("click")  # in a component's shadow root
    expect(bubble).to_have_text(f"receptive field {GLOSSARY['receptive field']}")
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert page.url == address
