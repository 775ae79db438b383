"""The visits of a server: those that are going on, and those that were left lately and may be taken up again.

A browser is known by a random cookie. A reload, or a connection that was lost for long, begins a new session of
Streamlit's; it takes up what the same browser has left, unless another of its tabs is still using that. A tab has a
name of its own, which is no secret: only with its browser's cookie does it mean anything.
"""

import asyncio
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import streamlit as st
import streamlit.runtime
from streamlit.runtime import Runtime, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import get_run_yield_check

from crosspool.ui.runtime.accounts import Account

COOKIE, TAB_COOKIE = "crosspool_visit", "crosspool_tab"
SECURE_COOKIE = f"__Host-{COOKIE}"  # by HTTPS: browsers take a cookie of this name from no other host of the domain
TOKEN = re.compile(r"[0-9a-f]{32}")
CHECK_SECONDS = 1.0  # between two searches for visits that were left
MOST_LEFT = 1000  # visits kept after their pages were closed


class Visit(Protocol):
    """What a visit holds of its visitor."""

    @property
    def visitor(self) -> Account:
        """The visitor's account."""

    @property
    def has_images(self) -> bool:
        """Whether it holds images, or anything that was trained on them."""

    @property
    def has_classifiers(self) -> bool:
        """Whether it holds classifiers that were trained."""

    def forget_images(self) -> None:
        """Drop all of that."""


@dataclass
class _Session:
    """A session of Streamlit's: its browser and tab, "" for unknown ones, its visit, and when it was connected last.

    `is_closed` is whether Streamlit has forgotten the session, so that only the visit is left.
    """

    browser: str
    tab: str
    visit: Visit
    last_seen: float
    is_closed: bool = False


def new_token() -> str:
    """A value for the cookie, which nobody can guess."""
    return secrets.token_hex(16)


def browser_of(token: str) -> str:
    """The name of a browser, from its cookie: a hash, so that the server's memory holds no cookies; "" without one."""
    return hashlib.sha256(token.encode()).hexdigest() if TOKEN.fullmatch(token) else ""


def browser_in(cookies: Mapping[str, str]) -> str:
    """The name of the browser that has sent these cookies; "" without one.

    By HTTPS it has both where a neighbour's host has set the other one for the whole domain, which then means nothing.
    """
    return browser_of(cookies.get(SECURE_COOKIE) or cookies.get(COOKIE) or "")


def _is_connected(session_id: str) -> bool:
    return streamlit.runtime.exists() and get_instance().is_active_session(session_id)


def end_unwanted_run() -> None:
    """In a page's run whose visitor has left, or asked for another one meanwhile, end it, by an exception."""
    check = get_run_yield_check()
    if check is not None:
        check()


