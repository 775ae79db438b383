"""A visitor's own images in a real browser: dropped, pasted, chosen, refused, removed and forgotten."""

import base64
import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.images import noise, png

pytestmark = pytest.mark.browser

SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.squeeze", "size": "128"}
SAMPLES = 8
FRAMES = 24
HAND_OVER = """([kind, files]) => {
    const transfer = new DataTransfer();
    for (const [name, data] of files) {
        const decoded = typeof data === "number" ? data : [...atob(data)].map((char) => char.charCodeAt(0));
        const bytes = new Uint8Array(decoded);
        transfer.items.add(new File([bytes], name, { type: "image/png" }));
    }
    const options = { bubbles: true, composed: true, cancelable: true };
    const target = document.querySelector('[data-testid="stMain"] h1, [data-testid="stMain"]');
    if (kind === "paste") {
        target.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: transfer }));
    } else {
        target.dispatchEvent(new DragEvent("dragover", { ...options, dataTransfer: transfer }));
        target.dispatchEvent(new DragEvent("drop", { ...options, dataTransfer: transfer }));
    }
}"""


def animation():
    first, *others = (Image.new("RGB", (60, 40), (9 * step, 40, 200)) for step in range(FRAMES))
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others)
    return file.getvalue()


def hand_over(window, kind, *files):
    """Drop or paste files, each a name and its bytes, or how many zeros it has."""
    texts = [(name, data if isinstance(data, int) else base64.b64encode(data).decode()) for name, data in files]
    window.page.evaluate(HAND_OVER, [kind, texts])


def test_own_images_are_added_refused_removed_and_forgotten(visit):
    window = visit().go(**SMALL)
    page, tiles, alerts = window.page, window.page.locator(".strip .tile[data-id]"), window.page.get_by_role("alert")
    mine, complaint = page.locator(".strip .place:has(.remove)"), alerts.filter(has_text="this server takes at most")

    # Several at once, of which one is bad: the others are there, and one sentence says what is wrong.
    hand_over(window, "drop", ("notes_*1*.txt", b"only words"), ("one.png", png(noise(2))), ("wave.gif", animation()))
    expect(tiles).to_have_count(SAMPLES + 2)
    expect(alerts.filter(has_text="notes_*1*.txt is not an image")).to_have_count(1)
    expect(page.get_by_text(f"wave.gif: the first of {FRAMES} frames")).to_be_visible()
    expect(window.chosen_image).to_contain_text("wave.gif")

    # A pasted one; what was wrong with the last files is gone.
    window.settle()
    hand_over(window, "paste", ("image.png", png(noise(3))))
    expect(tiles).to_have_count(SAMPLES + 3)
    expect(alerts.filter(has_text="notes_*1*.txt is not an image")).to_have_count(0)
    expect(page.get_by_text("the first of")).to_have_count(0)

    # One that is too large is not sent, and said so once; the next one takes the sentence away.
    window.settle()
    hand_over(window, "drop", ("huge.png", 26 * 2**20))
    expect(complaint).to_have_text(
        "broken_imagehuge.png has 26.0 MB, and this server takes at most 25; scale it down and try again."
    )
    expect(page.get_by_test_id("stFileUploaderFile")).to_have_count(0)
    window.settle()
    window.upload(("last.png", png(noise(4))))
    expect(tiles).to_have_count(SAMPLES + 4)
    expect(complaint).to_have_count(0)
    expect(tiles.last).to_have_attribute("aria-pressed", "true")
    expect(tiles.last).to_be_in_viewport()

    window.settle()
    mine.first.hover()
    mine.first.get_by_role("button", name="Remove one.png").click()
    expect(mine).to_have_count(3)
    page.get_by_role("button", name="Your images").click()
    page.get_by_role("button", name="Forget my images").click()
    expect(page.get_by_text("Your images are forgotten.")).to_be_visible()
    expect(tiles).to_have_count(SAMPLES)
    expect(tiles.first).to_have_attribute("aria-pressed", "true")
