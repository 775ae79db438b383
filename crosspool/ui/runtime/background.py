"""A job in the background: a thread that can be cancelled, and that ends when nothing holds the job any more."""

import logging
import threading
import weakref
from collections.abc import Callable

from crosspool.errors import CrosspoolError

Step = Callable[[], None]

logger = logging.getLogger(__name__)


class StoppedError(BaseException):
    """Ends the work of a job that was cancelled or dropped.

    It is not an Exception, so that no handler in between takes it for a failure.
    """


class BackgroundJob:
    """Work in a thread. When nothing holds this object any more, the thread ends at its next step.

    The thread calls `work(step)`, and `work` calls `step()` between any two steps, which raises StoppedError once the
    job is cancelled or dropped. `work` must hold neither this object nor a session, or they would never be dropped.
    `task` names the work in an error sentence, and `advice` says what helps where there is too little memory.
    """

    def __init__(self, work: Callable[[Step], None], *, task: str, advice: str) -> None:
        self._ending = _Ending(task, advice)
        weakref.finalize(self, self._ending.stop.set)
        threading.Thread(target=_run, args=(work, self._ending), name=task, daemon=True).start()

    @property
    def error(self) -> str:
        """Why it failed, in one sentence, or ""."""
        return self._ending.error

    @property
    def cancelled(self) -> bool:
        return self._ending.stop.is_set()

    @property
    def running(self) -> bool:
        return not (self.cancelled or self._ending.ended.is_set())

    def cancel(self) -> None:
        """Let it end at its next step."""
        self._ending.stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the thread has ended, and return whether it has."""
        return self._ending.ended.wait(seconds)


class _Ending:
    """The end of a job: what its thread shares with the object that a page holds."""

    def __init__(self, task: str, advice: str) -> None:
        self.task, self.advice = task, advice
        self.stop, self.ended = threading.Event(), threading.Event()
        self.error = ""

    def step(self) -> None:
        if self.stop.is_set():
            raise StoppedError


def _run(work: Callable[[Step], None], ending: _Ending) -> None:
    try:
        work(ending.step)
    except StoppedError:
        pass
    except Exception as error:
        ending.error = failure_sentence(error, ending.task, ending.advice)
    finally:
        ending.ended.set()


def failure_sentence(error: Exception, task: str, advice: str) -> str:
    """The reason why a task failed, in one sentence; unforeseen errors are logged, too."""
    if isinstance(error, CrosspoolError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"There is not enough memory for {task}; {advice}."
    logger.error("%s failed", task, exc_info=error)
    return f"{task[0].upper()}{task[1:]} failed ({type(error).__name__}: {error}); this is a bug in crosspool."
