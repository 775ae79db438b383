"""Processes that compute shards: killed, starved of disk, two drivers at once; the store comes out the same."""

import multiprocessing
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.process import BaseProcess
from types import SimpleNamespace
from typing import Any

import pytest

from crosspool.errors import SettingError
from crosspool.shards import local
from crosspool.shards.extraction import Task
from crosspool.shards.local import extract_locally
from crosspool.shards.plan import LEARNED
from crosspool.shards.schedule import ATTEMPTS, LEARNING, LOSSES, Schedule
from tests.shards.conftest import IMAGES, SHARD, checksums

OPTIONS = ("--method", "gem@128", "--shard", str(SHARD), "--engine", "torch", "--device", "cpu", "--workers", "1")


def extract(photos, store):
    command = [sys.executable, "-m", "crosspool", "extract", str(photos), "--out", str(store), *OPTIONS]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_after_a_kill_two_at_once_complete_the_store(photos, undisturbed, tmp_path):
    """The driver is killed as soon as one shard is there; its workers end by themselves."""
    store = tmp_path / "store"
    killed = extract(photos, store)
    deadline = time.monotonic() + 120
    while not list(store.glob("shard-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    both = [extract(photos, store) for _ in range(2)]
    said = [each.communicate() for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert checksums(store) == undisturbed
    out = " ".join(said[0][0].split())
    assert "8 images in 4 shards." in out
    assert "is complete: gem@128 of 8 images. 1 image could not be read: b/5.png is not" in out
    assert ".." not in out


def test_a_worker_that_is_killed_is_replaced(job, undisturbed):
    job, listing = job
    counts: list[int] = []

    def kill_first(number, count):
        if not counts:
            (worker,) = multiprocessing.active_children()
            worker.kill()
        counts.append(count)

    schedule = Schedule(job, listing, kill_first)
    extract_locally(schedule, 1)
    assert schedule.is_done
    assert checksums(job.place.folder) == undisturbed
    assert min(counts) <= 0
    assert sum(counts) == schedule.sampled + IMAGES == 2 * IMAGES  # those that are learned from, and all


def test_what_a_worker_cannot_do_ends_it_with_its_sentence(job):
    job, listing = job
    other = replace(job, plan=job.plan.model_copy(update={"backbone": "nonesuch"}))
    with pytest.raises(SettingError, match="nonesuch"):
        extract_locally(Schedule(other, listing, lambda number, count: None), 1)


def test_another_network_is_refused(job):
    other = replace(job[0], plan=job[0].plan.model_copy(update={"fingerprint": "another"}))
    with pytest.raises(SettingError, match="The weights of efficientnet_lite0 are not those of the plan"):
        other.extractor()


def test_another_one_of_two_networks_is_refused(job):
    other = replace(job[0], plan=job[0].plan.model_copy(update={"others": {"efficientnet_lite2": "another"}}))
    with pytest.raises(SettingError, match="The weights of efficientnet_lite2 are not those of the plan"):
        other.extractor()


def test_a_worker_that_ends_while_it_waits_is_replaced(job, undisturbed, monkeypatch):
    job, listing = job
    schedule = Schedule(job, listing, lambda number, count: None)
    finish, killed = schedule.finish, list[BaseProcess]()

    def finish_and_kill(number):
        finish(number)
        if not killed:
            (worker,) = multiprocessing.active_children()
            worker.kill()
            worker.join()
            killed.append(worker)

    monkeypatch.setattr(schedule, "finish", finish_and_kill)
    extract_locally(schedule, 1)
    assert schedule.is_done
    assert checksums(job.place.folder) == undisturbed


# --- the schedule, without any processes


@pytest.fixture
def advanced():
    """What a schedule says is done: numbers, with images."""
    return []


@pytest.fixture
def schedule(job, advanced):
    return Schedule(job[0], job[1], lambda *each: advanced.append(each))


def test_what_is_learned_comes_before_all_shards(schedule):
    number, work = schedule.next()
    assert (number, len(work)) == (LEARNING, IMAGES)
    assert schedule.next() is None
    schedule.finish(LEARNING)
    found = [schedule.next() for _ in range(4)]
    assert sorted(number for number, _ in found) == [0, 1, 2, 3]
    assert all(isinstance(work, Task) for _, work in found)
    assert schedule.next() is None
    assert not schedule.is_done
    for number, _ in found:
        schedule.finish(number)
    assert schedule.is_done


def test_what_fails_is_begun_again_a_few_times(schedule, advanced):
    for attempt in range(ATTEMPTS):
        number, _ = schedule.next()
        assert number == LEARNING
        schedule.count(number, 3)
        if attempt < ATTEMPTS - 1:
            schedule.fail(number, "its process ended")
    with pytest.raises(SettingError, match="Learning failed 3 times, the last time because of this: its process ended"):
        schedule.fail(LEARNING, "its process ended")
    assert advanced == [(LEARNING, 3), (LEARNING, -3)] * ATTEMPTS


def test_a_machine_that_goes_is_not_a_fault_of_its_shard(schedule):
    for _ in range(ATTEMPTS - 1):
        schedule.fail(schedule.next()[0], "its process ended")
    for _ in range(LOSSES - 1):
        schedule.fail(schedule.next()[0], "its machine went", is_to_blame=False)
    schedule.next()
    with pytest.raises(SettingError, match=f"failed {LOSSES} times, the last time because of this: its machine went"):
        schedule.fail(LEARNING, "its machine went", is_to_blame=False)


def test_what_another_driver_has_done_is_not_done_again(job, schedule, advanced):
    schedule.next()
    schedule.finish(LEARNING)
    for number in range(4):
        (job[0].place.folder / job[0].plan.shard_name(number)).touch()
    extract_locally(schedule, 1)  # begins no worker, and does not wait for one
    assert schedule.is_done
    assert sorted(advanced) == [(0, 2), (1, 2), (2, 2), (3, 2)]
    found = Schedule(job[0], job[1], lambda *each: advanced.append(each)).next()
    assert found is not None
    assert found[0] == LEARNING  # without it, no image is searched for
    (job[0].place.folder / LEARNED).touch()
    later = Schedule(job[0], job[1], lambda *each: advanced.append(each))
    assert later.is_done
    assert (later.done, later.sampled) == (IMAGES, 0)


def test_what_was_not_foreseen_is_said(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *each: None)  # Ctrl-C stays with the tests
    ours, theirs = Pipe()
    broken: Any = SimpleNamespace(extractor=lambda: int("seven"))
    with pytest.raises(ValueError, match="seven"):
        local._serve(broken, theirs)
    assert ours.recv().startswith("ValueError: invalid literal")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows holds no signals back")
def test_ctrl_c_while_a_worker_begins_is_heard_afterwards_and_here_alone():
    both = "import os, signal; os.kill(os.getppid(), signal.SIGINT); signal.raise_signal(signal.SIGINT)"
    with pytest.raises(KeyboardInterrupt), local._interrupts_held():
        subprocess.run([sys.executable, "-c", both], check=True)  # it does not end by the signal
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_workers_that_do_not_leave_are_waited_for_together(monkeypatch):
    """However many there are; the clock is advanced by waiting alone."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def join(seconds=0.0):
        clock[0] += seconds

    worker: Any = SimpleNamespace(
        connection=SimpleNamespace(close=lambda: None), process=SimpleNamespace(join=join, kill=lambda: None)
    )
    local._end([worker] * 64)
    assert clock[0] == local.PATIENCE
