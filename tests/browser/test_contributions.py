"""Contributions in a real browser: another class, channels that are unticked, and the channels at a position."""

import re

import pytest
from playwright.sync_api import expect

from crosspool.backbones import load_backbone
from crosspool.classifiers import own_classifier
from crosspool.contributions import explain
from crosspool.ui.contributions.wording import strongest_channels
from crosspool.ui.widgets.text import signed
from tests.networks import sample

pytestmark = pytest.mark.browser

PAGE = "Why this class?"


@pytest.fixture
def ask(visit):
    """Opens the page in a new window."""

    def new():
        window = visit()
        window.page.goto(f"{window.url}/contributions?size=128")  # maps of 4 x 4
        expect(window.page.locator(".bars canvas").first).to_be_visible()
        window.settle()
        return window

    return new


@pytest.fixture(scope="module")
def expected():
    backbone = load_backbone(device="cpu")
    return explain(own_classifier(backbone, 128), backbone, sample())


def row(window, name, place=0):
    """A row of bars by the name in it."""
    return window.page.locator(".bars .row").filter(has=window.page.get_by_text(name, exact=True)).nth(place)


def test_another_class_and_unticked_channels(ask, expected):
    window = ask()
    answer_sentence = window.page.get_by_role("heading", level=2).first
    best = expected.predicted
    expect(answer_sentence).to_contain_text(f"Top class: {best} (score {signed(expected.scores.max())}, probability ")
    row(window, "lynx").get_by_role("button").click()
    score = expected.contributions("lynx").score
    expect(answer_sentence).to_contain_text(f"lynx: score {signed(score)}")
    expect(row(window, "lynx").get_by_role("button")).to_have_attribute("aria-pressed", "true")
    window.settle()

    contributions = expected.contributions("lynx")
    channel = strongest_channels(contributions.channels, 1)[0][0]
    box = window.page.get_by_role("checkbox", name=f"Count {channel}", exact=True)
    box.uncheck()
    after = expected.without_channels([channel])[expected.classifier.classes.index("lynx")]
    window.page.get_by_text(re.compile(rf"lynx goes from \{signed(score)} to \{signed(after)}")).wait_for()
    expect(row(window, "lynx", 1)).to_contain_text(f"{signed(score)} → {signed(after)}")
    window.settle()
    expect(box).to_be_focused()  # to go on from there
    window.page.keyboard.press("Space")
    expect(window.page.get_by_text("lynx goes from")).to_have_count(0)


def test_a_position_and_a_channel(ask, expected):
    window = ask()
    overlay = window.page.locator(".frame").nth(1)  # all evidence
    side = overlay.bounding_box()["width"]
    overlay.click(position={"x": side * 2.5 / 4, "y": side * 0.5 / 4})
    expect(window.page.get_by_text("Strongest channels at row 0, column 2")).to_be_visible()
    overlay.focus()
    window.page.keyboard.press("ArrowDown")
    expect(window.page.get_by_text("Strongest channels at row 1, column 2")).to_be_visible()
    amounts = expected.contributions().channels_at(1, 2)
    expect(window.page.get_by_text(f"together add {signed(amounts.sum())} here")).to_be_visible()
    window.settle()

    speaker = window.page.locator(".bars").nth(1).get_by_role("button").nth(3)
    speaker.click()
    expect(speaker).to_have_attribute("aria-pressed", "true")
    name = speaker.locator(".name").inner_text()
    expect(window.page.get_by_role("heading", name=f"Channel {name} adds")).to_be_visible()
    expect(window.page.get_by_text("Strongest channels at row 1, column 2")).to_be_visible()  # the position stays
    window.settle()
    expect(speaker).to_be_focused()
    window.page.keyboard.press("ArrowDown")
    expect(window.page.locator(".bars").nth(1).get_by_role("button").nth(4)).to_be_focused()
    window.settle()
    window.expect_to_fit_every_width()
