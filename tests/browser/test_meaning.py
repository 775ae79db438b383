"""What a channel means, beside its map: its classes and the image that it looks for, under the pointer."""

import pytest
from playwright.sync_api import expect

from crosspool.backbones import load_backbone
from crosspool.channel_meaning import channel_classes

pytestmark = pytest.mark.browser


def test_classes_and_the_image_follow_the_pointer(visit):
    window = visit().go(size=128, channel=899)
    backbone = load_backbone()
    classes = channel_classes(backbone, backbone.architecture.default_pair)
    panel = window.page.locator(".meaning")
    expect(panel).to_contain_text("For " + ", ".join(label for label, _ in classes.speaks_for(899, 3)))
    expect(panel).to_contain_text("Against " + ", ".join(label for label, _ in classes.speaks_against(899, 3)))
    image = panel.get_by_role("img", name="What channel 899 looks for")
    window.page.wait_for_function(INKED)
    first = image.evaluate("canvas => canvas.toDataURL()")
    tile = window.tile_at(3)
    channel = int(tile.get_attribute("data-channel"))
    tile.hover()
    expect(panel).to_contain_text("For " + ", ".join(label for label, _ in classes.speaks_for(channel, 3)))
    pointed_at = panel.get_by_role("img", name=f"What channel {channel} looks for")
    window.page.wait_for_function(INKED)
    assert pointed_at.evaluate("canvas => canvas.toDataURL()") != first
    window.expect_no_complaints()


# The components are in shadow trees: the canvas has something drawn on it.
INKED = """() => {
  const find = (root) => root.querySelector(".looks-for")
    ?? [...root.querySelectorAll("*")].map((element) => element.shadowRoot && find(element.shadowRoot)).find(Boolean);
  const canvas = find(document);
  return canvas?.getContext("2d").getImageData(0, 0, 64, 64).data.some((value) => value > 0);
}"""
