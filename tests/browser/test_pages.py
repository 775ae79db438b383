"""The real app in a real browser: what a person does, and what only a browser can tell."""

import io
import re
from urllib.parse import urlencode

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from crosspool.backbones import load_backbone
from crosspool.pooling import cross_layer_pool
from crosspool.samples import samples
from crosspool.statistics import channel_statistics
from tests.conftest import served
from tests.networks import sample

pytestmark = pytest.mark.browser

SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.squeeze", "size": "128"}
EXPLANATION = "Build the feature"


def statistics_of(image, **params):
    """Straight from the library."""
    params = {**SMALL, **params}
    backbone = load_backbone(params["backbone"], "untrained")
    pair = backbone.architecture.pair(params["pair"])
    maps = backbone.activations(image, pair, int(params["size"]))
    pooled = cross_layer_pool(
        maps.lower, maps.upper, kernel_size=pair.kernel_size, stride=pair.stride, padding=pair.padding
    )
    return channel_statistics(maps.upper[0], pooled[0])


def drawn_photo(colour):
    """A photo of a disc, as JPEG bytes."""
    image = Image.new("RGB", (300, 200), (40, 60, 90))
    ImageDraw.Draw(image).ellipse((90, 40, 210, 160), fill=colour)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=95)
    return data.getvalue()


