"""The visits that have images, and the end of those whose page is closed."""

import asyncio
import time

import streamlit as st
from streamlit.runtime import Runtime, get_instance

POLL_SECONDS = 10.0  # between two looks for visits that are over


class VisitRegister:
    """When each visit that has images was last seen connected, by its session's id."""

    def __init__(self) -> None:
        self._last_seen: dict[str, float] = {}

    def note(self, session_id: str) -> None:
        """A visit has images, and is connected now."""
        self._last_seen[session_id] = time.monotonic()

    async def end_closed_visits(self) -> None:
        """For as long as the server runs: end visits whose page was closed long enough ago.

        Streamlit itself ends them when the next one is closed, which may take days.
        """
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.end_visits(get_instance(), st.get_option("server.disconnectedSessionTTL"))

    def end_visits(self, runtime: Runtime, seconds: float) -> None:
        """End visits that were not connected for so many seconds. To be called on the server's event loop only."""
        now = time.monotonic()
        for session_id, last_seen in list(self._last_seen.items()):
            if runtime.is_active_session(session_id):
                self._last_seen[session_id] = now
            elif now - last_seen > seconds:
                runtime.close_session(session_id)
                del self._last_seen[session_id]
