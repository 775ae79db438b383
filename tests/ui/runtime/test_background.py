"""Jobs in the background: how they are stopped, dropped, waited for, and how they fail."""

import gc
import threading
import time
import weakref

import pytest

from crosspool.errors import DatasetError
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.background import BackgroundJob, FullError, JobLimit

LONG = 120  # seconds: the machine may be busy


def begin(work):
    return BackgroundJob(
        work, JobLimit("test", "tests", 100).take(Account()), task="the test", advice="take less of it"
    )


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


# --- how many there may be


@pytest.fixture
def running():
    """Begins jobs that go on until they are cancelled, and cancels them at the end."""
    jobs = []

    def start(limit, account):
        jobs.append(BackgroundJob(endless([]), limit.take(account), task="the test", advice=""))
        return jobs[-1]

    yield start
    for job in jobs:
        job.cancel()
        assert job.wait(LONG)


def test_a_visitor_has_one_job_at_a_time_and_others_have_theirs(running):
    limit, first, second = JobLimit("training", "trainings", 3), Account(), Account()
    job = running(limit, first)
    with pytest.raises(FullError, match=r"^You have a training under way, maybe in another tab; wait until it has"):
        running(limit, first)
    running(limit, second)
    assert (len(limit), limit.refusals) == (2, 1)
    job.cancel()
    running(limit, first)  # at once, although the cancelled one may not have ended


def test_a_full_server_says_so(running):
    limit = JobLimit("training", "trainings", 2)
    jobs = [running(limit, Account()) for _ in range(2)]
    with pytest.raises(FullError, match=r"^The server is full, as it takes 2 trainings; try again in a few minutes\.$"):
        running(limit, Account())
    jobs[0].cancel()
    assert jobs[0].wait(LONG)
    running(limit, Account())


def test_jobs_that_are_ending_are_few():
    """Their threads are in a step that takes long."""
    limit, account, go_on = JobLimit("training", "trainings", 100), Account(), threading.Event()
    jobs = []

    def work(step):
        go_on.wait(LONG)

    for _ in range(3):
        jobs.append(BackgroundJob(work, limit.take(account), task="the test", advice=""))
        jobs[-1].cancel()
    with pytest.raises(FullError, match="Your last training is still ending"):
        limit.take(account)
    go_on.set()
    for job in jobs:
        assert job.wait(LONG)
    assert len(limit) == 0
    limit.take(account)


def test_a_place_that_is_dropped_is_free():
    limit, account = JobLimit("training", "trainings", 1), Account()
    place = limit.take(account)
    assert len(limit) == 1
    del place
    assert limit.take(account).account is account
