"""What a server does now and then: garbage is found, and what lives costs no collection much."""

import gc
import time
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


def test_what_came_since_is_soon_out_of_the_collections_that_streamlit_makes(monkeypatch):
    class EnoughError(Exception):
        pass

    frozen: list[int] = []
    living: list[object] = []

    def sleep(seconds):
        assert seconds <= 1
        frozen.append(gc.get_freeze_count())
        living.extend([] for _ in range(1000))
        if len(frozen) == 3:
            raise EnoughError

    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(EnoughError):
        housekeeping._keep_house()
    assert frozen[1] - frozen[0] >= 1000
    assert frozen[2] - frozen[1] >= 1000
