"""A visit is kept for its browser, for nobody else, for a while, and only where there is room."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from crosspool.ui.runtime import visits
from crosspool.ui.runtime.accounts import Account
from crosspool.ui.runtime.gate import Ticket
from crosspool.ui.runtime.quota import Budget, ImageHash, ImageQuota, NoRoomError
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.runtime.visits import VisitRegister, browser_of, end_unwanted_run, new_token


class Visit:
    def __init__(self, *, has_images=True, has_classifiers=False):
        self.has_images, self.has_classifiers = has_images, has_classifiers
        self.images: list[object] = []
        self.visitor = Account()

    def forget_images(self):
        self.has_images = self.has_classifiers = False
        self.images.clear()


class Runtime:
    """The part of Streamlit that knows which sessions are connected."""

    def __init__(self, *connected):
        self.connected = set(connected)
        self.closed: list[str] = []
        self.is_active_session = self.connected.__contains__
        self.close_session = self.closed.append


@pytest.fixture
def runtime() -> Any:
    return Runtime()


@pytest.fixture
def clock(monkeypatch):
    """The time, in seconds, as a list with one number."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def register(runtime, clock):
    return VisitRegister(600, runtime.is_active_session)


def take_up(register, runtime, session, browser):
    runtime.connected.add(session)
    return register.take_up(session, browser)


def leave(register, runtime, *sessions):
    """Close these pages, and let the register notice at once."""
    register.end_visits(runtime, 120)
    runtime.connected.difference_update(sessions)


def come(register, runtime, session, browser, visit, tab=""):
    runtime.connected.add(session)
    register.note(session, browser, visit, tab)


def test_a_browser_takes_up_what_it_left_and_only_once(register, runtime):
    mine = Visit()
    come(register, runtime, "1", "a", mine)
    assert register.take_up("new", "a") is None  # another tab, while the first is connected
    leave(register, runtime, "1")
    assert take_up(register, runtime, "2", "b") is None
    assert take_up(register, runtime, "3", "") is None
    assert take_up(register, runtime, "4", "a") is mine
    assert take_up(register, runtime, "5", "a") is None


def test_a_tab_takes_up_its_own_visit_whose_lost_connection_seems_to_be_there(register, runtime):
    mine, others = Visit(), Visit()
    come(register, runtime, "1", "a", mine, "tab one")
    come(register, runtime, "1", "a", mine)  # later runs do not know the tab
    come(register, runtime, "2", "a", others, "tab two")
    assert register.take_up("3", "b", "tab one") is None
    assert register.take_up("3", "a", "tab three") is None
    assert register.take_up("3", "a", "tab one") is mine
    assert register.take_up("4", "a", "tab one") is mine  # and again


def test_a_browser_without_a_name_leaves_nothing_to_anyone(register, runtime, clock):
    come(register, runtime, "1", "", Visit())
    leave(register, runtime, "1")
    assert register.take_up("new", "") is None
    clock[0] = 121
    register.end_visits(runtime, 120)
    assert register._sessions == {}


def test_the_visit_that_was_left_last_is_taken_up_and_one_with_images_first(register, runtime, clock):
    early, late, empty = Visit(), Visit(), Visit(has_images=False)
    for session, visit in (("early", early), ("late", late), ("empty", empty)):
        come(register, runtime, session, "a", visit)
    for session in ("early", "late", "empty"):
        clock[0] += 10
        leave(register, runtime, session)
    assert [take_up(register, runtime, session, "a") for session in "5678"] == [late, early, empty, None]


def test_a_visit_ends_some_time_after_its_page_was_closed(register, runtime, clock):
    here, closed = Visit(), Visit()
    come(register, runtime, "here", "a", here)
    come(register, runtime, "closed", "a", closed)
    clock[0] = 1000
    leave(register, runtime, "closed")
    clock[0] = 1119
    register.end_visits(runtime, 120)
    assert runtime.closed == []
    for clock[0] in (1121, 1599):
        register.end_visits(runtime, 120)
        assert runtime.closed == ["closed"]  # Streamlit's session, whose visit is kept
    assert "closed" in register._sessions
    clock[0] = 1601
    register.end_visits(runtime, 120)
    assert runtime.closed == ["closed"]
    assert register.take_up("new", "a") is None
    assert list(register._sessions) == ["here"]


def test_forgetting_forgets_what_the_browser_has_left_and_nothing_else(register, runtime):
    left, others, here = Visit(), Visit(), Visit()
    for session, browser, visit in (("1", "a", left), ("2", "b", others), ("3", "a", here)):
        come(register, runtime, session, browser, visit)
    leave(register, runtime, "1", "2")
    register.forget("a")
    register.forget("")
    assert (left.has_images, others.has_images, here.has_images) == (False, True, True)
    assert register.take_up("new", "a") is None


def test_whether_another_tab_still_holds_images(register, runtime):
    first, second = Visit(), Visit(has_images=False)
    come(register, runtime, "1", "a", first)
    come(register, runtime, "2", "a", second)
    assert register.is_used_elsewhere("a", second)
    assert not register.is_used_elsewhere("a", first)
    leave(register, runtime, "1")
    assert not register.is_used_elsewhere("a", second)


