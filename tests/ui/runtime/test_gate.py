"""The queue in front of computations: in order, with the place, and left by those who have moved on."""

import threading
import time

import pytest

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime import gate as gates
from crosspool.ui.runtime.gate import BusyError, FairSemaphore

LONG = 120  # seconds: the machine may be busy


@pytest.fixture(autouse=True)
def short_polls(monkeypatch):
    monkeypatch.setattr(gates, "POLL_SECONDS", 0.01)


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class WaitingThread(threading.Thread):
    """Waits for a turn, and stays inside until it may go; `places` are those that it was given."""

    def __init__(self, gate, **options):
        super().__init__(daemon=True)
        self.gate, self.options = gate, options
        self.places, self.error = [], None
        self.inside, self.may_go = threading.Event(), threading.Event()
        self.start()

    def run(self):
        try:
            with self.gate.turn(self.report, **self.options):
                self.inside.set()
                assert self.may_go.wait(LONG)
        except Exception as error:
            self.error = error

    def report(self, place):
        self.places.append(place)

    def go(self):
        self.may_go.set()
        self.join(LONG)


def queue_of(gate, count, **options):
    """So many threads, in this order."""
    threads = []
    for number in range(1, count + 1):
        threads.append(WaitingThread(gate, **options))
        until(lambda: gate.running + gate.waiting == number)  # noqa: B023 - it is called at once
    return threads


@pytest.mark.parametrize("width", [1, 3])
def test_as_many_as_its_width_enter_at_a_time_in_the_order_of_arrival(width):
    gate = FairSemaphore(width)
    threads = queue_of(gate, 6)
    for gone in range(6):
        until(lambda: all(thread.inside.is_set() for thread in threads[: gone + width]))  # noqa: B023
        assert not any(thread.inside.is_set() for thread in threads[gone + width :])
        assert (gate.running, gate.waiting) == (min(width, 6 - gone), max(6 - gone - width, 0))
        threads[gone].go()
    assert (gate.running, gate.waiting, len(gate.waits)) == (0, 0, 6)


def test_those_who_wait_are_told_their_place_and_when_their_turn_has_come():
    gate = FairSemaphore()
    threads = queue_of(gate, 4)
    for thread in threads:
        until(thread.inside.is_set)
        if thread is not threads[-1]:
            until(lambda: all(thread.places for thread in threads))
        thread.go()
    assert [sorted(set(thread.places), reverse=True) for thread in threads[:2]] == [[0], [1, 0]]
    assert threads[3].places == sorted(threads[3].places, reverse=True)  # it only gets better
    assert set(threads[3].places) <= {3, 2, 1, 0}
    assert threads[3].places[-1] == 0


def test_a_visitor_who_moved_on_leaves_the_queue_and_those_behind_move_up():
    class MovedOnError(Exception):
        pass

    def report(place):
        raise MovedOnError

    gate = FairSemaphore()
    first, behind = queue_of(gate, 2)
    with pytest.raises(MovedOnError), gate.turn(report):
        raise AssertionError("it never had a turn")
    assert (gate.running, gate.waiting) == (1, 1)
    first.go()
    until(behind.inside.is_set)
    behind.go()


def test_nobody_waits_longer_than_the_limit():
    gate = FairSemaphore()
    (first,) = queue_of(gate, 1)
    with (
        pytest.raises(BusyError, match=r"after \d+ seconds? you are still at place 1 in the queue; try again"),
        gate.turn(seconds=0.03),
    ):
        raise AssertionError("it never had a turn")
    assert (gate.running, gate.waiting) == (1, 0)
    first.go()


def test_a_thread_that_no_longer_needs_a_turn_does_not_wait():
    gate, answer = FairSemaphore(), [""]
    (first,) = queue_of(gate, 1)
    waiting = WaitingThread(gate, unless=lambda: bool(answer[0]))
    until(lambda: waiting.places)
    assert not waiting.inside.is_set()
    answer[0] = "found"
    until(waiting.inside.is_set)
    assert not first.may_go.is_set()
    waiting.go()
    first.go()


def test_yielding_lets_those_who_wait_go_first():
    gate, order = FairSemaphore(), []

    def visit():
        with gate.turn():
            order.append("other")

    other = threading.Thread(target=visit)
    with gate.turn() as turn:
        turn.yield_turn()  # nobody waits
        other.start()
        until(lambda: gate.waiting)
        order.append("first step")
        turn.yield_turn()
        order.append("second step")
    other.join(LONG)
    assert order == ["first step", "other", "second step"]


def test_only_waits_that_are_noticed_are_reported(monkeypatch):
    monkeypatch.setattr(gates, "POLL_SECONDS", 0.5)
    waits: list[float] = []
    semaphore = FairSemaphore(on_wait=waits.append)
    first, second = queue_of(semaphore, 2)
    assert waits == []
    time.sleep(0.6)  # longer than a poll
    first.go()
    second.go()
    assert waits == [wait for wait in semaphore.waits if wait > gates.POLL_SECONDS]
    assert len(waits) == 1


def test_an_error_inside_frees_the_turn():
    gate = FairSemaphore()
    with pytest.raises(CrosspoolError), gate.turn():
        raise CrosspoolError("no")
    with gate.turn():
        pass
