"""Results that may be needed again: one memory for all kinds, bounded in bytes.

Everything in it is shared between sessions and never changed. The least recently used result goes first, and results
computed from an image go as soon as its owner wants that or is gone. Made here rather than taken from a library, as
none bounds bytes, computes once for all who ask at the same time, and forgets by origin.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cachetools import Cache, LRUCache, TTLCache

from crosspool.ui.runtime.gate import POLL_SECONDS, FairSemaphore, OnProgress, ignore_progress
from crosspool.ui.runtime.quota import ImageHash

LONGEST_COMPUTATION = 3600.0  # seconds for which forgotten images are remembered as such
FORGOTTEN_IMAGES = 100_000  # remembered as such

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True)
class CacheKind(Generic[Key, Value]):
    """A kind of results: its name, the size of a value, and the image from which the value of a key is computed."""

    name: str
    nbytes: Callable[[Value], int] = field(compare=False)
    image: Callable[[Key], ImageHash] = field(compare=False)


@dataclass(frozen=True)
class CacheUsage:
    """The use of one kind of results: entries, their bytes, and how many requests found one, or did not."""

    name: str
    entries: int
    nbytes: int
    hits: int
    misses: int


class _Computation(Generic[Value]):
    """A value that is being computed, and how many are waiting for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: Value | None = None
        self.waiting = 0

    def is_done(self) -> bool:
        return self.value is not None


class SharedCache:
    """Results of all kinds, which take at most `limit` bytes together."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.RLock()
        self._store: LRUCache[tuple[CacheKind[Any, Any], Any], tuple[Any, int]] = LRUCache(
            limit, getsizeof=lambda entry: entry[1]
        )
        self._computations: dict[tuple[CacheKind[Any, Any], Any], _Computation[Any]] = {}
        self._hits: Counter[str] = Counter()
        self._misses: Counter[str] = Counter()
        self._forgotten: TTLCache[ImageHash, float] = TTLCache(FORGOTTEN_IMAGES, LONGEST_COMPUTATION)

    def get(self, kind: CacheKind[Key, Value], key: Key) -> Value | None:
        """The value, if it is here."""
        with self._lock:
            value: Value | None = self._store.get((kind, key), (None, 0))[0]
            self._hits[kind.name] += value is not None
            self._misses[kind.name] += value is None
        return value

    def put(self, kind: CacheKind[Key, Value], key: Key, value: Value, since: float) -> None:
        """Keep a value whose computation began at `since` (time.monotonic), unless its image was forgotten later."""
        nbytes = kind.nbytes(value)
        with self._lock:
            if nbytes <= self.limit and self._forgotten.get(kind.image(key), since) <= since:
                self._store[kind, key] = (value, nbytes)

    def get_or_compute(
        self, kind: CacheKind[Key, Value], key: Key, compute: Callable[[], Value], semaphore: FairSemaphore,
        on_progress: OnProgress = ignore_progress, *, seconds: float | None = None, keep: bool = True,
    ) -> Value:  # fmt: skip
        """The value: from here, or computed when its turn has come, once for all who ask for it in the meantime.

        `on_progress` and `seconds` are the semaphore's. Without `keep` a computed value is not put here, for callers
        who need many images once.
        """
        value = self.get(kind, key)
        if value is not None:
            return value
        since = time.monotonic()
        with self._computation(kind, key) as computation:
            while computation.value is None:
                with semaphore.turn(on_progress, unless=computation.is_done, seconds=seconds):
                    if not computation.is_done() and computation.lock.acquire(blocking=False):
                        try:
                            computation.value = compute()
                        finally:
                            computation.lock.release()
                # While another session computes it in a turn beside ours, wait outside, so that others get ours.
                while not computation.lock.acquire(timeout=POLL_SECONDS):
                    on_progress(1)
                    semaphore.end_unwanted()
                computation.lock.release()
            if keep:
                self.put(kind, key, computation.value, since)
            return computation.value

    @contextmanager
    def _computation(self, kind: CacheKind[Key, Value], key: Key) -> Iterator[_Computation[Value]]:
        with self._lock:
            computation = self._computations.setdefault((kind, key), _Computation())
            computation.waiting += 1
        try:
            yield computation
        finally:
            with self._lock:
                computation.waiting -= 1
                if not computation.waiting:
                    del self._computations[kind, key]

    def forget_images(self, images: Iterable[ImageHash]) -> None:
        """Drop all results computed from these images, those being computed at the moment included."""
        forgotten = dict.fromkeys(images, time.monotonic())
        with self._lock:
            self._forgotten.update(forgotten)
            for kind, key in [(kind, key) for kind, key in self._store if kind.image(key) in forgotten]:
                del self._store[kind, key]

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._store.clear()

    def usages(self) -> list[CacheUsage]:
        """The use of each kind that was ever asked for."""
        with self._lock:
            sizes: dict[str, list[int]] = {name: [] for name in sorted(self._hits)}
            for entry in self._store:
                # Not by the store's own [], which counts as a use and would change what goes first.
                sizes.setdefault(entry[0].name, []).append(Cache.__getitem__(self._store, entry)[1])
            return [
                CacheUsage(name, len(nbytes), sum(nbytes), self._hits[name], self._misses[name])
                for name, nbytes in sizes.items()
            ]
