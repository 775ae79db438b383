"""The address, the browser's history and the page agree, whichever way a visitor takes."""

import re
import socket
import socketserver
import threading
from contextlib import suppress
from urllib.parse import urlparse

import pytest
from playwright.sync_api import expect

from benchmarks.harness.walks import Walk
from tests.browser.test_pages import SMALL, drawn_photo

pytestmark = pytest.mark.browser


def params_in(url):
    return dict(part.split("=") for part in url.partition("?")[2].split("&") if part)


def params_of(window):
    return params_in(window.page.url)


def expect_sample(window, sample):
    """The address names the sample, or none for the first, and the strip shows it."""
    expect(window.page.locator(f'.strip [data-id="{sample}"]')).to_have_attribute("aria-pressed", "true")
    window.page.wait_for_url(lambda url: params_in(url).get("sample", "cat") == sample)
    window.settle()


def test_back_and_forward_show_what_the_address_says(visit):
    window = visit().go(**SMALL)
    page = window.page
    entries = page.evaluate("history.length")
    for sample in ("rocket", "retina"):
        page.locator(f'.strip [data-id="{sample}"]').click()
        expect_sample(window, sample)
    tile = window.tile_at(3)
    channel = tile.get_attribute("data-channel")
    tile.click()
    expect(tile).to_have_attribute("aria-selected", "true")
    window.page.wait_for_url(lambda url: params_in(url) == SMALL | {"sample": "retina", "channel": channel})
    window.settle()
    page.get_by_role("link", name="Why this class?").first.click()
    expect(page).to_have_title("Why this class? · crosspool")
    expect_sample(window, "retina")
    assert page.evaluate("history.length") == entries + 4  # one for each step

    page.go_back()
    expect(window.tile(channel)).to_have_attribute("aria-selected", "true")
    expect_sample(window, "retina")
    assert params_of(window)["channel"] == channel
    page.go_back()
    expect_sample(window, "retina")
    assert "channel" not in params_of(window)
    page.go_back()
    expect_sample(window, "rocket")
    page.go_back()
    expect_sample(window, "cat")
    assert params_of(window) == SMALL
    page.go_forward()
    expect_sample(window, "rocket")
    expect(page.get_by_role("combobox", name="Network")).to_have_value(re.compile("^SqueezeNet 1.1"))
    page.evaluate("history.go(3)")
    expect(page).to_have_title("Why this class? · crosspool")
    expect_sample(window, "retina")


def test_the_address_is_that_of_the_last_of_quick_presses(visit):
    """The server hears of a press while the address of the one before is still on its way to the browser."""
    window = visit().go(size="448")
    presses = ("hubble", "cameraman", "espresso", "cameraman", "cat", "cameraman")
    for sample in presses:
        window.page.locator(f'.strip [data-id="{sample}"]').evaluate("button => button.click()")
        window.page.wait_for_timeout(60)
    window.settle()
    expect_sample(window, "cameraman")


class Network(socketserver.ThreadingTCPServer):
    """Passes bytes on between a browser and the app; where `is_lost`, the app does not notice that the browser left."""

    daemon_threads = True

    def __init__(self, app):
        super().__init__(("localhost", 0), socketserver.BaseRequestHandler)
        self.app, self.is_lost = app, False
        self.connections: list[socket.socket] = []

    def finish_request(self, request, client_address):
        app = socket.create_connection(self.app)
        self.connections.append(app)
        threading.Thread(target=self.pass_on, args=(app, request), daemon=True).start()
        self.pass_on(request, app)

    def pass_on(self, source, to):
        with suppress(OSError):
            while data := source.recv(2**16):
                to.sendall(data)
        with suppress(OSError):
            if not (self.is_lost and to in self.connections):
                to.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def network(app_url):
    """A network before the app."""
    with Network(("localhost", urlparse(app_url).port)) as network:
        threading.Thread(target=network.serve_forever, daemon=True).start()
        yield network
        network.shutdown()
        for connection in network.connections:
            connection.close()


def test_a_reload_brings_back_what_the_browser_brought_and_nobody_elses(visit, browser, network):
    window = visit()
    window.url = f"http://localhost:{network.server_address[1]}"
    window.go(**SMALL)
    page = window.page
    window.upload(("red disc.jpg", drawn_photo("red")), ("green disc.jpg", drawn_photo("green")))
    strip = page.locator(".strip .place:has(.remove) .tile")
    expect(strip).to_have_count(2)
    strip.first.click()
    expect(window.chosen_image).to_contain_text("red disc")
    window.settle()
    cookies = {each["name"]: each for each in page.context.cookies()}
    cookie = cookies["crosspool_visit"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    # Both end with the browser: the next one is told of no loss that has another reason.
    assert [cookies[name]["expires"] for name in ("crosspool_visit", "crosspool_holds")] == [-1, -1]
    assert cookie["value"] not in page.url
    page.reload()
    expect(window.chosen_image).to_contain_text("red disc")
    expect(strip).to_have_count(2)
    window.settle()
    network.is_lost = True
    page.reload()
    expect(window.chosen_image).to_contain_text("red disc")
    expect(strip).to_have_count(2)
    window.settle()
    network.is_lost = False

    profile = browser.new_context()
    stranger = profile.new_page()
    stranger.goto(page.url)
    expect(stranger.get_by_text("The link shows an image that only its owner has; showing Cat.")).to_be_visible()
    expect(stranger.get_by_text("red disc")).to_have_count(0)
    (other,) = (each["value"] for each in profile.cookies() if each["name"] == "crosspool_visit")
    assert other != cookie["value"]
    profile.close()

    page.get_by_role("button", name="Your images").click()
    page.get_by_role("button", name="Forget my images").click()
    expect_sample(window, "cat")
    page.reload()
    expect_sample(window, "cat")
    expect(page.get_by_text("red disc")).to_have_count(0)
    expect(page.get_by_text(re.compile(r"(is|are) gone\."))).to_have_count(0)  # the visitor knows


def test_a_random_walk_leads_where_the_address_says(visit):
    """The short form of `python -m benchmarks.robustness.walks`."""
    walk = Walk(visit(), seed=0)
    walk.start()
    for _ in range(12):
        walk.step()
    assert len(walk.entries) > 1
