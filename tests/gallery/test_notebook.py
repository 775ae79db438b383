"""The gallery in a notebook: a frame that holds its page, for each image of some maps."""

import base64
import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import crosspool
from benchmarks.harness.mapsets import unpack
from tests.networks import sample

EVIL = '"></iframe><img src=x onerror=alert(1)>\udcff&amp;\u2028.jpg'


@pytest.fixture(scope="module")
def maps():
    """The signed maps of two photos in an untrained network."""
    backbone = crosspool.load_backbone("resnet18", "untrained")
    return backbone.activations([sample("cat"), sample("rocket")], "layer4.1.conv2", 128, framing="squash", signed=True)


class Elements(HTMLParser):
    """The elements of a text, each with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def frame_of(gallery):
    """The attributes of the only frame of a gallery's HTML."""
    (style, _), (tag, frame) = Elements(gallery._repr_html_()).found
    assert (style, tag) == ("style", "iframe")
    return frame


def blocks_of(page):
    """The page's data by their ids."""
    return dict(re.findall(r'<script type="application/[\w-]+" id="(\w+)">(.*?)</script>', page, re.DOTALL))


def test_the_frame_holds_the_page_and_says_what_it_is(maps):
    gallery = crosspool.show(maps, 1, name="rocket.jpg", height=500)
    frame = frame_of(gallery)
    assert frame.pop("srcdoc") == gallery.page
    assert frame == {
        "class": "crosspool-gallery", "title": "512 weighting maps of rocket.jpg", "height": "500",
        "sandbox": "allow-scripts",
    }  # fmt: skip
    assert repr(gallery) == "NotebookGallery(title='512 weighting maps of rocket.jpg', height=500)"


def test_it_loads_nothing(maps):
    text = crosspool.show(maps)._repr_html_()
    for part in (text, html.unescape(text)):
        assert not re.search(r"\b(?:src|href)\s*=|https?://|@import|url\(|blob:", part)
    assert "default-src &#x27;none&#x27;" in text


def test_a_hostile_name_is_a_name(maps):
    gallery = crosspool.show(maps, name=EVIL)
    frame = frame_of(gallery)
    printed = EVIL.replace("\udcff", r"\xff").replace("\u2028", r"\u2028")
    assert frame["title"] == f"512 weighting maps of {printed}"
    tags = [tag for tag, _ in Elements(frame["srcdoc"]).found]
    assert "img" not in tags
    assert "iframe" not in tags
    gallery._repr_html_().encode()


def test_each_image_has_its_own_maps_and_settings(maps):
    page = crosspool.show(maps, 1).page
    assert "<title>512 weighting maps of image 1</title>" in page
    blocks = blocks_of(page)
    packed = unpack(base64.b64decode(blocks["maps"]))
    upper = maps.upper[1].numpy()
    np.testing.assert_allclose(packed.weights, upper, atol=np.abs(upper).max() / 100)
    pooled = crosspool.cross_layer_pool(maps.lower, maps.upper, **maps.pair.geometry)
    statistics = crosspool.channel_statistics(maps.upper[1], pooled[1])
    lines = re.findall(r"map (\d+): peak ", page)
    assert lines[:5] == [str(channel) for channel in statistics.order("energy_share")[:5]]
    settings = json.loads(blocks["settings"])
    assert settings["colourMaps"] == ["RdBu_r"]
    assert settings["classes"] is None, "an untrained network's classes mean nothing"
    made = json.loads(html.unescape(re.findall(r"<pre>(\{.*?)</pre>", page, re.DOTALL)[0]))
    assert (made["backbone"], made["weights"], made["weights_checksum"]) == ("resnet18", "untrained", None)
    assert (made["size"], made["framing"], made["signed"], made["border"]) == (128, "squash", True, "zero")
    assert made["image"] == {"name": "image 1"}


def test_channels_have_their_classes_where_the_network_says_them():
    backbone = crosspool.load_backbone()
    page = crosspool.show(backbone.activations(sample(), size=128)).page
    classes = json.loads(blocks_of(page)["settings"])["classes"]["classes"]
    assert "butternut squash" in classes
    made = json.loads(html.unescape(re.findall(r"<pre>(\{.*?)</pre>", page, re.DOTALL)[0]))
    assert made["weights_checksum"] == backbone.spec.weights.checksum


@pytest.mark.parametrize("image", [-1, 2])
def test_an_image_that_is_not_there(maps, image):
    with pytest.raises(crosspool.SettingError, match=rf"no image {image}: these maps are of images 0 to 1\."):
        crosspool.show(maps, image)
