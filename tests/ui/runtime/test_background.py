"""Jobs in the background: how they are stopped, dropped, waited for, and how they fail."""

import gc
import threading
import time
import weakref

import pytest

from crosspool.errors import DatasetError
from crosspool.ui.runtime.background import BackgroundJob

LONG = 120  # seconds: the machine may be busy


def begin(work):
    return BackgroundJob(work, task="the test", advice="take less of it")


def endless(steps):
    """Work that never ends by itself, and grows `steps`."""

    def work(step):
        while True:
            step()
            steps.append(len(steps))
            time.sleep(0.005)

    return work


def test_it_runs_to_its_end():
    results = []
    job = begin(lambda step: results.append(1))
    assert job.wait(LONG)
    assert results == [1]
    assert (job.running, job.cancelled, job.error) == (False, False, "")


def test_cancelling_ends_it_at_its_next_step():
    steps: list[int] = []
    job = begin(endless(steps))
    assert job.running
    job.cancel()
    assert not job.running  # at once, so that the page is free
    assert job.cancelled
    assert job.wait(LONG)
    ended_after = len(steps)
    time.sleep(0.05)
    assert len(steps) == ended_after
    assert job.error == ""


def test_a_dropped_job_ends():
    begun, ended = threading.Event(), threading.Event()

    def work(step):
        try:
            while True:
                step()
                begun.set()
                time.sleep(0.005)
        finally:
            ended.set()

    job = begin(work)
    assert begun.wait(LONG)
    dropped = weakref.ref(job)
    del job
    gc.collect()
    assert dropped() is None
    assert ended.wait(LONG)


def test_objects_that_the_work_holds_are_free_when_it_ends():
    class Reservation:
        pass

    reservation = Reservation()
    held = weakref.ref(reservation)
    job = begin(lambda step, reservation=reservation: None)
    del reservation
    assert job.wait(LONG)
    deadline = time.monotonic() + LONG
    while held() is not None and time.monotonic() < deadline:
        gc.collect()
    assert held() is None  # although the job is still held


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DatasetError("There is too little."), "There is too little."),
        (MemoryError(), "There is not enough memory for the test; take less of it."),
        (ValueError("odd"), "The test failed (ValueError: odd); this is a bug in crosspool."),
    ],
)
def test_a_failure_is_one_sentence(error, sentence):
    def work(step):
        raise error

    job = begin(work)
    assert job.wait(LONG)
    assert job.error == sentence
    assert not job.running
    assert not job.cancelled


def test_only_unforeseen_errors_are_logged(caplog):
    def work(error):
        def fail(step):
            raise error

        return fail

    assert begin(work(DatasetError("known"))).wait(LONG)
    assert begin(work(MemoryError())).wait(LONG)
    assert not caplog.records
    assert begin(work(KeyError("odd"))).wait(LONG)
    (record,) = caplog.records
    assert record.getMessage() == "the test failed"
    assert isinstance(record.exc_info[1], KeyError)
