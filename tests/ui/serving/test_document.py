"""The cookie that comes with the document: it names the browser, and no neighbour of the server's can plant it."""

import re

import pytest

from crosspool.ui.runtime.visits import COOKIE, SECURE_COOKIE, browser_in, browser_of, new_token
from crosspool.ui.serving.document import ORIGINAL_TITLE, Document
from tests.asgi import ask

PLANTED, OWN = new_token(), new_token()


async def streamlit(scope, receive, send):
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": f"<html>{ORIGINAL_TITLE}<body></body></html>".encode()})


def cookie_of(scheme, **cookies):
    """The cookie that a browser with these cookies is given, or None."""
    sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = {"Accept": "text/html", "X-Forwarded-Proto": scheme, "Cookie": sent}
    return ask(Document(streamlit), headers=headers).headers.get("set-cookie")


@pytest.mark.parametrize(
    ("scheme", "name", "secure"), [("http", "crosspool_visit", ""), ("https", "__Host-crosspool_visit", "; Secure")]
)
def test_a_browser_without_one_is_given_one(scheme, name, secure):
    cookie = cookie_of(scheme)
    assert re.fullmatch(rf"{name}=[0-9a-f]{{32}}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie)
    assert cookie_of(scheme, **{name: OWN}) is None
    assert cookie_of(scheme, **{name: "made up"})


def test_by_https_one_that_a_neighbour_planted_means_nothing():
    cookie = cookie_of("https", **{COOKIE: PLANTED})
    name, _, own = cookie.partition(";")[0].partition("=")
    assert name == SECURE_COOKIE
    assert own != PLANTED
    assert browser_in({COOKIE: PLANTED, SECURE_COOKIE: own}) == browser_of(own)
    assert cookie_of("https", **{COOKIE: PLANTED, SECURE_COOKIE: own}) is None


def test_a_browser_is_known_by_its_cookie():
    assert browser_in({COOKIE: OWN}) == browser_in({SECURE_COOKIE: OWN}) == browser_of(OWN) != ""
    assert browser_in({}) == browser_in({COOKIE: "made up"}) == ""
    assert browser_in({COOKIE: OWN, SECURE_COOKIE: "made up"}) == ""
