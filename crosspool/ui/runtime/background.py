"""A job in the background: a thread that can be cancelled, and that ends when nothing holds the job any more.

Every job has a place among those of its kind, whose number is bounded, for each visitor and on the server.
"""

import logging
import threading
import weakref
from collections.abc import Callable

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime.accounts import Account, charged_to

ENDING = 2  # jobs of a visitor that were cancelled, and whose threads have not come to their next step

Step = Callable[[], None]

logger = logging.getLogger(__name__)


class StoppedError(BaseException):
    """Ends the work of a job that was cancelled or dropped.

    It is not an Exception, so that no handler in between takes it for a failure.
    """


class FullError(CrosspoolError):
    """No further job of this kind is taken now."""


class JobPlace:
    """A job's place among those of its kind, until it is given back or dropped. `stop` is set once it is to end."""

    def __init__(self, limit: "JobLimit", account: Account) -> None:
        self.account, self.stop = account, threading.Event()
        self._limit = limit

    def give_back(self) -> None:
        """Let another job have it."""
        self._limit.release(self)


class JobLimit:
    """At most `limit` jobs of a kind, waiting or running, and `own` of each account; its name is for people."""

    def __init__(self, name: str, plural: str, limit: int, own: int = 1) -> None:
        self.name, self.plural, self.limit, self._own = name, plural, limit, own
        self.refusals = 0
        self._lock = threading.Lock()
        self._places: weakref.WeakSet[JobPlace] = weakref.WeakSet()

    def __len__(self) -> int:
        """The number of jobs."""
        return len(self._places)

    def take(self, account: Account) -> JobPlace:
        """A place for a job of this account. Raises FullError."""
        with self._lock:
            own = [place for place in self._places if place.account is account]
            wanted = [place for place in own if not place.stop.is_set()]
            problem = ""
            if len(wanted) >= self._own:
                count = f"a {self.name}" if self._own == 1 else f"{self._own} {self.plural}"
                one = "it" if self._own == 1 else "one"
                advice = f"wait until {one} has ended, or cancel {one}"
                problem = f"You have {count} under way, maybe in another tab; {advice}."
            elif len(own) >= self._own + ENDING:
                problem = f"Your last {self.name} is still ending; try again in a few seconds."
            elif len(self._places) >= self.limit:
                problem = f"The server is full, as it takes {self.limit} {self.plural}; try again in a few minutes."
            if problem:
                self.refusals += 1
                raise FullError(problem)
            place = JobPlace(self, account)
            self._places.add(place)
            return place

    def release(self, place: JobPlace) -> None:
        """No longer count a place."""
        with self._lock:
            self._places.discard(place)


class BackgroundJob:
    """Work in a thread. When nothing holds this object any more, the thread ends at its next step.

    The thread calls `work(step)`, and `work` calls `step()` between any two steps, which raises StoppedError once the
    job is cancelled or dropped. `work` must hold neither this object nor a session, or they would never be dropped.
    `task` names the work in an error sentence, and `advice` says what helps where there is too little memory. What is
    computed is charged to the account that has the `place`, which is given back at the end.
    """

    def __init__(self, work: Callable[[Step], None], place: JobPlace, *, task: str, advice: str) -> None:
        self._ending = _Ending(place, task, advice)
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

    def __init__(self, place: JobPlace, task: str, advice: str) -> None:
        self.place, self.task, self.advice = place, task, advice
        self.stop, self.ended = place.stop, threading.Event()
        self.error = ""

    def step(self) -> None:
        if self.stop.is_set():
            raise StoppedError


def _run(work: Callable[[Step], None], ending: _Ending) -> None:
    try:
        with charged_to(ending.place.account):
            work(ending.step)
    except StoppedError:
        pass
    except Exception as error:
        ending.error = failure_sentence(error, ending.task, ending.advice)
    finally:
        ending.place.give_back()
        ending.ended.set()


def failure_sentence(error: Exception, task: str, advice: str) -> str:
    """The reason why a task failed, in one sentence; unforeseen errors are logged, too."""
    if isinstance(error, CrosspoolError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"There is not enough memory for {task}; {advice}."
    logger.error("%s failed", task, exc_info=error)
    return f"{task[0].upper()}{task[1:]} failed ({type(error).__name__}: {error}); this is a bug in crosspool."
