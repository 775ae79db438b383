"""What is kept: bounded in bytes over all kinds, computed once, and forgotten with its picture."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from cachetools import LRUCache

from crosspool.ui.runtime import shared_cache as kept
from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.shared_cache import Kept, Usage, forget_pictures

LONG = 20  # seconds
LIMIT = 1000  # bytes


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A memory of its own for each test, of 1,000 bytes."""
    monkeypatch.setattr(kept, "_store", LRUCache(LIMIT, getsizeof=lambda entry: entry[1]))
    monkeypatch.setattr(kept, "_kinds", [])
    kept._forgotten.clear()


def words(name="words"):
    """Texts by (picture, number); a letter is a byte."""
    return Kept(name, len, lambda key: key[0])


def value(kind, key, text, gate=None, **options):
    return kind.computed(key, lambda: text, gate or FairSemaphore(), **options)


def test_all_kinds_share_one_memory_and_the_least_recently_used_goes_first():
    one, other = words("one"), words("other")
    for number in range(3):
        value(one, ("a", number), "x" * 300)
    assert one.get(("a", 0)) == "x" * 300  # used again
    value(other, ("a", 1), "y" * 300)  # has room only in place of ("a", 1) of the other kind
    assert [one.get(("a", number)) is not None for number in range(3)] == [True, False, True]
    assert one.usage() == Usage("one", 2, 600, hits=3, misses=4)
    assert other.usage() == Usage("other", 1, 300, hits=0, misses=1)


def test_whoever_asks_how_full_it_is_uses_nothing():
    kind = words()
    for number in range(3):
        value(kind, ("a", number), "x" * 300)
    kind.get(("a", 0))
    assert kind.usage().entries == 3
    value(kind, ("a", 3), "x" * 300)
    assert [kind.get(("a", number)) is not None for number in range(4)] == [True, False, True, True]


def test_what_would_take_more_than_all_of_it_is_not_kept_but_shared_with_those_who_wait():
    kind, gate, computed = words(), FairSemaphore(), []
    begun, may_end = threading.Event(), threading.Event()

    def compute():
        computed.append(threading.get_ident())
        begun.set()
        assert may_end.wait(LONG)
        return "x" * 1200

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(kind.computed, ("a", 0), compute, gate) for _ in range(8)]
        assert begun.wait(LONG)
        while gate.waiting < 7:
            pass
        may_end.set()
        found = [one.result(LONG) for one in asked]
    assert len(computed) == 1
    assert all(one is found[0] for one in found)
    assert kind.get(("a", 0)) is None
    assert kind._under_way == {}


@pytest.mark.parametrize("width", [1, 2, 8])
def test_whoever_asks_at_once_shares_one_computation_at_a_gate_of_any_width(width):
    kind, gate, computed, start = words(), FairSemaphore(width), [], threading.Barrier(8)

    def compute(number):
        computed.append(number)
        return f"text {number}"

    def ask(number):
        start.wait()
        return kind.computed(("a", number % 2), partial(compute, number % 2), gate)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["text 0", "text 1"] * 4
    assert sorted(computed) == [0, 1]


def test_whoever_waits_for_the_same_takes_no_place_from_others_at_a_wide_gate():
    kind, gate, begun, may_end = words(), FairSemaphore(2), threading.Event(), threading.Event()

    def compute():
        begun.set()
        assert may_end.wait(LONG)
        return "text"

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(kind.computed, ("a", 0), compute, gate) for _ in range(2)]
        assert begun.wait(LONG)
        assert pool.submit(value, kind, ("b", 0), "other", gate).result(LONG) == "other"
        may_end.set()
        assert [one.result(LONG) for one in asked] == ["text", "text"]


def test_after_an_error_the_next_who_asks_computes():
    kind = words()

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kind.computed(("a", 0), fail, FairSemaphore())
    assert value(kind, ("a", 0), "text") == "text"


def test_what_is_looked_at_once_is_not_kept():
    kind = words()
    assert value(kind, ("a", 0), "text", keep=False) == "text"
    assert kind.get(("a", 0)) is None


def test_a_picture_is_forgotten_in_every_kind_and_no_other_picture_is():
    one, other = words("one"), words("other")
    for kind in (one, other):
        for picture in "ab":
            value(kind, (picture, 0), picture)
    forget_pictures({"a"})
    assert [kind.get((picture, 0)) for kind in (one, other) for picture in "ab"] == [None, "b", None, "b"]


def test_what_is_under_way_when_its_picture_is_forgotten_is_not_kept():
    kind, begun, may_end = words(), threading.Event(), threading.Event()

    def compute():
        begun.set()
        assert may_end.wait(LONG)
        return "text"

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(kind.computed, ("a", 0), compute, FairSemaphore())
        assert begun.wait(LONG)
        forget_pictures({"a"})
        may_end.set()
        assert asked.result(LONG) == "text"  # who asked for it still gets it
    assert kind.get(("a", 0)) is None
    assert value(kind, ("a", 0), "again") == "again"  # the picture came anew
    assert kind.get(("a", 0)) == "again"
