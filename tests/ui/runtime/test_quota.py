"""Visitors' images: counted, limited, and forgotten with their last owner."""

import gc
import threading
import time

import numpy as np
import pytest

from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.quota import Budget, ImageHash, ImageQuota, NoRoomError
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.labelled import Collection
from crosspool.ui.visit.labelled_zip import from_zip
from tests.images import noise, png
from tests.ui.visit.test_labelled import BLUE, RED, shades, zipped

MB = 2**20
RESULTS = CacheKind[tuple[ImageHash, str], np.ndarray]("of the test", lambda value: value.nbytes, lambda key: key[0])


@pytest.fixture
def server():
    with use_server(Server(ServerSettings())) as server:
        yield server


def hashes(*names):
    return [ImageHash(name) for name in names]


@pytest.fixture
def compute(server):
    """Puts a result of each of these images into the cache."""

    def put(*images):
        for image in images:
            server.cache.put(RESULTS, (image, "a setting"), np.ones(3), time.monotonic())

    return put


@pytest.fixture
def there(server):
    """Returns those of these images that have results."""

    def images_with_results(*images):
        server.quota.release_dropped()
        return [image for image in images if server.cache.get(RESULTS, (image, "a setting")) is not None]

    return images_with_results


def test_bytes_are_free_again_when_the_image_is_gone(server):
    owner, quota = Account(), server.quota
    leases = [quota.lease(owner, hashes(f"{n}"), 1000) for n in range(3)]
    assert (owner.nbytes, quota.nbytes, quota.image_count) == (3000, 3000, 3)
    leases.pop()
    quota.release_dropped()
    assert (owner.nbytes, quota.nbytes, quota.image_count) == (2000, 2000, 2)
    del leases
    quota.release_dropped()
    assert (owner.nbytes, quota.nbytes, quota.image_count) == (0, 0, 0)


def test_a_release_waits_for_another_thread_that_is_releasing():
    forgotten, begun = [], threading.Event()

    def forget_slowly(images):
        begun.set()
        time.sleep(0.2)
        forgotten.extend(images)

    quota = ImageQuota(MB, MB, forget_slowly)
    lease = quota.lease(Account(), hashes("a"), 1)
    del lease
    assert begun.wait(60)
    quota.release_dropped()
    assert forgotten == ["a"]
    quota.close()


def test_results_go_with_the_last_owner_of_their_image(server, compute, there):
    first = server.quota.lease(Account(), hashes("a", "b"), 1)
    second = server.quota.lease(Account(), hashes("b"), 1)
    compute("a", "b", "sample")
    del first
    assert there("a", "b", "sample") == ["b", "sample"]
    del second
    assert there("a", "b", "sample") == ["sample"]


def test_a_visitor_and_all_visitors_have_their_limits():
    quota = ImageQuota(2 * MB, 3 * MB, lambda images: None)
    first, second = Account(), Account()
    leases = [quota.lease(first, hashes("1"), 2 * MB)]
    with pytest.raises(NoRoomError, match=r"^your images may take 2 MB in all; remove some, or choose smaller ones$"):
        quota.lease(first, hashes("2"), 1)
    with pytest.raises(NoRoomError, match=r"^the server has no room for more images at the moment; try again in a few"):
        quota.lease(second, hashes("2"), 2 * MB)
    assert (first.nbytes, second.nbytes, quota.refusals) == (2 * MB, 0, 2)
    leases.clear()
    quota.lease(second, hashes("2"), 2 * MB)  # at once, even where the thread has not come round to it
    quota.close()


def test_a_budget_is_limited_for_each_visitor_and_for_all():
    budget, first, second = Budget("classifiers", 100, 60), Account(), Account()
    reservations = [budget.reserve(60, first)]
    assert budget.reserve(1, first) is None
    assert (budget.reserved, first.reserved["classifiers"], first.all_bytes, budget.refusals) == (60, 60, 60, 1)
    reservations.append(budget.reserve(40, second))
    assert budget.reserve(1, second) is None
    reservations.clear()
    assert (budget.reserved, first.all_bytes, second.all_bytes) == (0, 0, 0)


def test_garbage_may_be_collected_while_a_lock_is_held(server):
    lease = server.quota.lease(Account(), hashes("a"), 1)
    with server.quota._lock:
        del lease
    server.quota.release_dropped()
    assert server.quota.image_count == 0


def test_many_threads_count_correctly(server):
    quota, owners = server.quota, [Account() for _ in range(4)]

    def work(owner):
        for n in range(300):
            quota.lease(owner, hashes(f"{n % 7}", "shared"), n)

    threads = [threading.Thread(target=work, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    quota.release_dropped()
    assert [owner.nbytes for owner in owners] == [0] * 4
    assert (quota.nbytes, quota.image_count) == (0, 0)


def test_labelled_images_count_as_long_as_they_are_held(server, compute, there):
    """A comparison goes on holding its images when the ZIP is replaced."""
    visitor = Account()
    data = zipped({**shades("cat", 3, RED), **shades("dog", 2, BLUE)})
    collection = from_zip(data, "pets.zip", visitor, lambda done, total: None)
    total = sum(len(shot.data) + len(shot.thumbnail) for shots in collection.classes.values() for shot in shots)
    key = collection.classes["cat"][0].key
    compute(key)
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


def test_an_image_without_room_is_left_out_with_a_reason(server):
    visitor = Account()
    visitor.nbytes = server.settings.visitor_megabytes * MB
    collection = Collection("Your images", visitor=visitor)
    sentence = collection.add("cat", png(noise(1)), "1.png")
    assert sentence == "1.png was left out: your images may take 64 MB in all; remove some, or choose smaller ones."
    assert len(collection) == 0
