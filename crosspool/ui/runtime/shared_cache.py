"""What was computed and may be asked for again: one memory for all kinds of it, bounded in bytes.

All that is kept is shared between sessions and never changed. The least recently used goes first, and what was computed
from a picture goes as soon as its owner wants it, or is gone.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cachetools import Cache, LRUCache, TTLCache

from crosspool.ui.runtime.gate import LOOK_SECONDS, FairSemaphore, OnProgress, ignore_progress
from crosspool.ui.runtime.settings import settings

LONGEST_COMPUTATION = 3600.0  # seconds for which it is remembered that a picture was forgotten

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Usage:
    """How one kind of what is kept is used: entries, their bytes, and how often one was asked for and there or not."""

    name: str
    entries: int
    nbytes: int
    hits: int
    misses: int


class _Shared(Generic[Value]):
    """A value under way, and how many want it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: Value | None = None
        self.wanted = 0

    def is_there(self) -> bool:
        return self.value is not None


class Kept(Generic[Key, Value]):
    """One kind of what is kept.

    `nbytes` says how large a value is, and `picture` the SHA-256 of the picture that it was computed from.
    """

    def __init__(self, name: str, nbytes: Callable[[Value], int], picture: Callable[[Key], str]) -> None:
        self.name, self._nbytes, self.picture = name, nbytes, picture
        self._under_way: dict[Key, _Shared[Value]] = {}
        self._hits = self._misses = 0
        _kinds.append(self)

    def get(self, key: Key) -> Value | None:
        """What is there already."""
        with _lock:
            value: Value | None = _store.get((self.name, key), (None, 0))[0]
            self._hits += value is not None
            self._misses += value is None
        return value

    def put(self, key: Key, value: Value, since: float) -> None:
        """Keep a value that is computed `since` then (time.monotonic), unless its picture was forgotten meanwhile."""
        nbytes = self._nbytes(value)
        with _lock:
            if nbytes <= limit() and _forgotten.get(self.picture(key), since) <= since:
                _store[self.name, key] = (value, nbytes)

    def computed(
        self, key: Key, compute: Callable[[], Value], gate: FairSemaphore, on_progress: OnProgress = ignore_progress, *,
        seconds: float | None = None, keep: bool = True,
    ) -> Value:  # fmt: skip
        """The value: kept, or computed when its turn at the gate has come, once for all who ask for it meanwhile.

        `on_progress` and `seconds` are the gate's. Without `keep` it is not kept, for those who look at many things
        once.
        """
        found = self.get(key)
        if found is not None:
            return found
        since = time.monotonic()
        with self._shared(key) as shared:
            while shared.value is None:
                with gate.turn(on_progress, unless=shared.is_there, seconds=seconds):
                    if not shared.is_there() and shared.lock.acquire(blocking=False):
                        try:
                            shared.value = compute()
                        finally:
                            shared.lock.release()
                # Where another one was computing it at a wider gate's, wait outside for that, and else go on.
                while not shared.lock.acquire(timeout=LOOK_SECONDS):
                    on_progress(1)
                shared.lock.release()
            if keep:
                self.put(key, shared.value, since)
            return shared.value

    @contextmanager
    def _shared(self, key: Key) -> Iterator[_Shared[Value]]:
        with _lock:
            shared = self._under_way.setdefault(key, _Shared())
            shared.wanted += 1
        try:
            yield shared
        finally:
            with _lock:
                shared.wanted -= 1
                if not shared.wanted:
                    del self._under_way[key]

    def usage(self) -> Usage:
        """How it is used."""
        with _lock:
            # Not by the store's own [], which counts as use: what was used least recently would not go first any more.
            sizes = [Cache.__getitem__(_store, key)[1] for key in _store if key[0] == self.name]
            return Usage(self.name, len(sizes), sum(sizes), self._hits, self._misses)


_lock = threading.RLock()
_store: LRUCache[tuple[str, Any], tuple[Any, int]] = LRUCache(
    settings().cache_megabytes * 2**20, getsizeof=lambda entry: entry[1]
)
_kinds: list[Kept[Any, Any]] = []
_forgotten: TTLCache[str, float] = TTLCache(100_000, LONGEST_COMPUTATION)


def forget_pictures(keys: set[str]) -> None:
    """Drop all that was computed from these pictures, and what is still being computed from them as soon as it is."""
    pictures = {kind.name: kind.picture for kind in _kinds}
    with _lock:
        _forgotten.update(dict.fromkeys(keys, time.monotonic()))
        for name, key in [(name, key) for name, key in _store if pictures[name](key) in keys]:
            del _store[name, key]


def forget_all() -> None:
    """Drop everything that is kept."""
    with _lock:
        _store.clear()


def limit() -> int:
    """How many bytes all kinds may take together."""
    return int(_store.maxsize)


def usages() -> list[Usage]:
    """How each kind is used."""
    return [kind.usage() for kind in _kinds]
