"""The visit of a browser that was here lately: taken up again, or, where that cannot be, what is gone in one sentence.

Three cookies serve this. One names the browser; it is a secret, set by the server, and out of the reach of scripts. The
others are none: in one the page's script notes what the visit holds, so that nobody who brought nothing is told of a
loss; the third names the tab while it connects (history.js).
"""

import re
from typing import cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crosspool.text import time_in_words
from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.visits import COOKIE, SECURE_COOKIE, TAB_COOKIE, browser_in
from crosspool.ui.visit.state import NAME, VisitState, current_visit
from crosspool.ui.widgets.browser import component

HOLDINGS_COOKIE = "crosspool_holds"  # the run of the server, the number of images, and 1 if there are classifiers
HOLDINGS = re.compile(r"(\w{8})\.(\d{1,5})\.([01])")

_note_holdings = component("ui/visit/holdings")


def session_id() -> str:
    """The id of Streamlit's session, which ends with a reload."""
    context = get_script_run_ctx()
    return context.session_id if context is not None else ""


def current_browser() -> str:
    """The name of the visitor's browser, or "" where it takes no cookies."""
    return browser_in({name: _cookie(name) for name in (SECURE_COOKIE, COOKIE)})


def _cookie(name: str) -> str:
    value = st.context.cookies.get(name)
    return value if isinstance(value, str) else ""


def resume_visit() -> None:
    """The first call of every run: where a session begins, take up what its browser has left."""
    server, session, browser, tab = current_server(), session_id(), current_browser(), _cookie(TAB_COOKIE)
    visits = server.visits
    if NAME not in st.session_state:
        left = cast("VisitState | None", visits.take_up(session, browser, tab))
        visit = left or VisitState(server.accounts.of(browser))
        st.session_state[NAME] = visit
        if not visit.has_images and not visits.is_used_elsewhere(browser, visit):
            visit.loss = _loss(_cookie(HOLDINGS_COOKIE))
    visits.note(session, browser, current_visit(), tab)


def _loss(holdings: str) -> str:
    """What is gone and why, from the cookie about an earlier visit; "" if there was nothing."""
    match = HOLDINGS.fullmatch(holdings)
    if match is None:
        return ""
    server, images = current_server(), int(match[2])
    things = ["your image" if images == 1 else f"your {images:,} images"] if images else []
    things += ["the trained classifiers"] if match[3] == "1" else []
    is_single = images == 1 and len(things) == 1
    lost = f"{' and '.join(things)} {'is' if is_single else 'are'} gone."
    if match[1] != server.run_name:
        return f"The server was restarted: {lost}"
    rule, kept = "It is kept" if is_single else "They are kept", time_in_words(server.settings.kept_seconds)
    return f"{lost[0].upper()}{lost[1:]} {rule} for {kept} after a page is closed."


def show_loss() -> None:
    """Say what is gone, until the visitor closes the sentence."""
    visit = current_visit()
    if not visit.loss:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(visit.loss, icon=":material/history:")
        if st.button("Close", key="close-loss"):
            visit.loss = ""
            st.rerun()


def note_holdings() -> None:
    """The last call of every run: let the browser remember what the visit holds."""
    visit = current_visit()
    images = visit.visitor.image_count if visit.has_images else 0  # some may not be released yet
    classifiers = int(visit.has_classifiers)
    holdings = f"{current_server().run_name}.{images}.{classifiers}" if images or classifiers else ""
    if holdings or visit.holdings or visit.loss:
        _note_holdings({"name": HOLDINGS_COOKIE, "value": holdings}, "holdings")
    visit.holdings = holdings or visit.holdings