class VisitRegister:
    """All visits by their session's id, each for `kept_seconds` after its page was closed, but at most `most_left`."""

    def __init__(
        self, kept_seconds: float, is_connected: Callable[[str], bool] = _is_connected, most_left: int = MOST_LEFT
    ) -> None:
        self._kept_seconds, self._is_connected, self._most_left = kept_seconds, is_connected, most_left
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def running_account(self) -> Account | None:
        """Whose page this thread is running; None where it runs none."""
        context = get_script_run_ctx(suppress_warning=True)
        return self.account_of(context.session_id) if context is not None else None

    def account_of(self, session_id: str) -> Account | None:
        """Whose session this is; None before its first run."""
        session = self._sessions.get(session_id)
        return session.visit.visitor if session is not None else None

    def visitor_name(self, session_id: str) -> str:
        """A name for the visitor of a session: its browser, or where it takes no cookies the session itself."""
        session = self._sessions.get(session_id)
        return session.browser or session_id if session is not None else session_id

    def note(self, session_id: str, browser: str, visit: Visit, tab: str = "") -> None:
        """Note that a session is connected now, and what it holds. Its tab is the one that it began with."""
        with self._lock:
            before = self._sessions.get(session_id)
            tab = before.tab if before is not None else tab
            self._sessions[session_id] = _Session(browser, tab, visit, time.monotonic())

    def take_up(self, session_id: str, browser: str, tab: str = "") -> Visit | None:
        """The visit that a browser left last, one with images first: from now on that of this session, not of its own.

        None where there is none. A tab has left its own visit, even if the connection of its page before seems to be
        there: it was lost.
        """
        with self._lock:
            left = self._left(browser, tab) if browser else []
            if not left:
                return None
            left_id = max(
                left, key=lambda name: (self._sessions[name].visit.has_images, self._sessions[name].last_seen)
            )
            visit = self._sessions.pop(left_id).visit
            self._sessions[session_id] = _Session(browser, tab, visit, time.monotonic())
        if self._loop is not None:  # its page may still try to connect again
            self._loop.call_soon_threadsafe(get_instance().close_session, left_id)
        return visit

    def is_used_elsewhere(self, browser: str, visit: Visit) -> bool:
        """Whether another tab of a browser, which is connected, holds images."""
        with self._lock:
            others = [
                name for name, each in self._sessions.items() if each.browser == browser and each.visit is not visit
            ]
            return any(self._sessions[name].visit.has_images for name in others if self._is_connected(name))

    def forget(self, browser: str) -> None:
        """Forget what a browser has left."""
        with self._lock:
            visits = [self._sessions.pop(name).visit for name in (self._left(browser) if browser else [])]
        for visit in visits:
            visit.forget_images()

    def make_room_for_images(self, account: Account | None = None) -> bool:
        """Forget the visit with images, of an account or of all, that was left first; whether there was one."""
        return self._make_room(account, lambda visit: visit.has_images)

    def make_room_for_classifiers(self, account: Account | None = None) -> bool:
        """Forget the visit with classifiers, of an account or of all, that was left first; whether there was one."""
        return self._make_room(account, lambda visit: visit.has_classifiers)

    def _make_room(self, account: Account | None, holds: Callable[[Visit], bool]) -> bool:
        with self._lock:
            visits = {name: self._sessions[name].visit for name in self._left()}
            left = [name for name, visit in visits.items() if account in (None, visit.visitor) and holds(visit)]
            if not left:
                return False
            visit = self._sessions.pop(min(left, key=lambda name: self._sessions[name].last_seen)).visit
        visit.forget_images()
        return True

    def _left(self, browser: str = "", tab: str = "") -> list[str]:
        """The sessions, of a browser or of all, that are not connected, or are of this tab of the browser."""
        return [
            name
            for name, session in self._sessions.items()
            if browser in ("", session.browser) and (session.tab == tab != "" or not self._is_connected(name))
        ]

    async def end_closed_visits(self) -> None:
        """For as long as the server runs, end visits whose page was closed long enough ago.

        Streamlit itself ends its sessions when the next one is closed, which may take days.
        """
        self._loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.end_visits(get_instance(), st.get_option("server.disconnectedSessionTTL"))

    def end_visits(self, runtime: Runtime, session_seconds: float) -> None:
        """End sessions that were not connected for `session_seconds`, and visits that nobody has taken up for long.

        To be called on the server's event loop only.
        """
        now = time.monotonic()
        closed = []
        with self._lock:
            for session_id, session in list(self._sessions.items()):
                if runtime.is_active_session(session_id):
                    session.last_seen = now
                    continue
                seconds = now - session.last_seen
                if not session.is_closed and seconds > min(session_seconds, self._kept_seconds):
                    session.is_closed = True
                    closed.append(session_id)
                if session.is_closed and (seconds > self._kept_seconds or not session.browser):
                    del self._sessions[session_id]
            by_time = sorted(self._left(), key=lambda name: self._sessions[name].last_seen)
            for session_id in by_time[: max(len(by_time) - self._most_left, 0)]:
                del self._sessions[session_id]
                closed.append(session_id)
        for session_id in closed:
            runtime.close_session(session_id)
