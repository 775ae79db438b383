"""The queue in front of computations: fair, with the place, and left by those who have moved on."""

import math
import threading
import time

import pytest
import torch
from torch import nn

from crosspool.errors import CrosspoolError
from crosspool.tracing import BETWEEN_NODES, run_graph, trace
from crosspool.ui.runtime import gate as gates
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.gate import BusyError, FairSemaphore, Ticket, outside

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


# --- fair between visitors


class Simulation:
    """A semaphore under a clock of its own: requests (arrival, account, seconds) come in and go, without threads."""

    def __init__(self, width=1):
        self.now = 0.0
        self.gate = FairSemaphore(width, clock=lambda: self.now)
        self.ends: dict[Ticket, float] = {}  # of those inside
        self.log: list[tuple[Account, float, float]] = []  # who came in, when, and after which wait

    def run(self, requests, until=math.inf, then=lambda account, now: None):
        """Let all requests have their turn; `then` may give another one when one has gone."""
        coming, seconds, arrivals = sorted(requests, key=lambda request: request[0]), {}, {}
        while (coming or self.ends) and self.now < until:
            if coming and coming[0][0] <= min(self.ends.values(), default=math.inf):
                self.now, account, length = coming.pop(0)
                ticket = Ticket(self.gate, account)
                seconds[ticket], arrivals[ticket] = length, self.now
                self.gate.join(ticket)
            else:
                ticket = min(self.ends, key=self.ends.__getitem__)
                self.now = self.ends.pop(ticket)
                self.gate.leave(ticket)
                if (following := then(ticket.account, self.now)) is not None:
                    coming = sorted([*coming, following], key=lambda request: request[0])
            for ticket in self.gate._inside:
                if ticket not in self.ends:
                    self.ends[ticket] = self.now + seconds[ticket]
                    self.log.append((ticket.account, self.now, self.now - arrivals[ticket]))

    def waits(self, account):
        return [wait for each, _, wait in self.log if each is account]


@pytest.mark.parametrize("width", [1, 2])
def test_a_visitor_with_twenty_requests_puts_nobody_behind_all_of_them(width):
    many, few = Account("many"), Account("few")
    simulation = Simulation(width)
    simulation.run([(0.0, many, 1.0)] * 20 + [(0.5, few, 1.0), (5.5, few, 1.0)])
    assert simulation.waits(few) == [0.5, 0.5]  # the rest of the turn that was under way
    assert len(simulation.waits(many)) == 20


def test_a_visitor_whose_requests_came_long_before_gains_nothing_by_it():
    """The queue is full from the start: of what was asked for at once, everybody gets one in turn."""
    many, others = Account("many"), [Account(str(number)) for number in range(5)]
    simulation = Simulation()
    simulation.run([(0.0, many, 1.0)] * 20 + [(3.0, other, 1.0) for other in others])
    assert [account for account, _, _ in simulation.log[3:8]] == others
    assert max(max(simulation.waits(other)) for other in others) <= 4


def test_whoever_takes_long_turns_gets_fewer_of_them():
    long, short = Account("long"), Account("short")
    lengths = {long: 10.0, short: 1.0}
    simulation = Simulation()
    requests = [(0.0, account, length) for account, length in lengths.items()] * 2  # each has one more waiting
    simulation.run(requests, until=400.0, then=lambda account, now: (now, account, lengths[account]))
    assert short.seconds < long.seconds < 2 * short.seconds  # turn by turn it would be ten times as many
    assert long.seconds + short.seconds == pytest.approx(400, abs=10)


def test_nobody_is_passed_for_longer_than_was_computed_for_them_lately():
    """One who has had 30 seconds waits while new visitors come all the time, who have had none."""
    busy = Account("busy")
    busy.charge(30.0, 0.0)
    simulation = Simulation()
    simulation.run(
        [(0.0, Account(), 1.0), (0.5, busy, 1.0)] + [(0.6 + number, Account(), 1.0) for number in range(100)]
    )
    (wait,) = simulation.waits(busy)
    assert 1 < wait <= 30


def test_a_crowd_waits_as_one_visitor():
    crowd = Account("crowd")
    gate = FairSemaphore()
    tickets = [Ticket(gate, Account(f"of the crowd {number}", crowd=crowd)) for number in range(3)]
    for ticket in [*tickets, Ticket(gate, Account("other"))]:
        gate.join(ticket)
    assert [ticket.account.name for ticket in gate._order()] == ["other", "of the crowd 1", "of the crowd 2"]


