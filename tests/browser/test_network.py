"""The network as a picture to click, and two maps side by side, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from benchmarks.harness.app import wait_until
from crosspool.backbones import load_backbone
from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, colour_table
from crosspool.samples import samples
from tests.accessibility import expect_accessible
from tests.networks import sample

pytestmark = pytest.mark.browser


def expect_whole(options):
    """Check that each shows all of its text, at some width."""
    sizes = options.evaluate_all("all => all.map(one => [one.innerText, one.scrollWidth, one.clientWidth])")
    assert [size for size in sizes if size[1] > size[2] + 1 or size[2] < 100] == []


def test_a_network_of_many_pairs_is_chosen_from_by_picture_keys_and_name(visit):
    window = visit()
    window.page.goto(f"{window.url}/?backbone=densenet121&weights=untrained&size=64")
    rows = window.page.get_by_role("listbox", name="Layer pair", exact=True).get_by_role("option")
    expect(rows).to_have_count(4)
    expect(rows.last).to_have_attribute("aria-selected", "true")
    window.settle()
    rows.nth(1).click()
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    expect(window.page).to_have_url(re.compile(r"pair=features\.transition2\.conv\b"))
    window.settle()

    fine = window.page.get_by_role("listbox", name="Pairs of the middle layers").get_by_role("option")
    expect(fine).to_have_count(25)
    fine.last.focus()
    window.page.keyboard.press("ArrowLeft")
    window.page.keyboard.press("Enter")
    expect(fine.nth(23)).to_have_attribute("aria-selected", "true")
    expect(fine.nth(23)).to_be_focused()
    expect(window.page).to_have_url(re.compile(r"pair=features\.denseblock2\.denselayer12\.conv2\b"))
    window.settle()

    window.page.get_by_role("button", name="All 119 pairs by name").click()
    names = window.page.get_by_role("listbox", name="All layer pairs").get_by_role("option")
    expect(names).to_have_count(119)
    for width in (1440, 1024):
        window.page.set_viewport_size({"width": width, "height": 844})
        window.settle()
        expect_whole(names)
        expect_whole(rows)
    expect_accessible(window, widths=(1440,))

    phone = visit(390, 844)
    phone.page.goto(window.page.url)
    phone.page.get_by_test_id("stExpandSidebarButton").click()
    phone.page.get_by_role("button", name="All 119 pairs by name").click()
    phone.settle()
    expect_whole(phone.page.get_by_role("listbox", name="All layer pairs").get_by_role("option"))
    expect_whole(phone.page.get_by_role("listbox", name="Layer pair", exact=True).get_by_role("option"))


def test_a_place_is_marked_on_both_sides(visit):
    window = visit()
    params = "backbone=squeezenet1_1&weights=untrained&pair=features.12.squeeze&size=128&right_size=256"
    window.page.goto(f"{window.url}/side_by_side?{params}")
    marks = window.page.locator(".pane .mark")
    expect(marks).to_have_count(2)
    window.settle()

    def corners():
        return marks.evaluate_all("all => all.map(one => [parseFloat(one.style.left), parseFloat(one.style.top)])")

    def expect_corners(*corners_of_last):
        """Of both marks, or of the right one."""
        expected = [pytest.approx(corner, abs=0.1) for corner in corners_of_last]
        wait_until(lambda: corners()[-len(expected) :] == expected)
        assert corners()[-len(expected) :] == expected

    frames = window.page.locator(".pane .frame")
    box = frames.first.bounding_box()  # 7 x 7 cells on the left, 15 x 15 on the right
    window.page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    expect_corners([600 / 7, 0], [1300 / 15, 100 / 15])
    window.page.mouse.move(5, 5)
    frames.last.focus()
    window.page.keyboard.press("ArrowLeft")
    expect_corners([1200 / 15, 100 / 15])
    window.page.locator(".pane.left .tile").nth(3).click()
    expect(window.page.locator(".pane.left .tile").nth(3)).to_have_attribute("aria-pressed", "true")
    window.settle()
    window.expect_to_fit_every_width()
    window.page.set_viewport_size({"width": 390, "height": 844})
    window.settle()
    above, below = (frames.nth(index).bounding_box() for index in range(2))
    assert below["y"] + below["height"] - above["y"] < 844  # seen together on a phone


def test_negative_weights_are_as_opaque_as_positive_ones_and_an_even_overlay_stays_even(visit):
    window = visit()
    pair = "blocks.8.project_conv"
    weights = load_backbone().activations(sample(), pair, 128, signed=True).upper[0].flatten(1)
    channel = int((weights.amin(1) < -2 * weights.amax(1)).nonzero()[0])  # its peak is negative, and marked at first
    view = f"pair={pair}&size=128&signed=1&channel={channel}&opacity=1&smooth=0&right_size=160"
    lowest = colour_table(SIGNED_COLOUR_MAP)[1].tolist()

    def colours(overlay):
        """Those in the middle of the mark, and where the weight is nearest to zero, on the left."""
        window.page.goto(f"{window.url}/side_by_side?{view}&overlay={overlay}")
        expect(window.page.locator(".pane .mark")).to_have_count(2)
        window.settle()
        centres = window.page.locator(".pane.left .mark").evaluate(
            "({style}) => ['left', 'top', 'width', 'height'].map((name) => parseFloat(style[name]) / 100)"
        )
        rows = round(1 / centres[3])
        zero = divmod(int(weights[channel].abs().argmin()), rows)
        places = [
            [centres[0] + centres[2] / 2, centres[1] + centres[3] / 2],
            [(zero[1] + 0.5) / rows, (zero[0] + 0.5) / rows],
        ]
        return window.page.locator(".pane.left .frame canvas").evaluate(
            "(canvas, places) => places.map(([x, y]) => [...canvas.getContext('2d')"
            ".getImageData(x * canvas.width, y * canvas.height, 1, 1).data.slice(0, 3)])",
            places,
        )

    middle = colour_table(SIGNED_COLOUR_MAP)[128].tolist()
    growing, even = colours("growing"), colours("even")
    assert growing[0] == pytest.approx(lowest, abs=3)
    assert even == [pytest.approx(lowest, abs=3), pytest.approx(middle, abs=12)]
    assert growing[1] != pytest.approx(middle, abs=12)  # the photo shows through


def test_the_photo_above_the_network_is_the_chosen_one_and_own_images_are_remembered(visit):
    window = visit()
    window.page.goto(f"{window.url}/?size=128&sample=cat")
    photo = window.page.locator(".network .input img")
    tiles = window.page.locator(".strip .tile[data-id]")
    expect(photo).to_have_attribute("src", tiles.nth(0).locator("img").get_attribute("src"))
    window.settle()
    tiles.nth(1).click()
    expect(photo).to_have_attribute("src", tiles.nth(1).locator("img").get_attribute("src"))
    expect(window.page).to_have_url(re.compile(r"sample=(?!cat)"))
    window.settle()
    assert "crosspool_holds" not in {cookie["name"] for cookie in window.page.context.cookies()}
    window.page.locator('input[type="file"]').first.set_input_files(samples()[1].path)
    expect(tiles).to_have_count(len(samples()) + 1)
    expect(photo).to_have_attribute("src", tiles.last.locator("img").get_attribute("src"))
    window.settle()
    (holds,) = (each["value"] for each in window.page.context.cookies() if each["name"] == "crosspool_holds")
    assert holds.endswith(".1.0")  # one image, which the browser remembers when the connection is lost


def test_a_note_about_the_address_goes_with_the_view(visit):
    window = visit()
    window.page.goto(f"{window.url}/?size=128&sample=cat&backbone=none")
    note = window.page.get_by_test_id("stAlert")
    expect(note).to_have_count(1)
    window.settle()
    window.page.locator(".strip .tile[data-id]").nth(1).click()
    expect(note).to_have_count(0)
