"""Training and comparing in a real browser: from a ZIP to the table, a change of mind, and a class with one image."""

import io
import re
import zipfile
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.accessibility import expect_accessible
from tests.browser.test_pages import SMALL
from tests.images import png, tinted

pytestmark = pytest.mark.browser

PAGE = "Train & compare"
LABELS = ("red", "green", "blue & <b>bold</b>")


@pytest.fixture
def training(visit):
    """Opens the page in a new window."""

    def new():
        window = visit()
        window.page.goto(f"{window.url}/train_and_compare?{urlencode(SMALL)}")
        expect(window.page.get_by_role("heading", name=PAGE, exact=True)).to_be_visible()
        expect(window.page.locator(".classes figure")).to_have_count(12)
        expect(button(window)).to_be_visible()
        window.settle()
        return window

    return new


def button(window):
    return window.page.get_by_role("button", name="Train and compare")


def be_quick(window):
    """A small network, methods that take no time, and few splits."""
    splits = window.page.get_by_role("spinbutton", name="Random splits")
    splits.fill("4")
    splits.press("Enter")
    window.settle()
    network = window.page.get_by_role("combobox", name="Network")
    network.fill("SqueezeNet 1.1, un")  # the list is too long to be drawn whole
    window.page.get_by_role("option", name=re.compile("SqueezeNet 1.1, untrained")).click()
    expect(window.page.get_by_text("Untrained network: random weights.")).to_be_visible()
    window.settle()
    window.page.get_by_role("button", name="Clear all").click()
    window.settle()
    field = window.page.get_by_role("textbox", name="Other methods")
    field.fill("cl@128,sum@128")
    field.press("Enter")
    window.settle()


def zipped():
    """Three classes of four images, of which the last has the tint of another class; and a damaged file."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for channel, label in enumerate(("red", "green", "blue & b")):
            for number in range(4):
                archive.writestr(
                    f"tints/{label}/{number}.png", png(tinted(10 * number + channel, (channel + number // 3) % 3))
                )
        archive.writestr("tints/red/cut.png", png(tinted(1, 0))[:60])
    return data.getvalue()


def test_a_zip_is_trained_to_the_table_and_why_leads_to_contributions(training):
    window = training()
    page = window.page
    window.pick("Labelled images", "ZIP")
    window.upload(("tints.zip", zipped()))
    figures = page.locator(".classes figure")
    expect(figures).to_have_count(3)
    expect(figures.first).to_contain_text("blue & b 4 images")
    expect(page.get_by_text(re.compile(r"cut\.png .*damaged"))).to_be_visible()
    be_quick(window)
    button(window).click()
    expect(page.get_by_role("heading", name="Result: tints")).to_be_in_viewport()
    expect(figures.first).to_be_hidden()  # the choice of images is folded away
    expect(page.get_by_role("heading", name="Download and share")).to_be_visible()
    table = page.get_by_test_id("stTable").first
    expect(table.get_by_role("row")).to_have_count(3)
    expect(table.get_by_role("row").nth(1)).to_contain_text(
        re.compile(r"Cross-layer pooling, 128 px cl@128\s*\d+\.\d\s%")
    )
    expect(page.get_by_alt_text(re.compile("^Accuracy against bytes per image: cl@128"))).to_be_visible()
    expect(page.get_by_alt_text(re.compile("^Confusion matrix of cl@128"))).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="The result is ready. ")).to_have_count(1)
    assert page.get_by_role("heading", name="Result: tints").bounding_box()["y"] < page.viewport_size["height"] / 2
    page.wait_for_function("document.activeElement.textContent.startsWith('Result: tints')")
    with page.expect_download() as download:
        page.get_by_role("button", name="Model: sum of a map, 128 px").click()
    assert download.value.suggested_filename == "tints-sum@128.safetensors"
    window.settle()
    expect_accessible(window)
    window.expect_to_fit_every_width()
    page.set_viewport_size({"width": 1440, "height": 900})
    window.settle()

    page.get_by_role("button", name="Why?").first.click()
    expect(page.get_by_role("heading", name="Why this class?", exact=True)).to_be_visible()
    window.settle()
    page.get_by_role("link", name="Back to Train & compare").click()
    expect(page.get_by_role("heading", name="Download and share")).to_be_visible()  # nothing has to be trained again
    expect(page.get_by_role("textbox", name="Other methods")).to_have_value("cl@128,sum@128")


def test_a_training_goes_on_in_the_background_and_can_be_cancelled(training):
    window = training()
    page = window.page
    button(window).click()
    expect(page.get_by_text(re.compile(r"0 of 5 methods"))).to_be_in_viewport()
    expect(page.get_by_text(re.compile(r"Computing 360 images, 224 px: [1-9]"))).to_be_in_viewport()
    expect(button(window)).to_be_disabled()
    page.get_by_role("link", name="Build the feature").click()
    expect(page.get_by_role("heading", name="Build the feature")).to_be_visible()
    page.get_by_role("link", name=PAGE).click()
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()  # it went on meanwhile
    cancel.click()
    expect(page.get_by_text("Cancelled. Your images and choices are unchanged")).to_be_visible()
    expect(button(window)).to_be_enabled()
    expect(page.locator(".classes figure")).to_have_count(12)
    window.settle()


def test_a_class_with_one_image_is_reported_and_nothing_is_lost(training):
    window = training()
    page = window.page
    window.pick("Labelled images", "Uploads")
    for label, seeds in (("cat", (1, 2)), ("dog", (3,))):
        field = page.get_by_role("textbox", name="Class", exact=True)
        expect(field).to_have_value("")
        field.fill(label)
        field.press("Enter")
        window.settle()
        window.upload(*((f"{seed}.png", png(tinted(seed, seed % 3).resize((64, 64)))) for seed in seeds))
        expect(page.locator(".classes figcaption").filter(has_text=label)).to_be_visible()
        window.settle()
    expect(page.get_by_text("dog (1); too few classes would be left; add images.")).to_be_visible()
    expect(button(window)).to_be_disabled()
    expect(page.locator(".classes figure")).to_have_count(2)
