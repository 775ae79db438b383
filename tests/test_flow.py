"""Many things computed at once: results in order, few ahead, errors in their turn, and nothing runs on when it ends."""

import threading
import time

import pytest
import torch

from crosspool.flow import AHEAD, StoppedError, available_cores, in_order
from crosspool.tracing import BETWEEN_NODES

LONG = 60


def test_results_come_in_the_order_of_the_items():
    """The first ones take longest."""

    def slower_at_first(k):
        time.sleep(0.02 * (4 - k))
        return 10 * k

    assert list(in_order(slower_at_first, range(5), workers=4)) == [0, 10, 20, 30, 40]


def test_without_items_there_is_nothing():
    assert list(in_order(str, [])) == []


def test_as_many_are_computed_at_a_time_as_there_are_workers():
    all_there = threading.Barrier(3)
    assert list(in_order(lambda k: all_there.wait(LONG) >= 0, range(3), workers=3)) == [True] * 3


def test_few_items_are_taken_ahead_of_the_results():
    taken = []

    def items():
        for k in range(100):
            taken.append(k)
            yield k

    results = in_order(lambda k: k, items(), workers=2)
    assert taken == []
    for k in range(100):
        assert next(results) == k
        assert len(taken) <= k + 1 + 2 * AHEAD + 1


def test_an_error_is_raised_in_its_turn():
    results = in_order(lambda k: 1 // (2 - k), range(5), workers=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_of_the_items_is_raised_after_the_results_before_it():
    def items():
        yield from range(4)
        raise OSError("gone")

    results = in_order(str, items(), workers=1)
    assert [next(results) for _ in range(4)] == ["0", "1", "2", "3"]
    with pytest.raises(OSError, match="gone"):
        next(results)


class LongPass:
    """Passes through many nodes of a network, and notes for which items it was stopped."""

    def __init__(self):
        self.begun, self.stopped = threading.Event(), []

    def __call__(self, k):
        self.begun.set()
        try:
            for _ in range(LONG * 100):
                BETWEEN_NODES.get()()
                time.sleep(0.01)
        except StoppedError:
            self.stopped.append(k)
            raise


def test_what_is_under_way_ends_between_two_nodes_of_a_network():
    """Where nobody takes the results any more, and before `close` returns."""
    long_pass = LongPass()

    def one_more():
        yield from range(20)
        long_pass.begun.wait(LONG)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_order(lambda k: k if k < 19 else long_pass(k), one_more(), workers=1))
    assert long_pass.stopped == [19]


def test_one_within_another_is_stopped_with_it():
    long_pass = LongPass()
    outer = in_order(lambda k: k and list(in_order(long_pass, [k], workers=1)), range(2), workers=1)
    assert next(outer) == 0
    long_pass.begun.wait(LONG)
    outer.close()
    assert long_pass.stopped == [1]


def test_each_worker_uses_its_share_of_the_threads_and_others_keep_theirs():
    before = torch.get_num_threads()
    assert set(in_order(lambda k: torch.get_num_threads(), range(4))) == {1}
    assert set(in_order(lambda k: torch.get_num_threads(), range(4), workers=1)) == {available_cores()}
    assert torch.get_num_threads() == before
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [before]