def colours_in(canvas):
    """How many different colours a canvas shows."""
    return canvas.evaluate(
        """canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )


def test_pages_without_a_side_bar_show_none_after_one_with_it(visit):
    """By a link of the menu, and by Back and Forward."""
    window = visit().go("/", **SMALL)
    page = window.page
    side_bar, main = page.get_by_test_id("stSidebar"), page.get_by_test_id("stMain")
    for name in ("Guided lesson", "Maps", "Train & compare"):
        page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
        expect(side_bar).to_be_visible(visible=name == "Maps")
        window.settle()
        assert main.bounding_box()["x"] == (300 if name == "Maps" else 0)
    for is_visible in (True, False):
        page.go_back()
        expect(side_bar).to_be_visible(visible=is_visible)
        window.settle()
    page.close()


# --- the first visit


# The selects, and the title of the large map, whose text is wider than they are.
CUT_LABELS = """() => {
    const root = document.querySelector(".st-key-gallery [data-testid]").shadowRoot
        ?? [...document.querySelectorAll(".st-key-gallery *")].find((each) => each.shadowRoot).shadowRoot;
    const pen = document.createElement("canvas").getContext("2d");
    const isCut = (select) => {
        const { font, paddingLeft, paddingRight } = getComputedStyle(select);
        pen.font = font;
        const room = select.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - 14; // the arrow
        return pen.measureText(select.selectedOptions[0].text).width > room;
    };
    const cut = [...root.querySelectorAll(".toolbar > label > select")].filter(isCut).map(({ ariaLabel }) => ariaLabel);
    const name = root.querySelector(".title b");
    return name.scrollWidth > name.parentElement.clientWidth + 1 ? [...cut, name.textContent] : cut;
}"""
# Bytes over the wire, as if nothing were in the browser's cache.
TRANSFERRED = "performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.encodedBodySize, 0)"


def test_a_cold_visit_shows_large_images_and_tiles(visit):
    window = visit().go()
    page = window.page
    expect(page.get_by_role("heading", name="Weighting maps")).to_be_visible()
    for canvas in (page.locator(".lens .photo"), page.locator(".lens .map")):  # once on the page, and all in sight
        box = canvas.bounding_box()
        assert box["width"] >= 200
        assert box["width"] == pytest.approx(box["height"], abs=1)
        expect(canvas).to_be_in_viewport(ratio=0.99)
        assert canvas.get_attribute("aria-label")
    expect(page.locator(".frame img")).to_have_count(0)
    for name in ("Guided lesson", "Use my photo"):
        expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    expect(page.locator(".strip .tile").last).to_be_in_viewport(ratio=1)
    expect(window.large).to_have_text(re.compile(r"^Map \d+$"))
    assert colours_in(page.locator(".wall .row canvas").first) > 100  # photo and map are drawn, not a flat field
    assert page.evaluate(TRANSFERRED) < 3e6
    assert [url for url in window.requests if "plotly" in url.lower()] == []
    assert page.url == f"{window.url}/?size=448&box=0.15%2C0.23%2C0.45%2C0.5"
    expect(page.locator(".lens .hint")).to_contain_text("Which maps find this eye?")
    assert window.tile_at(0).get_attribute("data-channel") in window.large.inner_text()  # the best match
    for size, least in (((1440, 900), 24), ((1920, 1080), 40), ((1024, 768), 12)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_function("width => innerWidth === width", arg=size[0])
        window.settle()
        assert window.whole_tiles() >= least
        assert page.evaluate(CUT_LABELS) == []
    page.set_viewport_size({"width": 1080, "height": 1920})
    page.wait_for_function("innerHeight === 1920")
    wall, host = page.locator(".wall").bounding_box(), page.locator(".st-key-gallery").bounding_box()
    assert wall["y"] + wall["height"] == pytest.approx(host["y"] + host["height"], abs=20)
    page.set_viewport_size({"width": 1440, "height": 900})
    window.tile_at(3).click()
    expect(page.get_by_role("button", name="Use my photo")).not_to_be_visible()  # it is known now


def test_walking_through_the_pages_causes_no_complaints(visit):
    """The `visit` fixture checks the console and the hosts."""
    window = visit().go(**SMALL)
    window.page.get_by_role("link", name=EXPLANATION).click()
    expect(window.page.get_by_role("heading", name=EXPLANATION)).to_be_visible()
    expect(window.page.locator(".frame img")).to_have_count(2)
    window.page.get_by_text("With all numbers").click()
    expect(window.page.get_by_role("heading", name="3 · All blocks side by side: P")).to_be_visible()
    plots = window.page.locator(".chart .plot")
    expect(plots).to_have_count(3)
    blocks = plots.nth(1)  # the arrow keys and the pointer read its bars
    blocks.focus()
    window.page.keyboard.press("End")
    last = re.compile(r"^block (\d+): numbers [\d,]+ to [\d,]+ of P, size [\d.]+")
    expect(blocks.locator(".bubble")).to_have_text(last)
    expect(blocks).to_have_attribute("aria-valuetext", blocks.locator(".bubble").inner_text())
    assert blocks.get_attribute("aria-valuenow") == blocks.get_attribute("aria-valuemax")
    box = blocks.bounding_box()
    blocks.hover(position={"x": 1, "y": box["height"] / 2})
    expect(blocks.locator(".bubble")).to_have_text(re.compile("^block 0:"))
    blocks.blur()
    window.settle()
    window.page.get_by_role("link", name="Maps", exact=True).click()
    expect(window.tile_at(0)).to_be_visible()
    window.settle()
    tabs = window.page.get_by_test_id("stTopNavLink")
    beside_the_side_bar = tabs.nth(1).bounding_box()
    tabs.first.click()
    expect(window.page.get_by_role("heading", name="Guided lesson")).to_be_visible()
    window.settle()
    assert tabs.nth(1).bounding_box() == beside_the_side_bar


def test_the_strip_of_images_shows_the_chosen_one(visit):
    window = visit(390, 844).go(**SMALL, sample=samples()[-1].id)
    tiles = window.page.locator(".strip .place:not(.add) .tile")
    expect(tiles.last).to_have_attribute("aria-pressed", "true")
    expect(tiles.last).to_be_in_viewport(ratio=0.99)
    expect(tiles.first).not_to_be_in_viewport()


def test_the_explanation_can_be_opened_directly(visit):
    window = visit().go("/what_am_i_looking_at", **SMALL, channel="5")
    expect(window.page.get_by_role("spinbutton", name="Map k")).to_have_value("5")
    expect(window.page.get_by_text("map 5 has the weight")).to_be_visible()
    window.expect_to_fit_every_width()


# --- choosing


def test_a_link_to_a_page_is_the_first_that_a_new_server_is_asked_for(context, tmp_path):
    """Streamlit would then run the page alone; the frame around it comes all the same, and settings stay."""
    with served(tmp_path) as url:
        page = context.new_page()
        page.goto(f"{url}/what_am_i_looking_at?channel=7")
        expect(page.get_by_text("A patch of one layer, a weight from the next")).to_be_visible()
        expect(page.get_by_role("link", name="Build the feature").first).to_be_visible()
        expect(page.get_by_text("map 7 has the weight")).to_be_visible()
        expect(page).to_have_url(f"{url}/what_am_i_looking_at?channel=7")
        page.close()


def test_an_uploaded_photo_has_as_many_maps_as_the_pair_has_channels(visit):
    window = visit().go(**SMALL)
    window.upload(("red disc.jpg", drawn_photo("red")), ("green disc.jpg", drawn_photo("green")))
    expect(window.page.locator(".strip .remove")).to_have_count(2)
    expect(window.chosen_image).to_contain_text("green disc")
    window.page.locator(".strip .tile", has_text="red disc").click()
    expect(window.chosen_image).to_contain_text("red disc")

    window.page.get_by_role("button", name="All 25 pairs by name").click()
    window.page.get_by_role("listbox", name="All layer pairs").get_by_text("→ features.9.expand3x3").click()
    window.settle()
    window.control("Show").select_option("all")
    expect(window.tile_at(0)).to_have_attribute("aria-setsize", "192")

    with Image.open(io.BytesIO(drawn_photo("red"))) as photo:
        strongest = statistics_of(photo.convert("RGB"), pair="features.9.expand3x3").energy_share.argmax()
    expect(window.tile_at(0)).to_have_attribute("data-channel", str(strongest))


def test_a_click_on_the_image_moves_the_position(visit):
    window = visit().go(**SMALL)  # maps of 7 x 7
    window.open("Details of map")
    facts = window.page.get_by_role("row", name="Selected position")
    image = window.page.locator(".lens .photo")
    side = image.bounding_box()["width"]
    image.click(position={"x": side * 2.5 / 7, "y": side * 4.5 / 7})
    expect(facts).to_contain_text("row 4, column 2:")
    over = window.page.locator(".lens .map")
    over.click(position={"x": side * 6.5 / 7, "y": side * 0.5 / 7})
    expect(facts).to_contain_text("row 0, column 6:")
    over.focus()
    for key, place in (
        ("ArrowDown", "row 1, column 6:"),
        ("ArrowLeft", "row 1, column 5:"),
        ("ArrowRight", "row 1, column 6:"),
        ("ArrowRight", "row 1, column 6:"),  # the border
        ("ArrowUp", "row 0, column 6:"),
    ):
        window.page.keyboard.press(key)
        expect(facts).to_contain_text(place)


def test_the_table_opens_a_map(visit):
    window = visit().go(**SMALL)
    window.open("All channels as a table")
    table = window.page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    grid = table.locator(".dvn-scroller")
    grid.scroll_into_view_if_needed()
    grid.click(position={"x": 12, "y": 35 + 35 * 3 + 17})  # the fourth row's box
    fourth = statistics_of(sample("cat")).order("energy_share")[3]
    expect(window.large).to_have_text(f"Map {fourth}")


# --- links and broken files


def test_a_deep_link_is_followed(visit):
    window = visit().go(**SMALL, channel="5", colours="magma")
    expect(window.page.get_by_role("combobox", name="Network")).to_have_value(re.compile("^SqueezeNet 1.1"))
    expect(window.control("Colours")).to_have_value("magma")
    expect(window.large).to_have_text("Map 5")
    expect(window.page.get_by_text("Untrained network")).to_be_visible()
    assert window.page.url == f"{window.url}/?{urlencode({**SMALL, 'channel': '5', 'colours': 'magma'})}"
    window.expect_to_fit_every_width()


def test_nonsense_in_a_link_is_ignored_with_a_note(visit):
    window = visit().go(**{**SMALL, "pair": "www.example.com"}, colours="[x](http://www.example.com)")
    notes = window.page.get_by_test_id("stAlert").filter(has_text="in the link")
    expect(notes).to_have_count(1)
    expect(notes).to_contain_text("Unknown pair www.example.com in the link; showing ")
    expect(notes).to_contain_text("Unknown colours _x__http_//www.example.com_ in the link; showing viridis.")
    expect(notes.locator("a")).to_have_count(0)
    expect(window.page.locator(".gallery .status")).to_contain_text("of 1,000 maps")


def test_without_weights_there_is_a_button_and_no_download(visit):
    window = visit()
    window.page.goto(f"{window.url}/?backbone=alexnet")
    expect(window.page.get_by_role("button", name="Download 244 MB")).to_be_visible()
    window.page.get_by_role("button", name="Show the untrained network").click()
    expect(window.tiles.first).to_be_visible()
    window.settle()


# --- widths


def test_a_phone_shows_photo_map_and_the_first_row_within_two_screens(visit):
    window = visit(width=390, height=844).go()
    photo, large = (window.page.locator(f".lens .{name}").bounding_box() for name in ("photo", "map"))
    for box in (photo, large):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["width"] > 150
    assert photo["y"] == large["y"]
    tile = window.tile_at(0).bounding_box()
    assert tile["y"] + tile["height"] < 2 * 844
    assert window.page.evaluate(CUT_LABELS) == []
    window.tile_at(2).click()
    expect(window.large).to_have_text(f"Map {window.tile_at(2).get_attribute('data-channel')}")
    window.page.goto(f"{window.url}/train_and_compare")
    current = window.page.locator(".st-key-phone-pages a[aria-current=page]")
    expect(current).to_contain_text("Train & compare")
    expect(current).to_be_in_viewport(ratio=0.8)
