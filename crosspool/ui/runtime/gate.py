"""A queue for as many computations as the machine can do at a time, fair between visitors.

Of those who wait, the visitor with the fewest turns comes first, then whoever has waited longest since their last turn,
where each second that was computed for a visitor lately counts as a second less of waiting. So of twenty things that
one visitor asks for at once, the first takes its place in the order of arrival, and the others stand behind what
everybody else is waiting for; and nobody is passed by those who come much later, however many they are.

Made here rather than taken from a library, as none tells those who wait their place, is fair in this way, lets a long
computation give way between two steps, or releases those who no longer need a turn.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from crosspool.errors import CrosspoolError
from crosspool.tracing import BETWEEN_NODES
from crosspool.ui.runtime.accounts import Account

POLL_SECONDS = 0.5  # between two checks of whether a waiting visitor is still there
WAITS_KEPT = 1000  # for the operator's page
LONG_SECONDS = 0.5  # after which a pass through a network is a long one, and others may go first
SLICE_SECONDS = 0.1  # of a long pass, after which others may go first again
MOST_PAUSED = 2  # passes that have let others go first, as they hold activations meanwhile

OnProgress = Callable[[int], object]  # is told the place in the queue
Condition = Callable[[], bool]
OnWait = Callable[[float], object]  # is told the seconds of a wait


def ignore_progress(place: int) -> None:
    """Show nothing while waiting."""


def never() -> bool:
    """Let no condition end the wait."""
    return False


def nothing() -> None:
    """End nobody's wait."""


class BusyError(CrosspoolError):
    """The turn did not come in the time that a visitor should wait."""


@dataclass(eq=False)
class Ticket:
    """A place in the queue of a semaphore, and then inside it.

    `since` is when it began to wait, or came in, and `rank` where it stood in the order when it came in last.
    `resumes_at` is where a pass stands that lets others go first: not behind everybody.
    """

    semaphore: "FairSemaphore"
    account: Account
    on_progress: OnProgress = ignore_progress
    unless: Condition = never
    seconds: float | None = None
    since: float = 0.0
    rank: float = 0.0
    resumes_at: float | None = None

    def yield_turn(self) -> None:
        """From inside, between two steps of a long computation, let those who wait go first, as is fair."""
        self.semaphore.requeue(self)

    def give_way(self) -> None:
        """In the middle of a long pass, let those go first who would if it had come later by what it has taken."""
        self.semaphore.pause(self)

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """From inside, be outside for the length of the block, and wait for another turn then."""
        self.semaphore.leave(self)
        yield
        self.semaphore.join(self)
        self.semaphore.wait(self)


_INSIDE: ContextVar[Ticket | None] = ContextVar("innermost turn", default=None)


@contextmanager
def outside() -> Iterator[None]:
    """Give up the turn that this thread has, if any, for the length of the block."""
    ticket = _INSIDE.get()
    with nullcontext() if ticket is None else ticket.given_up():
        yield


@contextmanager
def undivided() -> Iterator[None]:
    """Let nobody go first in the middle of the block."""
    between = BETWEEN_NODES.set(nothing)
    try:
        yield
    finally:
        BETWEEN_NODES.reset(between)