def test_the_place_counts_those_who_go_first():
    clock, account = [0.0], Account("many")
    gate = FairSemaphore(clock=lambda: clock[0])
    tickets = [Ticket(gate, account) for _ in range(3)]
    for ticket in tickets:
        gate.join(ticket)
    other = Ticket(gate, Account("other"))
    gate.join(other)
    assert [ticket.account.name for ticket in gate._order()] == ["other", "many", "many"]


def test_a_turn_that_is_given_up_is_had_by_others_meanwhile():
    gate = FairSemaphore()
    with gate.turn() as turn:
        with turn.given_up():
            assert gate.running == 0
            with gate.turn():
                assert gate.running == 1
        assert gate.running == 1
    assert (gate.running, gate.waiting) == (0, 0)


def small_network():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3)).eval()
    return model, trace(model), torch.ones(1, 3, 8, 8)


@pytest.mark.parametrize("other_waits", [False, True])
def test_a_long_pass_lets_others_go_first_between_two_nodes_and_its_numbers_stay(other_waits):
    clock, order = [0.0], []
    gate = FairSemaphore(clock=lambda: clock[0])
    model, graph, batch = small_network()
    right = run_graph(model, graph, batch)

    def relu(maps):
        order.append("second node")
        clock[0] += 1
        return maps.relu()

    model[1].forward = relu
    other = None
    with gate.turn():
        if other_waits:
            other = WaitingThread(gate)
            until(lambda: gate.waiting)
            other.may_go.set()
        assert torch.equal(run_graph(model, graph, batch), right)
        order.append("end" if other is None or other.inside.is_set() else "end, and nobody else yet")
    assert order == ["second node", "end"]
    assert (gate.running, gate.waiting) == (0, 0)


def test_a_short_pass_keeps_its_turn():
    gate = FairSemaphore(clock=lambda: 0.0)
    with gate.turn():
        other = WaitingThread(gate)
        until(lambda: gate.waiting)
        run_graph(*small_network())
        assert not other.inside.is_set()
    other.go()


def test_a_pass_of_ordinary_length_keeps_its_turn_and_a_long_one_gives_way_after_each_slice():
    clock = [0.0]
    gate = FairSemaphore(clock=lambda: clock[0])
    with gate.turn() as turn:
        first = WaitingThread(gate)
        until(lambda: gate.waiting)
        clock[0] = gates.LONG_SECONDS - 0.01
        turn.give_way()
        assert not first.inside.is_set()
        clock[0] += 0.02
        first.may_go.set()
        turn.give_way()
        assert first.inside.is_set()
        second = WaitingThread(gate)
        until(lambda: gate.waiting)
        second.may_go.set()
        clock[0] += gates.SLICE_SECONDS - 0.01
        turn.give_way()
        assert not second.inside.is_set()
        clock[0] += 60
        turn.give_way()
        assert second.inside.is_set()
    assert (gate.running, gate.waiting) == (0, 0)


def test_a_long_pass_lets_only_those_go_first_who_are_due_before_it():
    """It has taken two seconds; for one of those who wait since it began, five were computed lately."""
    clock, busy = [0.0], Account("busy")
    busy.charge(5.0, 0.0)
    accounts = iter([Account("long"), Account("idle"), busy])
    gate = FairSemaphore(whose=lambda: next(accounts), clock=lambda: clock[0])
    with gate.turn() as turn:
        first = WaitingThread(gate)
        until(lambda: gate.waiting == 1)
        second = WaitingThread(gate)
        until(lambda: gate.waiting == 2)
        clock[0] = 2.0
        first.may_go.set()
        turn.give_way()
        assert first.inside.is_set()
        assert not second.inside.is_set()
    second.go()


def test_a_long_pass_keeps_its_place_where_its_visitor_waits_for_something_else_too():
    clock, visitor, busy = [0.0], Account("visitor"), Account("busy")
    busy.charge(5.0, 0.0)
    accounts = iter([visitor, visitor, busy])
    gate = FairSemaphore(whose=lambda: next(accounts), clock=lambda: clock[0])
    with gate.turn() as turn:
        own = WaitingThread(gate)
        until(lambda: gate.waiting == 1)
        other = WaitingThread(gate)
        until(lambda: gate.waiting == 2)
        own.may_go.set()
        other.may_go.set()
        clock[0] = 2.0
        turn.give_way()
        assert not own.inside.is_set()
        assert not other.inside.is_set()
    own.join(LONG)
    other.join(LONG)


