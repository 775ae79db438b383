"""What a server does now and then, whoever visits: look for garbage, and give memory back."""

import ctypes
import gc
import sys
import threading
import time

EVERY, OFTEN = 30.0, 0.2  # seconds

_begun = threading.Lock()


def begin() -> None:
    """Keep house from now on, in a thread; once a process."""
    if _begun.acquire(blocking=False):
        threading.Thread(target=_keep_house, name="housekeeping", daemon=True).start()


def collect_garbage() -> None:
    """Collect garbage, keep what is alive out of the next collections, and give free memory back.

    Streamlit collects after every run of a script. With all that torch brings along that takes a third of a second, in
    which no thread of Python's can go on. What ends up as garbage meanwhile, such as a session that was closed, is
    found here.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":  # where each thread has a heap of its own, which keeps what is freed
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
        if trim is not None:
            trim(0)


def _keep_house() -> None:
    while True:
        collect_garbage()
        for _ in range(round(EVERY / OFTEN)):
            time.sleep(OFTEN)
            gc.freeze()  # takes no time, and what came since costs the next runs nothing
