"""Download and share in a real browser: the files behind the buttons, and the HTML page with the network off."""

import csv
import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.squeeze", "size": "128"}
ODD = "<img src=x onerror=document.title=1>'\"&amp;\u2028 ]]>-->.png"  # no file's name has a slash


def downloaded(page, label):
    """The name and the bytes of the file behind a button."""
    with page.expect_download() as download:
        page.get_by_role("button", name=label, exact=True).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_every_file_can_be_downloaded_and_opened(visit, browser, tmp_path):
    window = visit().go(channel="5", pins="3,17", box="0.1,0.2,0.5,0.625", **SMALL)
    window.open("Download and share")
    page = window.page
    files = {label: downloaded(page, label) for label in ("PNG", "SVG", "CSV", "NPZ", "HTML page", "Statistics")}
    names, contents = zip(*files.values(), strict=True)
    stem = "Cat-squeezenet1_1-untrained-features.12.squeeze"
    ends = ("-map-5.png", "-map-5.svg", "-map-5.csv", ".npz", ".html", "-statistics.csv")
    assert names == tuple(stem + end for end in ends)
    png, svg, table, numbers, html, statistics = contents
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (1920, 1080)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    with np.load(io.BytesIO(numbers), allow_pickle=False) as archive:
        assert json.loads(archive["settings"].item())["backbone"] == "squeezenet1_1"
        upper = archive["upper"]
    weights = [row["weight"] for row in csv.DictReader(io.StringIO(table.decode()))]
    assert np.array_equal(np.array(weights, np.float32), upper[5].ravel())
    assert statistics.count(b"\n") == 1 + len(upper)
    (tmp_path / "gallery.html").write_bytes(html)
    context = browser.new_context(offline=True)
    alone = context.new_page()
    alone.goto((tmp_path / "gallery.html").as_uri())
    expect(alone.locator(".wall .tile.selected")).to_have_attribute("data-channel", "5")
    expect(alone.locator(".pins figure")).to_have_count(2)
    expect(alone.get_by_role("button", name="Clear box")).to_be_visible()
    expect(alone.get_by_text("maps, best match first")).to_be_visible()
    context.close()


FOCUSED = """() => {
    let element = document.activeElement;
    while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element.ariaLabel ?? element.innerText.split("\\n").at(-1);
}"""


def tab_to(page, name):
    """Press Tab until what has the focus has this name, below that of its icon."""
    names: list[str] = []
    while not names or names[-1] != name:
        assert len(names) < 150, names
        page.keyboard.press("Tab")
        names.append(page.evaluate(FOCUSED))


def test_the_keyboard_alone_leads_from_the_first_visit_to_a_slide(visit):
    window = visit().go()
    page = window.page
    tab_to(page, "Weighting maps")
    for key in ("End", "Home", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    channel = window.tile_at(1).get_attribute("data-channel")
    expect(window.tile(channel)).to_have_attribute("aria-selected", "true")
    window.settle()
    tab_to(page, "Download and share")
    page.keyboard.press("Enter")
    window.settle()
    tab_to(page, "PNG")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(f"-map-{channel}.png")
    with Image.open(download.value.path()) as slide:
        assert slide.size == (1920, 1080)


def test_a_saved_page_shows_an_odd_name_and_requests_nothing(works, browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (200, 140), "orange").save(ODD, "PNG")
    works("maps", ODD, "--out", "gallery.html", "--size", 128)
    context = browser.new_context(offline=True, color_scheme="dark")
    page = context.new_page()
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url.split(":")[0]))
    page.goto((tmp_path / "gallery.html").as_uri())
    expect(page.locator(".wall .tile").first).to_be_visible()
    assert ODD.replace("\u2028", r"\u2028") in page.locator("h1").text_content()
    assert (complaints, set(requests)) == ([], {"file"})
    refused = page.evaluate(
        """() => new Promise((tell) => {
            document.addEventListener("securitypolicyviolation", (event) => tell(event.effectiveDirective));
            document.body.append(Object.assign(document.createElement("img"), { src: "https://example.org/x.png" }));
        })"""
    )
    assert refused == "img-src"
    context.close()
