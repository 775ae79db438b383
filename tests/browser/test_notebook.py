"""The gallery in a notebook's page, under the strictest policy that a notebook sets."""

import pytest
from playwright.sync_api import expect

import crosspool
from benchmarks.harness.visits import Visit
from tests.networks import sample

pytestmark = pytest.mark.browser

# As in VS Code, whose outputs show images by `data:` and `https:` addresses only. A frame in it obeys it, too.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src https: http: data:"
NAME = '<b>cat</b> & "co".jpg'
DARK, LIGHT = "rgb(13, 20, 21)", "rgb(255, 255, 255)"


def test_the_gallery_works_in_a_notebook(browser, tmp_path):
    backbone = crosspool.load_backbone("squeezenet1_1", "untrained")
    maps = backbone.activations(sample(), "features.12.expand3x3", 128)
    output = crosspool.show(maps, name=NAME)._repr_html_()
    file = tmp_path / "notebook.html"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    file.write_text(f"<!doctype html><title>Notebook</title>{policy}<body>{output}</body>", encoding="utf-8")
    context = browser.new_context(offline=True, color_scheme="null", viewport={"width": 1000, "height": 900})
    window = Visit(context.new_page(), file.as_uri())
    window.page.goto(window.url)
    frame = window.page.frame_locator("iframe")
    tiles = frame.locator(".wall .tile")
    expect(tiles.nth(11)).to_be_visible()
    expect(frame.locator("h1")).to_have_text(f"256 weighting maps of {NAME}")
    photo = frame.locator(".lens .photo").evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert photo > 100, "the photo has colours"

    tiles.nth(3).click()
    channel = tiles.nth(3).get_attribute("data-channel")
    expect(frame.locator(".wall .tile.selected")).to_have_attribute("data-channel", channel)
    expect(frame.locator(".lens .title b")).to_have_text(f"Map {channel}")

    for theme, colour in (("dark", DARK), ("light", LIGHT)):
        window.page.locator("body").evaluate(f"body => (body.className = 'vscode-{theme}')")
        expect(frame.locator("body")).to_have_css("background-color", colour)
    sizes = "frame => [frame.clientWidth, frame.clientHeight, frame.parentElement.clientWidth]"
    width, height, whole = window.page.locator("body > iframe").evaluate(sizes)
    assert (width, height) == (whole, 760)
    context.close()
    window.expect_no_complaints()
    assert {url.partition(":")[0] for url in window.requests} == {"file"}
