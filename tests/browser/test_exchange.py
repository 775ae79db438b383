"""Changes by hand and the server's answers, which cross each other: exchange.js by itself, without a server."""

import pytest

from crosspool.gallery.assets import script

pytestmark = pytest.mark.browser

NONE = {"selected": 0, "pins": 0, "view": 0}


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.add_script_tag(
        type="module", content=f"{script('gallery/exchange.js')}\nglobalThis.begin = {BEGIN}\nbegin();\n"
    )
    page.wait_for_function("globalThis.exchange")
    yield page
    page.close()


BEGIN = """() => {
    globalThis.sent = [];
    globalThis.exchange = Object.assign(new Exchange(), { send: (changes) => sent.push(changes) });
};"""


def change(page, part, value):
    """A change by hand, sent at once; all that is sent with it."""
    page.evaluate("([part, value]) => { exchange.note(part, value); exchange.flush(); }", [part, value])
    return page.evaluate("sent.at(-1)")


def merge(page, data, revisions, **mine):
    """What is shown when the server's data of these revisions arrives."""
    state = page.evaluate("([data, mine]) => exchange.merge(data, mine)", [{**data, "revisions": revisions}, mine])
    return {part: value for part, value in state.items() if part != "revisions"}


def test_an_answer_to_an_older_change_does_not_undo_the_newer_one(page):
    first = change(page, "selected", 3)["selected"]["revision"]
    second = change(page, "selected", 4)["selected"]["revision"]
    assert second > first
    assert merge(page, {"selected": 3, "pins": [7]}, NONE | {"selected": first}, selected=4, pins=[]) == {
        "selected": 4,
        "pins": [7],
    }
    assert merge(page, {"selected": 4}, NONE | {"selected": second}, selected=4) == {"selected": 4}


def test_a_change_by_the_server_is_shown(page):
    revision = change(page, "selected", 3)["selected"]["revision"]
    assert merge(page, {"selected": 9}, NONE | {"selected": revision}, selected=3) == {"selected": 9}


def test_a_change_that_the_server_has_not_confirmed_is_sent_again_with_the_next_one(page):
    pins = change(page, "pins", [1])
    both = change(page, "selected", 3)
    assert both == {**pins, "selected": {"revision": both["selected"]["revision"], "value": 3}}
    merge(page, {}, NONE | {part: change["revision"] for part, change in both.items()})
    assert set(change(page, "selected", 4)) == {"selected"}


def test_nothing_is_sent_twice(page):
    change(page, "selected", 3)
    page.evaluate("exchange.flush()")
    assert page.evaluate("sent.length") == 1


def test_a_change_that_can_wait_is_sent_once_after_a_pause(page):
    page.evaluate("for (const top of [1, 2, 3]) exchange.changeLater('view', { top })")
    assert page.evaluate("sent.length") == 0
    page.wait_for_function("sent.length > 0")
    assert [changes["view"]["value"] for changes in page.evaluate("sent")] == [{"top": 3}]


def test_a_second_gallery_in_the_session_sends_newer_revisions(page):
    before = change(page, "selected", 3)["selected"]["revision"]
    page.wait_for_timeout(5)
    page.evaluate("begin()")
    assert merge(page, {"selected": 3}, NONE, selected=None) == {"selected": 3}  # the server has not heard of it yet
    after = change(page, "selected", 4)["selected"]["revision"]
    assert after > before
    assert merge(page, {"selected": 3}, NONE | {"selected": before}, selected=4) == {"selected": 4}


def test_a_restarted_server_is_believed(page):
    """A page that comes back to a server that was started again has a new session there."""
    revision = change(page, "selected", 3)["selected"]["revision"]
    merge(page, {"selected": 3}, NONE | {"selected": revision}, selected=3)
    assert merge(page, {"selected": 9}, NONE, selected=3) == {"selected": 9}
    assert merge(page, {"selected": 10}, NONE, selected=9) == {"selected": 10}
