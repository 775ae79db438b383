"""Background work that ends with the program, and does not change how many threads others use."""

import threading
from collections.abc import Callable
from functools import cache

from crosspool.flow import use_threads
from crosspool.tracing import BETWEEN_NODES

_ENDING = threading.Event()


class _EndingError(Exception):
    """The program ends, so nobody needs the result."""


def begin_behind(work: Callable[[], None], threads: int) -> threading.Event:
    """Begin `work` in a thread of its own, whose passes use so many threads. Returns what is set when it has ended.

    The thread is no daemon: the end of the program would tear that out of torch's code, which aborts the process.
    """
    _watch_main_thread()
    ended = threading.Event()
    threading.Thread(target=_run, args=(work, threads, ended), name="crosspool-engine").start()
    return ended


def _run(work: Callable[[], None], threads: int, ended: threading.Event) -> None:
    BETWEEN_NODES.set(_end_with_program)
    try:
        use_threads(threads)
        work()
    except _EndingError:
        pass
    finally:
        ended.set()


def _end_with_program() -> None:
    if _ENDING.is_set():
        raise _EndingError


@cache
def _watch_main_thread() -> None:
    def watch() -> None:
        threading.main_thread().join()
        _ENDING.set()

    threading.Thread(target=watch, name="crosspool-engine-end", daemon=True).start()
