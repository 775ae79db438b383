"""What a server does now and then, whether or not anybody visits: collect garbage, and give memory back."""

import ctypes
import gc
import sys
import threading

COLLECT_SECONDS, FREEZE_SECONDS = 30.0, 0.2


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