def test_where_memory_is_short_the_visit_that_was_left_first_is_forgotten(register, runtime, clock):
    quota = ImageQuota(80, 100, lambda images: None, register.make_room_for_images)
    visits = [Visit() for _ in range(3)]
    for number, visit in enumerate(visits):
        visit.images.append(quota.lease(Account(), [ImageHash(str(number))], 30))
        come(register, runtime, str(number), "a", visit)
    for session in "01":
        clock[0] += 10
        leave(register, runtime, session)
    with pytest.raises(NoRoomError, match="your images may take"):
        quota.lease(Account(), [ImageHash("x")], 90)  # more than anyone may have: nobody pays for that
    assert all(visit.has_images for visit in visits)
    lease = quota.lease(Account(), [ImageHash("x")], 40)
    assert [visit.has_images for visit in visits] == [False, True, True]
    with pytest.raises(NoRoomError, match="the server has no room"):
        quota.lease(Account(), [ImageHash("y")], 70)  # the one that is connected keeps its own
    assert [visit.has_images for visit in visits] == [False, False, True]
    assert quota.nbytes == 70
    del lease


def test_where_a_visitor_has_too_much_only_what_they_have_left_is_forgotten(register, runtime, clock):
    quota = ImageQuota(80, 1000, lambda images: None, register.make_room_for_images)
    own, other = Visit(), Visit()
    own.images.append(quota.lease(own.visitor, [ImageHash("1")], 50))
    other.images.append(quota.lease(other.visitor, [ImageHash("2")], 50))
    for session, visit in (("1", own), ("2", other)):
        come(register, runtime, session, "a", visit)
    with pytest.raises(NoRoomError, match="your images may take"):
        quota.lease(own.visitor, [ImageHash("3")], 40)  # it is still on a page
    leave(register, runtime, "1", "2")
    lease = quota.lease(own.visitor, [ImageHash("3")], 40)
    assert (own.has_images, other.has_images) == (False, True)
    del lease


def test_a_run_that_nobody_waits_for_any_more_is_ended(monkeypatch):
    class StopError(Exception):
        pass

    def stop():
        raise StopError

    end_unwanted_run()  # outside any page
    monkeypatch.setattr(visits, "get_run_yield_check", lambda: stop)
    with use_server(Server(ServerSettings(at_once=1))) as server:
        other = Ticket(server.compute, Account())
        server.compute.join(other)
        with pytest.raises(StopError), server.compute.turn():
            raise AssertionError("it never had a turn")
        assert (server.compute.running, server.compute.waiting) == (1, 0)


def test_the_account_of_a_page_is_that_of_its_visit(register, runtime, monkeypatch):
    visit = Visit()
    come(register, runtime, "1", "a", visit)
    for name, account in (("1", visit.visitor), ("2", None)):
        context = SimpleNamespace(session_id=name)
        monkeypatch.setattr(visits, "get_script_run_ctx", lambda context=context, **_: context)
        assert register.running_account() is account
    monkeypatch.setattr(visits, "get_script_run_ctx", lambda **_: None)
    assert register.running_account() is None
    assert [register.visitor_name(session) for session in ("1", "2")] == ["a", "2"]


def test_visits_that_were_left_are_kept_up_to_a_number(runtime, clock):
    register = VisitRegister(600, runtime.is_active_session, most_left=2)
    for session in "1234":
        come(register, runtime, session, session, Visit())
    for session in "123":
        clock[0] += 1
        leave(register, runtime, session)
    register.end_visits(runtime, 120)
    assert runtime.closed == ["1"]
    assert [take_up(register, runtime, f"new-{session}", session) is not None for session in "123"] == [
        False, True, True,
    ]  # fmt: skip


def test_where_memory_for_classifiers_is_short_only_visits_with_some_are_forgotten(register, runtime, clock):
    budget = Budget("classifiers", 100, 100, register.make_room_for_classifiers)
    photos, trained = Visit(), Visit(has_classifiers=True)
    for session, visit in (("photos", photos), ("trained", trained)):
        come(register, runtime, session, "a", visit)
    trained.images.append(budget.reserve(80, Account()))
    leave(register, runtime, "photos", "trained")
    assert budget.reserve(50, Account()) is not None
    assert (photos.has_images, trained.has_images) == (True, False)


def test_a_visit_is_that_of_the_session_that_took_it_up_at_once(register, runtime):
    """So that a second tab that opens in this moment does not take its images for lost."""
    mine, empty = Visit(), Visit(has_images=False)
    come(register, runtime, "1", "a", mine)
    leave(register, runtime, "1")
    assert take_up(register, runtime, "2", "a") is mine
    assert take_up(register, runtime, "3", "a") is None
    assert register.is_used_elsewhere("a", empty)


def test_only_the_servers_own_cookies_name_a_browser():
    token = new_token()
    assert len(browser_of(token)) == 64
    assert token not in browser_of(token)
    for other in ("", "x", token[:-1], token.upper(), token + "0", f"{token}\n", "*" * 32):
        assert browser_of(other) == "" or other == token