def test_a_long_pass_that_goes_on_is_no_other_turn_of_its_visitor():
    """It began at 0 and takes 2 seconds; who came at 10 waits for what its visitor asked for at 0."""
    clock, visitor = [0.0], Account("visitor")
    accounts = iter([visitor, Account("first"), visitor, Account("later")])
    gate = FairSemaphore(whose=lambda: next(accounts), clock=lambda: clock[0])

    def report(place):
        if place:
            clock[0] = 10.0
            first.may_go.set()

    with gate.turn(report) as turn:
        first = WaitingThread(gate)
        until(lambda: gate.waiting == 1)
        own = WaitingThread(gate)
        until(lambda: gate.waiting == 2)
        clock[0] = 2.0
        turn.give_way()
        assert clock == [10.0]
        later = WaitingThread(gate)
        until(lambda: gate.waiting == 2)
    until(lambda: own.inside.is_set() or later.inside.is_set())
    assert not later.inside.is_set()
    own.go()
    later.go()


def test_a_pass_that_was_paused_and_then_gives_its_turn_up_waits_like_everybody():
    clock = [0.0]
    places: list[int] = []
    others: list[WaitingThread] = []
    gate = FairSemaphore(clock=lambda: clock[0])

    def report(place):
        places.append(place)
        for other in others:
            other.may_go.set()

    with gate.turn(report) as turn:
        others.append(WaitingThread(gate))
        until(lambda: gate.waiting)
        clock[0] = 1.0
        turn.give_way()
        assert others[0].inside.is_set()
        with turn.given_up():
            others[0].join(LONG)
            clock[0] = 5.0
            others += queue_of(gate, 2)
            places.clear()
        assert places[0] == 2
    for other in others:
        other.join(LONG)


def test_few_passes_are_paused_at_a_time(monkeypatch):
    monkeypatch.setattr(gates, "MOST_PAUSED", 0)
    clock = [0.0]
    gate = FairSemaphore(clock=lambda: clock[0])
    with gate.turn() as turn:
        other = WaitingThread(gate)
        until(lambda: gate.waiting)
        clock[0] = 9.0
        turn.give_way()
        assert not other.inside.is_set()
    other.go()


def test_an_error_between_two_nodes_keeps_its_sentence():
    def leave():
        raise BusyError("The server is busy.")

    token = BETWEEN_NODES.set(leave)
    try:
        with pytest.raises(BusyError, match=r"^The server is busy\.$"):
            run_graph(*small_network())
    finally:
        BETWEEN_NODES.reset(token)


def test_a_thread_can_leave_its_turn_wherever_it_is_and_without_one_nothing_happens():
    gate = FairSemaphore()
    with outside():
        pass
    with gate.turn(), outside():
        assert gate.running == 0
    assert (gate.running, gate.waiting) == (0, 0)


def test_an_error_while_a_turn_is_given_up_leaves_nothing_behind():
    gate = FairSemaphore()
    with pytest.raises(CrosspoolError), gate.turn() as turn, turn.given_up():
        raise CrosspoolError("no")
    assert (gate.running, gate.waiting) == (0, 0)


def test_an_unwanted_run_leaves_the_queue_even_where_no_place_is_shown():
    class LeftError(Exception):
        pass

    def end():
        raise LeftError

    gate = FairSemaphore(end_unwanted=end)
    (first,) = queue_of(gate, 1)
    with pytest.raises(LeftError), gate.turn():
        raise AssertionError("it never had a turn")
    assert (gate.running, gate.waiting) == (1, 0)
    first.go()


def test_time_inside_is_charged_and_time_waiting_is_not():
    clock, account = [0.0], Account()
    gate = FairSemaphore(whose=lambda: account, clock=lambda: clock[0])
    with gate.turn() as turn:
        clock[0] = 3.0
        turn.yield_turn()
        with turn.given_up():
            clock[0] = 10.0
        clock[0] = 12.0
    assert account.seconds == 5.0
    free = FairSemaphore(whose=lambda: account, charges=False, clock=lambda: clock[0])
    with free.turn():
        clock[0] = 100.0
    assert account.seconds == 5.0
