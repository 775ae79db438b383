"""The frame around the pages, which is app.py, also where Streamlit starts a page without it."""

import runpy
import threading
from pathlib import Path

import streamlit as st

APP = Path(__file__).resolve().parent.parent.parent / "app.py"
_drawn = threading.Event()


def frame_is_drawn() -> None:
    """What app.py says of itself."""
    _drawn.set()


def inside_frame() -> None:
    """Run app.py, and the page in it, where it did not run before the page.

    Until a server has run app.py once, Streamlit discovers pages/ by itself and answers a link to a page with the bare
    page: no menu, no style.
    """
    if not _drawn.is_set():
        runpy.run_path(str(APP), run_name="__main__")
        st.stop()
