"""What each visitor takes of the server: bytes that are kept for them, and seconds that are computed for them.

A visitor is a browser, by its cookie, with all of its tabs; a session whose browser takes no cookies is one by itself.
An account lives as long as anything is kept or computed for it, and no longer.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from weakref import WeakSet, WeakValueDictionary

HALF_LIFE = 60.0  # seconds after which half of what was computed no longer delays a visitor


@dataclass(eq=False)
class Account:
    """What one visitor takes. `name` is for the operator, and tells nobody which browser it is.

    `nbytes` is the memory of its images and of classifiers from files, `image_count` the number of its images,
    `reserved` what it has of each budget, and `seconds` how long was computed for it in all. `crowd` is the account as
    which it waits together with others, if any.
    """

    name: str = field(default_factory=lambda: secrets.token_hex(4))
    nbytes: int = 0
    image_count: int = 0
    reserved: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    crowd: "Account | None" = field(default=None, repr=False)
    _recent: float = 0.0
    _charged_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def all_bytes(self) -> int:
        """Everything that is kept for it, in memory and on disk."""
        return self.nbytes + self.reserved.total()

    @property
    def in_queue(self) -> "Account":
        """As whom it waits for turns: as itself, or in its crowd."""
        return self.crowd or self

    def charge(self, seconds: float, now: float) -> None:
        """Count seconds that were computed for it until `now`."""
        with self._lock:
            self._recent, self._charged_at = self.recent_seconds(now) + seconds, now
            self.seconds += seconds
        if self.crowd is not None:
            self.crowd.charge(seconds, now)

    def recent_seconds(self, now: float) -> float:
        """The seconds that were computed for it, of which older ones count less."""
        age = max(now - self._charged_at, 0.0)
        return float(self._recent * 0.5 ** (age / HALF_LIFE))


# Whom the running thread works for, where it runs no visitor's page: a background job's account.
CHARGED: ContextVar[Account | None] = ContextVar("charged account", default=None)


@contextmanager
def charged_to(account: Account) -> Iterator[None]:
    """Charge to an account what this thread computes in the block."""
    token = CHARGED.set(account)
    try:
        yield
    finally:
        CHARGED.reset(token)


@contextmanager
def page_charged_to(account: Account) -> Iterator[None]:
    """Charge to an account the processor time of this thread in the block, besides what the queue charges meanwhile."""
    charged, start = account.seconds, time.thread_time()
    try:
        yield
    finally:
        outside = time.thread_time() - start - (account.seconds - charged)
        account.charge(max(outside, 0.0), time.monotonic())


class Accounts:
    """The accounts of one server; `own` is for what it computes for itself.

    Sessions without a cookie wait as one crowd, as anybody can open any number of them.
    """

    def __init__(self) -> None:
        self.own, self._without_cookie = Account("server"), Account("without cookies")
        self._lock = threading.Lock()
        self._by_browser: WeakValueDictionary[str, Account] = WeakValueDictionary()
        self._all: WeakSet[Account] = WeakSet()

    def of(self, browser: str) -> Account:
        """The account of a browser, by its name; a new one where that is ""."""
        with self._lock:
            account = self._by_browser.get(browser)
            if account is None:
                account = Account(crowd=None if browser else self._without_cookie)
                self._all.add(account)
                if browser:
                    self._by_browser[browser] = account
            return account

    def largest(self, count: int) -> list[Account]:
        """Those for which most was computed lately, and those for which most is kept: so many of each."""
        with self._lock:
            accounts = list(self._all)
        now = time.monotonic()
        by_seconds = sorted(accounts, key=lambda account: -account.recent_seconds(now))[:count]
        by_bytes = sorted(accounts, key=lambda account: -account.all_bytes)[:count]
        return list(dict.fromkeys([*by_seconds, *by_bytes]))