class FairSemaphore:
    """Lets `width` in at a time, fairly between accounts.

    `on_wait` is told the seconds of each wait that a visitor notices. `whose` gives the account of the running thread,
    by default a new one each time, which makes it first come, first served; with `charges` the time inside is charged
    to it. `end_unwanted` is called while waiting, and raises where nobody wants the result any more.
    """

    def __init__(
        self, width: int = 1, on_wait: OnWait = lambda seconds: None, whose: Callable[[], Account] = Account, *,
        charges: bool = True, end_unwanted: Callable[[], None] = nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.width = width
        self._on_wait, self._whose, self._charges, self.end_unwanted = on_wait, whose, charges, end_unwanted
        self._clock = clock
        self._changed = threading.Condition()
        self._inside: list[Ticket] = []
        self._waiting: list[Ticket] = []  # paused passes, and the others in the order of arrival
        self._paused = 0
        self._last_turns: WeakKeyDictionary[Account, float] = WeakKeyDictionary()  # when each came in last
        self.refusals = 0  # waits that took too long
        self._waits: deque[float] = deque(maxlen=WAITS_KEPT)

    @property
    def running(self) -> int:
        """The number inside."""
        return len(self._inside)

    @property
    def waiting(self) -> int:
        """The number waiting."""
        return len(self._waiting)

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
        ticket = Ticket(self, self._whose(), on_progress, unless, seconds)
        start = self._clock()
        self.join(ticket)
        try:
            self.wait(ticket)
            waited = self._clock() - start
            with self._changed:
                self._waits.append(waited)
            if waited > POLL_SECONDS:
                self._on_wait(waited)
            with self._steps(ticket):
                yield ticket
        finally:
            self.leave(ticket)

    @contextmanager
    def _steps(self, ticket: Ticket) -> Iterator[None]:
        """Let a computation in the block give its turn up, of itself or between two nodes of a network."""
        if not self._charges:  # nothing is computed in the turn itself
            yield
            return
        inside, between = _INSIDE.set(ticket), BETWEEN_NODES.set(ticket.give_way)
        try:
            yield
        finally:
            BETWEEN_NODES.reset(between)
            _INSIDE.reset(inside)

    def join(self, ticket: Ticket, resumes_at: float | None = None) -> None:
        """Begin to wait at this place, by default as one who has just come; or come in at once."""
        with self._changed:
            ticket.since, ticket.resumes_at = self._clock(), resumes_at
            self._waiting.insert(len(self._waiting) if resumes_at is None else 0, ticket)
            self._admit()

    def leave(self, ticket: Ticket) -> None:
        """Leave the queue, or the inside; nothing for one that has left."""
        with self._changed:
            if ticket in self._inside:
                self._come_out(ticket)
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
            self._admit()

    def requeue(self, ticket: Ticket, resumes_at: float | None = None) -> None:
        """Go from inside to this place in the queue, by default its end, and wait for another turn."""
        with self._changed:
            self._come_out(ticket)
            self.join(ticket, resumes_at)
        self.wait(ticket)

    def pause(self, ticket: Ticket) -> None:
        """As `requeue`, if others wait, this one has been inside for long, and few are paused.

        Passes of ordinary length take turns as a whole: slice by slice, all of them would end when the last one does.
        """
        with self._changed:
            inside = self._clock() - ticket.since
            is_due = inside >= (LONG_SECONDS if ticket.resumes_at is None else SLICE_SECONDS)
            if ticket not in self._inside or not is_due or not self._waiting or self._paused >= MOST_PAUSED:
                return
            self._paused += 1
        try:
            self.requeue(ticket, ticket.rank + inside)
        finally:
            with self._changed:
                self._paused -= 1

    def wait(self, ticket: Ticket) -> None:
        """Wait until a ticket that has joined is inside. Raises BusyError."""
        start = self._clock()
        while place := self._poll_place(ticket):
            ticket.on_progress(place)
            self.end_unwanted()
            if ticket.seconds is not None and self._clock() - start > ticket.seconds:
                self.refusals += 1
                raise BusyError(
                    f"The server is busy: after {ticket.seconds:.0f} seconds you are still at place {place} in the "
                    "queue; try again in a minute."
                )
        ticket.on_progress(0)

    def _poll_place(self, ticket: Ticket) -> int:
        """The place in the queue; 0 as soon as there is nothing left to wait for."""
        with self._changed:
            done = self._changed.wait_for(lambda: ticket in self._inside or ticket.unless(), timeout=POLL_SECONDS)
            return 0 if done else self._order().index(ticket) + 1

    def _admit(self) -> None:
        """Let the first ones in, as far as there is room."""
        while self._waiting and len(self._inside) < self.width:
            ranks = self._ranks()
            ticket = min(self._waiting, key=ranks.__getitem__)
            ticket.rank = ranks[ticket][1]
            self._waiting.remove(ticket)
            self._inside.append(ticket)
            ticket.since = self._clock()
            if ticket.resumes_at is None:  # what goes on is no other turn
                self._last_turns[ticket.account.in_queue] = ticket.since
        self._changed.notify_all()

    def _come_out(self, ticket: Ticket) -> None:
        self._inside.remove(ticket)
        if self._charges:
            now = self._clock()
            ticket.account.charge(now - ticket.since, now)

    def _order(self) -> list[Ticket]:
        """Those waiting, in the order in which they come in if nobody else arrives."""
        return sorted(self._waiting, key=self._ranks().__getitem__)

    def _ranks(self) -> dict[Ticket, tuple[int, float]]:
        """For each of those waiting, its account's turns before it, and when it began to wait, as said above."""
        now, turns = self._clock(), Counter(ticket.account.in_queue for ticket in self._inside)
        ranks: dict[Ticket, tuple[int, float]] = {}
        for ticket in self._waiting:
            account = ticket.account.in_queue
            since = max(ticket.since, self._last_turns.get(account, ticket.since)) + account.recent_seconds(now)
            ranks[ticket] = turns[account], since if ticket.resumes_at is None else ticket.resumes_at
            turns[account] += 1
        return ranks
