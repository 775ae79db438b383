"""The queue in front of what is computed: in order, with the place, and left by whoever has moved on."""

import threading
import time

import pytest

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime import gate as gates
from crosspool.ui.runtime.gate import BusyError, FairSemaphore

LONG = 20  # seconds


@pytest.fixture(autouse=True)
def short_looks(monkeypatch):
    monkeypatch.setattr(gates, "LOOK_SECONDS", 0.01)


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Visitor(threading.Thread):
    """Waits for a turn, and stays inside until it may go; `places` are those that it was told."""

    def __init__(self, gate, **options):
        super().__init__(daemon=True)
        self.gate, self.options = gate, options
        self.places, self.error = [], None
        self.inside, self.may_go = threading.Event(), threading.Event()
        self.start()

    def run(self):
        try:
            with self.gate.turn(self.told, **self.options):
                self.inside.set()
                assert self.may_go.wait(LONG)
        except Exception as error:
            self.error = error

    def told(self, place):
        self.places.append(place)

    def go(self):
        self.may_go.set()
        self.join(LONG)


def queue_of(gate, count, **options):
    """So many visitors, in this order."""
    visitors = []
    for number in range(1, count + 1):
        visitors.append(Visitor(gate, **options))
        until(lambda: gate.running + gate.waiting == number)  # noqa: B023 - it is called at once
    return visitors


@pytest.mark.parametrize("width", [1, 3])
def test_as_many_as_it_is_wide_come_in_and_in_the_order_in_which_they_came(width):
    gate = FairSemaphore(width)
    visitors = queue_of(gate, 6)
    for gone in range(6):
        until(lambda: all(visitor.inside.is_set() for visitor in visitors[: gone + width]))  # noqa: B023
        assert not any(visitor.inside.is_set() for visitor in visitors[gone + width :])
        assert (gate.running, gate.waiting) == (min(width, 6 - gone), max(6 - gone - width, 0))
        visitors[gone].go()
    assert (gate.running, gate.waiting, len(gate.waits)) == (0, 0, 6)


def test_everybody_is_told_the_place_and_when_the_turn_has_come():
    gate = FairSemaphore()
    visitors = queue_of(gate, 4)
    for visitor in visitors:
        until(visitor.inside.is_set)
        if visitor is not visitors[-1]:
            until(lambda: visitors[-1].places)
        visitor.go()
    assert [sorted(set(visitor.places), reverse=True) for visitor in visitors[:2]] == [[0], [1, 0]]
    assert visitors[3].places == sorted(visitors[3].places, reverse=True)  # it only gets better
    assert set(visitors[3].places) <= {3, 2, 1, 0}
    assert visitors[3].places[-1] == 0


def test_whoever_has_moved_on_leaves_the_queue_and_those_behind_move_up():
    class MovedOnError(Exception):
        pass

    def told(place):
        raise MovedOnError

    gate = FairSemaphore()
    first, behind = queue_of(gate, 2)
    with pytest.raises(MovedOnError), gate.turn(told):
        raise AssertionError("it never had a turn")
    assert (gate.running, gate.waiting) == (1, 1)
    first.go()
    until(behind.inside.is_set)
    behind.go()


def test_nobody_waits_longer_than_is_to_be_expected_of_them():
    gate = FairSemaphore()
    (first,) = queue_of(gate, 1)
    with (
        pytest.raises(BusyError, match=r"after 0 seconds 1 are still .* try again in a minute\.$"),
        gate.turn(seconds=0.03),
    ):
        raise AssertionError("it never had a turn")
    assert (gate.running, gate.waiting) == (1, 0)
    first.go()


def test_one_who_needs_no_turn_any_more_does_not_wait():
    gate, answer = FairSemaphore(), [""]
    (first,) = queue_of(gate, 1)
    waiting = Visitor(gate, unless=lambda: bool(answer[0]))
    until(lambda: waiting.places)
    assert not waiting.inside.is_set()
    answer[0] = "found"
    until(waiting.inside.is_set)
    assert not first.may_go.is_set()
    waiting.go()
    first.go()


def test_who_lets_others_pass_comes_after_those_who_wait():
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


def test_an_error_inside_opens_the_gate():
    gate = FairSemaphore()
    with pytest.raises(CrosspoolError), gate.turn():
        raise CrosspoolError("no")
    with gate.turn():
        pass
