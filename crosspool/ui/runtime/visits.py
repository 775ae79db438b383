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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import streamlit as st
import streamlit.runtime
from streamlit.runtime import Runtime, get_instance

COOKIE, TAB_COOKIE = "crosspool_visit", "crosspool_tab"
TOKEN = re.compile(r"[0-9a-f]{32}")
CHECK_SECONDS = 1.0  # between two searches for visits that were left


class Visit(Protocol):
    """What a visit holds of its visitor."""

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


def _is_connected(session_id: str) -> bool:
    return streamlit.runtime.exists() and get_instance().is_active_session(session_id)


class VisitRegister:
    """All visits by their session's id, each for `kept_seconds` after its page was closed."""

    def __init__(self, kept_seconds: float, is_connected: Callable[[str], bool] = _is_connected) -> None:
        self._kept_seconds, self._is_connected = kept_seconds, is_connected
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

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

    def make_room_for_images(self) -> bool:
        """Forget the visit with images that was left first; whether there was one."""
        return self._make_room(lambda visit: visit.has_images)

    def make_room_for_classifiers(self) -> bool:
        """Forget the visit with classifiers that was left first; whether there was one."""
        return self._make_room(lambda visit: visit.has_classifiers)

    def _make_room(self, holds: Callable[[Visit], bool]) -> bool:
        with self._lock:
            left = [name for name in self._left() if holds(self._sessions[name].visit)]
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
        for session_id in closed:
            runtime.close_session(session_id)
