"""A queue for as many computations as the machine can do at a time: first come, first served.

Made here rather than taken from a library, as none tells those who wait their place, lets a long computation give way
between two steps, or releases those who no longer need a turn.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crosspool.errors import CrosspoolError

POLL_SECONDS = 0.5  # between two checks of whether a waiting visitor is still there
WAITS_KEPT = 1000  # for the operator's page

OnProgress = Callable[[int], object]  # is told the place in the queue
Condition = Callable[[], bool]
OnWait = Callable[[float], object]  # is told the seconds of a wait


def ignore_progress(place: int) -> None:
    """Show nothing while waiting."""


def never() -> bool:
    """Let no condition end the wait."""
    return False


class BusyError(CrosspoolError):
    """The turn did not come in the time that a visitor should wait."""


@dataclass(eq=False)
class Ticket:
    """A place in the queue of a semaphore, and then inside it."""

    semaphore: "FairSemaphore"
    on_progress: OnProgress
    unless: Condition
    seconds: float | None

    def yield_turn(self) -> None:
        """From inside, between two steps of a long computation, let all who are waiting now go first."""
        self.semaphore.requeue(self)


class FairSemaphore:
    """Lets `width` in at a time, in the order of arrival.

    `on_wait` is told the seconds of each wait that a visitor notices.
    """

    def __init__(self, width: int = 1, on_wait: OnWait = lambda seconds: None) -> None:
        self.width = width
        self._on_wait = on_wait
        self._changed = threading.Condition()
        self._queue: list[Ticket] = []  # those inside, and behind them those waiting
        self._waits: deque[float] = deque(maxlen=WAITS_KEPT)

    @property
    def running(self) -> int:
        """The number inside."""
        return min(len(self._queue), self.width)

    @property
    def waiting(self) -> int:
        """The number waiting."""
        return max(len(self._queue) - self.width, 0)

    @property
    def waits(self) -> tuple[float, ...]:
        """The waits, in seconds, of those who came in last."""
        with self._changed:
            return tuple(self._waits)

    @contextmanager
    def turn(
        self, on_progress: OnProgress = ignore_progress, *, unless: Condition = never, seconds: float | None = None
    ) -> Iterator[Ticket]:
        """Wait for a turn, and stay inside for the length of the block.

        While waiting, `on_progress(place)` is called now and then, 1 being the next, and with 0 when the turn has come;
        it may raise, to leave the queue. As soon as `unless()` is true the block begins without a turn, as there is
        nothing left to compute. Raises BusyError after `seconds`.
        """
        ticket = Ticket(self, on_progress, unless, seconds)
        start = time.monotonic()
        with self._changed:
            self._queue.append(ticket)
        try:
            self._wait(ticket)
            waited = time.monotonic() - start
            with self._changed:
                self._waits.append(waited)
            if waited > POLL_SECONDS:
                self._on_wait(waited)
            yield ticket
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def requeue(self, ticket: Ticket) -> None:
        """Go to the end of the queue, and wait for another turn."""
        with self._changed:
            self._queue.remove(ticket)
            self._queue.append(ticket)
            self._changed.notify_all()
        self._wait(ticket)

    def _wait(self, ticket: Ticket) -> None:
        start = time.monotonic()
        while place := self._poll_place(ticket):
            ticket.on_progress(place)
            if ticket.seconds is not None and time.monotonic() - start > ticket.seconds:
                raise BusyError(
                    f"The server is busy: after {ticket.seconds:.0f} seconds you are still at place {place} in the "
                    "queue; try again in a minute."
                )
        ticket.on_progress(0)

    def _poll_place(self, ticket: Ticket) -> int:
        """The place in the queue; 0 as soon as there is nothing left to wait for."""
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._queue.index(ticket) < self.width or ticket.unless(), timeout=POLL_SECONDS
            )
            return 0 if done else self._queue.index(ticket) - self.width + 1
