"""The shared cache: bounded in bytes over all kinds, each result computed once, and forgotten with its image."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from crosspool.ui.runtime.gate import FairSemaphore
from crosspool.ui.runtime.quota import ImageHash
from crosspool.ui.runtime.shared_cache import CacheKind, CacheUsage, SharedCache

LONG = 120  # seconds: the machine may be busy
LIMIT = 1000  # bytes


def words(name="words"):
    """Texts by (image, number); a letter is a byte."""
    return CacheKind(name, len, lambda key: key[0])


WORDS = words()


@pytest.fixture
def cache():
    return SharedCache(LIMIT)


def value(cache, kind, key, text, gate=None, **options):
    return cache.get_or_compute(kind, key, lambda: text, gate or FairSemaphore(), **options)


def test_all_kinds_share_one_memory_and_the_least_recently_used_goes_first(cache):
    first, second = words("one"), words("other")
    for number in range(3):
        value(cache, first, ("a", number), "x" * 300)
    assert cache.get(first, ("a", 0)) == "x" * 300  # used again
    value(cache, second, ("a", 1), "y" * 300)  # has room only in place of ("a", 1) of the second kind
    assert [cache.get(first, ("a", number)) is not None for number in range(3)] == [True, False, True]
    assert cache.usages() == [
        CacheUsage("one", 2, 600, hits=3, misses=4),
        CacheUsage("other", 1, 300, hits=0, misses=1),
    ]


def test_reading_the_usage_does_not_count_as_use(cache):
    kind = WORDS
    for number in range(3):
        value(cache, kind, ("a", number), "x" * 300)
    cache.get(kind, ("a", 0))
    assert cache.usages()[0].entries == 3
    value(cache, kind, ("a", 3), "x" * 300)
    assert [cache.get(kind, ("a", number)) is not None for number in range(4)] == [True, False, True, True]


def test_a_value_larger_than_the_cache_is_shared_with_those_who_wait_but_not_kept(cache):
    kind, gate, computed = WORDS, FairSemaphore(), []
    begun, may_end = threading.Event(), threading.Event()

    def compute():
        computed.append(threading.get_ident())
        begun.set()
        assert may_end.wait(LONG)
        return "x" * 1200

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(cache.get_or_compute, kind, ("a", 0), compute, gate) for _ in range(8)]
        assert begun.wait(LONG)
        while gate.waiting < 7:
            pass
        may_end.set()
        texts = [answer.result(LONG) for answer in asked]
    assert len(computed) == 1
    assert all(text is texts[0] for text in texts)
    assert cache.get(kind, ("a", 0)) is None
    assert cache._computations == {}


@pytest.mark.parametrize("width", [1, 2, 8])
def test_all_who_ask_at_once_share_one_computation_at_a_semaphore_of_any_width(cache, width):
    kind, gate, computed, start = WORDS, FairSemaphore(width), [], threading.Barrier(8)

    def compute(number):
        computed.append(number)
        return f"text {number}"

    def ask(number):
        start.wait()
        return cache.get_or_compute(kind, ("a", number % 2), partial(compute, number % 2), gate)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["text 0", "text 1"] * 4
    assert sorted(computed) == [0, 1]


def test_waiting_for_the_same_value_takes_no_turn_from_others(cache):
    kind, gate, begun, may_end = WORDS, FairSemaphore(2), threading.Event(), threading.Event()

    def compute():
        begun.set()
        assert may_end.wait(LONG)
        return "text"

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(cache.get_or_compute, kind, ("a", 0), compute, gate) for _ in range(2)]
        assert begun.wait(LONG)
        assert pool.submit(value, cache, kind, ("b", 0), "other", gate).result(LONG) == "other"
        may_end.set()
        assert [answer.result(LONG) for answer in asked] == ["text", "text"]


def test_after_an_error_the_next_one_to_ask_computes(cache):
    kind = WORDS

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get_or_compute(kind, ("a", 0), fail, FairSemaphore())
    assert value(cache, kind, ("a", 0), "text") == "text"


def test_without_keep_a_value_is_not_kept(cache):
    kind = WORDS
    assert value(cache, kind, ("a", 0), "text", keep=False) == "text"
    assert cache.get(kind, ("a", 0)) is None


def test_an_image_is_forgotten_in_every_kind_and_no_other_image_is(cache):
    first, second = words("one"), words("other")
    for kind in (first, second):
        for image in "ab":
            value(cache, kind, (image, 0), image)
    cache.forget_images({ImageHash("a")})
    assert [cache.get(kind, (image, 0)) for kind in (first, second) for image in "ab"] == [None, "b", None, "b"]


def test_a_value_whose_image_is_forgotten_during_its_computation_is_not_kept(cache):
    kind, begun, may_end = WORDS, threading.Event(), threading.Event()

    def compute():
        begun.set()
        assert may_end.wait(LONG)
        return "text"

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(cache.get_or_compute, kind, ("a", 0), compute, FairSemaphore())
        assert begun.wait(LONG)
        cache.forget_images({ImageHash("a")})
        may_end.set()
        assert asked.result(LONG) == "text"  # who asked for it still gets it
    assert cache.get(kind, ("a", 0)) is None
    assert value(cache, kind, ("a", 0), "again") == "again"  # the image came again
    assert cache.get(kind, ("a", 0)) == "again"
