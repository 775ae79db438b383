"""Accounts: one for a browser with all its tabs, for as long as anything is kept for it; what counts lately."""

import gc
import time

import pytest

from crosspool.ui.runtime.accounts import HALF_LIFE, Account, Accounts, charged_to, page_charged_to
from crosspool.ui.runtime.background import BackgroundJob, JobLimit
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.state import VisitState

LONG = 120


@pytest.fixture
def server():
    with use_server(Server(ServerSettings())) as server:
        yield server


def test_a_browser_has_one_account_and_a_session_without_a_cookie_one_of_its_own():
    accounts = Accounts()
    first = accounts.of("a")
    assert accounts.of("a") is first
    assert accounts.of("b") is not first
    assert accounts.of("") is not accounts.of("")


def test_an_account_is_forgotten_with_the_last_thing_that_is_kept_for_it(server):
    account = server.accounts.of("a")
    account.charge(5.0, 0.0)
    lease = server.quota.lease(account, (), 1000)
    del account
    assert server.accounts.of("a").seconds == 5.0
    del lease
    server.quota.release_dropped()
    gc.collect()
    assert server.accounts.of("a").seconds == 0.0


def test_seconds_count_half_after_the_half_life():
    account = Account()
    account.charge(8.0, 100.0)
    assert account.recent_seconds(100.0) == 8.0
    assert account.recent_seconds(100.0 + HALF_LIFE) == 4.0
    account.charge(2.0, 100.0 + HALF_LIFE)
    assert account.recent_seconds(100.0 + 2 * HALF_LIFE) == 3.0
    assert account.seconds == 10.0


def test_the_largest_are_those_of_most_seconds_and_of_most_bytes():
    accounts = Accounts()
    visitors = [accounts.of(name) for name in "abcd"]
    visitors[1].charge(5.0, time.monotonic())
    visitors[2].nbytes = 10
    visitors[3].reserved["disk"] = 20
    assert accounts.largest(1) == [visitors[1], visitors[3]]


def test_what_no_visitor_asked_for_is_charged_to_the_server(server):
    assert server.account() is server.accounts.own
    with server.compute.turn():
        pass
    assert server.accounts.own.seconds > 0


def test_a_job_and_all_that_it_computes_are_charged_to_its_visitor(server):
    account, whose = server.accounts.of("a"), []

    def work(step):
        with server.compute.turn():
            whose.append(server.account())

    job = BackgroundJob(work, JobLimit("test", "tests", 1).take(account), task="a test", advice="")
    assert job.wait(LONG)
    assert whose == [account]
    assert account.seconds > 0
    with charged_to(account):
        assert server.account() is account
    assert server.account() is server.accounts.own


def test_a_page_is_charged_for_what_the_queue_does_not_charge(monkeypatch):
    account, clock = Account(), [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: clock[0])
    with page_charged_to(account):
        clock[0] += 2.0
        account.charge(1.5, time.monotonic())  # in a turn, of these two
    assert account.seconds == 2.0
    with page_charged_to(account):
        clock[0] += 1.0
        account.charge(4.0, time.monotonic())  # several threads computed, or another tab
    assert account.seconds == 6.0


def test_two_tabs_of_a_browser_are_one_visitor(server):
    first, second = VisitState(server.accounts.of("a")), VisitState(server.accounts.of("a"))
    assert first.visitor is second.visitor


def test_sessions_without_a_cookie_wait_as_one_and_own_what_they_keep():
    accounts = Accounts()
    first, second, browser = accounts.of(""), accounts.of(""), accounts.of("a" * 64)
    assert first is not second
    assert first.in_queue is second.in_queue
    assert browser.in_queue is browser
    first.charge(3.0, 10.0)
    assert (second.seconds, second.in_queue.recent_seconds(10.0)) == (0.0, 3.0)
