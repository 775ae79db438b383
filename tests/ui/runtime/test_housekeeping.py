"""Garbage is found, and living objects cost collections little."""

import gc
import threading
import weakref

import pytest

from crosspool.ui.runtime import housekeeping


class Cycle:
    def __init__(self):
        self.itself = self


@pytest.fixture(autouse=True)
def _thawed():
    yield
    gc.unfreeze()


def test_garbage_that_was_frozen_is_found():
    garbage = weakref.ref(Cycle())
    gc.freeze()
    gc.collect()
    assert garbage() is not None
    housekeeping.collect_garbage()
    assert garbage() is None


def test_new_objects_are_soon_kept_out_of_streamlits_collections():
    frozen: list[int] = []
    living: list[object] = []

    class ClosedAfterThreeWaits(threading.Event):
        def wait(self, timeout=None):
            assert timeout is not None
            assert timeout <= 1
            frozen.append(gc.get_freeze_count())
            living.extend([] for _ in range(1000))
            if len(frozen) == 3:
                self.set()
            return self.is_set()

    housekeeping.keep_house(ClosedAfterThreeWaits())
    assert frozen[1] - frozen[0] >= 1000
    assert frozen[2] - frozen[1] >= 1000
