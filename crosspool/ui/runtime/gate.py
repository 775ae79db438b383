"""A queue in front of what the machine can do at a time: first come, first served."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime.log import event

LOOK_SECONDS = 0.5  # between two looks whether the one who waits still wants to
REMEMBERED = 1000  # waits, of which the operator's page tells

OnProgress = Callable[[int], object]


def ignore_progress(place: int) -> None:
    """Wait without a word."""


class BusyError(CrosspoolError):
    """The turn did not come within the time that one should have to wait."""


class Ticket:
    """A place in the queue of a gate, and then inside."""

    def __init__(
        self, gate: "FairSemaphore", on_progress: OnProgress, unless: Callable[[], bool], seconds: float | None
    ) -> None:
        self._gate, self.on_progress, self.unless, self.seconds = gate, on_progress, unless, seconds

    def yield_turn(self) -> None:
        """From inside, between two steps of a long computation: all who wait by now go first."""
        self._gate.requeue(self)


class FairSemaphore:
    """Lets so many through at a time as it is wide, in the order in which they came."""

    def __init__(self, width: int = 1) -> None:
        self.width = width
        self._changed = threading.Condition()
        self._queue: list[Ticket] = []  # those who are inside, and behind them those who wait
        self._waits: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def running(self) -> int:
        """How many are inside."""
        return min(len(self._queue), self.width)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return max(len(self._queue) - self.width, 0)

    @property
    def waits(self) -> tuple[float, ...]:
        """How many seconds the last ones waited who came in."""
        with self._changed:
            return tuple(self._waits)

    @contextmanager
    def turn(
        self,
        on_progress: OnProgress = ignore_progress,
        *,
        unless: Callable[[], bool] = lambda: False,
        seconds: float | None = None,
    ) -> Iterator[Ticket]:
        """Wait for a turn, and be inside for the length of the block.

        `on_progress(place)` is called now and then meanwhile, 1 being the next, and with 0 when the turn has come; it
        may leave by an exception. As soon as `unless()` the block begins without a turn: nothing is to be computed
        then. Raises BusyError after `seconds`.
        """
        turn = Ticket(self, on_progress, unless, seconds)
        start = time.monotonic()
        with self._changed:
            self._queue.append(turn)
        try:
            self._wait(turn)
            waited = time.monotonic() - start
            with self._changed:
                self._waits.append(waited)
            if waited > LOOK_SECONDS:
                event("waited", ms=1000 * waited)
            yield turn
        finally:
            with self._changed:
                self._queue.remove(turn)
                self._changed.notify_all()

    def requeue(self, turn: Ticket) -> None:
        """Go to the end of the queue, and wait for another turn."""
        with self._changed:
            self._queue.remove(turn)
            self._queue.append(turn)
            self._changed.notify_all()
        self._wait(turn)

    def _wait(self, turn: Ticket) -> None:
        start = time.monotonic()
        while place := self._place_after_a_look(turn):
            turn.on_progress(place)
            if turn.seconds is not None and time.monotonic() - start > turn.seconds:
                raise BusyError(
                    f"The server is busy: after {turn.seconds:.0f} seconds {place} are still to be served "
                    "before you; try again in a minute."
                )
        turn.on_progress(0)

    def _place_after_a_look(self, turn: Ticket) -> int:
        """The place in the queue; 0 as soon as there is nothing to wait for any more."""
        with self._changed:
            served = self._changed.wait_for(
                lambda: self._queue.index(turn) < self.width or turn.unless(), timeout=LOOK_SECONDS
            )
            return 0 if served else self._queue.index(turn) - self.width + 1
