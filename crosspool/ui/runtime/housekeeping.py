"""What a server does now and then, whether or not anybody visits: end closed visits, and give memory back."""

import asyncio
import ctypes
import gc
import sys
import threading
import time

import streamlit as st
from streamlit.runtime import Runtime, get_instance

COLLECT_SECONDS, FREEZE_SECONDS = 30.0, 0.2
VISITS_SECONDS = 10.0  # between two searches for closed visits


def keep_house(closed: threading.Event) -> None:
    """Keep house until the server is closed."""
    while not closed.is_set():
        collect_garbage()
        for _ in range(round(COLLECT_SECONDS / FREEZE_SECONDS)):
            if closed.wait(FREEZE_SECONDS):
                break
            gc.freeze()  # takes no time, and spares the next runs what is new


def collect_garbage() -> None:
    """Collect garbage, keep living objects out of the next collections, and give free memory back.

    Streamlit collects after every run of a script. With all that torch brings along, that takes a third of a second, in
    which no Python thread can run. Frozen objects that have become garbage, such as a closed session, are found here.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":  # where each thread's own heap keeps freed memory
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
        if trim is not None:
            trim(0)


class VisitRegister:
    """When each visit that has images was last connected, by its session's id."""

    def __init__(self) -> None:
        self._last_seen: dict[str, float] = {}

    def note(self, session_id: str) -> None:
        """Note that a visit has images, and is connected now."""
        self._last_seen[session_id] = time.monotonic()

    async def end_closed_visits(self) -> None:
        """For as long as the server runs, end visits whose page was closed long enough ago.

        Streamlit itself ends them when the next one is closed, which may take days.
        """
        while True:
            await asyncio.sleep(VISITS_SECONDS)
            self.end_visits(get_instance(), st.get_option("server.disconnectedSessionTTL"))

    def end_visits(self, runtime: Runtime, seconds: float) -> None:
        """End visits that were not connected for `seconds`. To be called on the server's event loop only."""
        now = time.monotonic()
        for session_id, last_seen in list(self._last_seen.items()):
            if runtime.is_active_session(session_id):
                self._last_seen[session_id] = now
            elif now - last_seen > seconds:
                runtime.close_session(session_id)
                del self._last_seen[session_id]
