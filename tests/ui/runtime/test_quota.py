"""What belongs to a visitor: counted, bounded, and forgotten with the last one who has it."""

import gc
import threading
import time
from typing import Any

import numpy as np
import pytest

from crosspool.ui.runtime import quota as private
from crosspool.ui.runtime.quota import NoRoomError, QuotaLease, Visitor, bytes_kept, settle
from crosspool.ui.runtime.settings import settings
from crosspool.ui.runtime.shared_cache import Kept, forget_all, forget_pictures
from crosspool.ui.visit import visit
from crosspool.ui.visit.labelled import Collection, from_zip
from crosspool.ui.visit.visit import end_visits
from tests.pictures import noise, png
from tests.ui.visit.test_labelled import BLUE, RED, shades, zipped

MB = 2**20
results: Kept[tuple[str, str], np.ndarray] = Kept("of the test", lambda value: value.nbytes, lambda key: key[0])


@pytest.fixture(autouse=True)
def _nothing_else():
    forget_all()
    gc.collect()
    settle()


def computed(*pictures):
    for picture in pictures:
        results.put((picture, "a setting"), np.ones(3), time.monotonic())


def there(*pictures):
    settle()
    return [picture for picture in pictures if results.get((picture, "a setting")) is not None]


def test_bytes_are_free_again_when_the_picture_is_gone():
    visitor, before = Visitor(), bytes_kept()
    shares = [QuotaLease(visitor, [f"{n}"], 1000) for n in range(3)]
    assert (visitor.nbytes, bytes_kept() - before) == (3000, 3000)
    shares.pop()
    settle()
    assert (visitor.nbytes, bytes_kept() - before) == (2000, 2000)
    del shares
    settle()
    assert (visitor.nbytes, bytes_kept()) == (0, before)


def test_nothing_is_left_when_it_is_settled_although_another_thread_is_at_it(monkeypatch):
    def slowly(keys):
        time.sleep(0.2)
        forget_pictures(keys)

    monkeypatch.setattr(private, "forget_pictures", slowly)
    share = QuotaLease(Visitor(), ["a"], 1)
    computed("a")
    del share
    time.sleep(0.05)  # the thread that forgets has begun
    assert there("a") == []


def test_what_was_computed_goes_with_the_last_owner():
    mine, alsos = QuotaLease(Visitor(), ["a", "b"], 1), QuotaLease(Visitor(), ["b"], 1)
    computed("a", "b", "sample")
    del mine
    assert there("a", "b", "sample") == ["b", "sample"]
    del alsos
    assert there("a", "b", "sample") == ["sample"]


def test_a_visitor_and_all_visitors_have_their_limits(monkeypatch):
    small = settings().model_copy(update={"visitor_megabytes": 2, "visitors_megabytes": 3 + bytes_kept() // MB})
    monkeypatch.setattr(private, "settings", lambda: small)
    one, other = Visitor(), Visitor()
    shares = [QuotaLease(one, ["1"], 2 * MB)]
    with pytest.raises(NoRoomError, match=r"^your images may take 2 MB in all; remove some, or choose smaller ones$"):
        QuotaLease(one, ["2"], 1)
    with pytest.raises(NoRoomError, match=r"^the server has no room for more images at present; try again in a few"):
        QuotaLease(other, ["2"], 2 * MB)
    assert (one.nbytes, other.nbytes) == (2 * MB, 0)
    shares.clear()
    QuotaLease(other, ["2"], 2 * MB)  # at once, also when no thread has come round to it


def test_garbage_may_be_collected_while_a_lock_is_held():
    share = QuotaLease(Visitor(), ["a"], 1)
    with private._lock:
        del share
    settle()
    assert "a" not in private._owners


def test_many_threads_count_right():
    before, visitors = bytes_kept(), [Visitor() for _ in range(4)]

    def work(visitor):
        for n in range(300):
            QuotaLease(visitor, [f"{n % 7}", "shared"], n)

    threads = [threading.Thread(target=work, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle()
    gc.collect()
    settle()
    deadline = threading.Event()
    for _ in range(100):  # the collecting thread may be at the last one
        if bytes_kept() == before:
            break
        deadline.wait(0.02)
    assert [visitor.nbytes for visitor in visitors] == [0] * 4
    assert (bytes_kept(), private._owners["shared"]) == (before, 0)


def test_labelled_pictures_count_as_long_as_anybody_holds_them():
    """A comparison goes on holding its pictures when the ZIP is replaced."""
    visitor = Visitor()
    collection = from_zip(zipped({**shades("cat", 3, RED), **shades("dog", 2, BLUE)}), "pets.zip", visitor=visitor)
    total = sum(len(shot.data) for shots in collection.classes.values() for shot in shots)
    key = collection.classes["cat"][0].key
    computed(key)
    assert visitor.nbytes == total > 0
    dataset = collection.labelled().dataset
    del collection
    gc.collect()
    assert there(key) == [key]
    assert visitor.nbytes == total
    del dataset
    gc.collect()
    assert there(key) == []
    assert visitor.nbytes == 0


def test_a_picture_without_room_is_left_out_and_told():
    visitor = Visitor()
    visitor.nbytes = settings().visitor_megabytes * MB
    collection = Collection("Your images", visitor=visitor)
    told = collection.add("cat", png(noise(1)), "1.png")
    assert told == "1.png was left out: your images may take 64 MB in all; remove some, or choose smaller ones."
    assert len(collection) == 0


class Runtime:
    """The part of Streamlit's that knows which visits are connected."""

    def __init__(self, *connected):
        self.connected = set(connected)
        self.closed: list[str] = []
        self.is_active_session = self.connected.__contains__
        self.close_session = self.closed.append


def test_visits_that_are_over_are_ended(monkeypatch):
    clock = iter([100.0, 219.0, 221.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(visit, "_visits", {"here": 0.0, "closed": 0.0})
    runtime: Any = Runtime("here", "closed")
    end_visits(runtime, 120)  # at 100 seconds both are connected
    runtime.connected.remove("closed")
    end_visits(runtime, 120)
    assert runtime.closed == []
    end_visits(runtime, 120)
    assert runtime.closed == ["closed"]
    assert visit._visits == {"here": 221.0}
