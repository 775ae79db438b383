"""Results that may be asked for again: one memory for all kinds of them, bounded in bytes.

Everything in it is shared between sessions and never changed. The least recently used goes first, and what was computed
from an image goes as soon as its owner wants it to, or is gone. Made here rather than taken from a library, as none
bounds bytes, computes once for all who ask at the same time, and forgets by origin.
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

LONGEST_COMPUTATION = 3600.0  # seconds for which it is remembered that an image was forgotten
FORGOTTEN_IMAGES = 100_000  # that are remembered as such

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True)
class CacheKind(Generic[Key, Value]):
    """One kind of results: its name, how large a value is, and the image that the one with a key is computed from."""

    name: str
    nbytes: Callable[[Value], int] = field(compare=False)
    image: Callable[[Key], ImageHash] = field(compare=False)


@dataclass(frozen=True)
class CacheUsage:
    """How one kind of results is used: entries, their bytes, and how often one was asked for and there, or not."""

    name: str
    entries: int
    nbytes: int
    hits: int
    misses: int


class _Computation(Generic[Value]):
    """A value that is being computed, and how many want it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: Value | None = None
        self.wanted = 0

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
        """The value if it is here."""
        with self._lock:
            value: Value | None = self._store.get((kind, key), (None, 0))[0]
            self._hits[kind.name] += value is not None
            self._misses[kind.name] += value is None
        return value

    def put(self, kind: CacheKind[Key, Value], key: Key, value: Value, since: float) -> None:
        """Keep a value whose computation began at `since` (time.monotonic), unless its image was forgotten since."""
        nbytes = kind.nbytes(value)
        with self._lock:
            if nbytes <= self.limit and self._forgotten.get(kind.image(key), since) <= since:
                self._store[kind, key] = (value, nbytes)

    def get_or_compute(
        self, kind: CacheKind[Key, Value], key: Key, compute: Callable[[], Value], semaphore: FairSemaphore,
        on_progress: OnProgress = ignore_progress, *, seconds: float | None = None, keep: bool = True,
    ) -> Value:  # fmt: skip
        """The value: from here, or computed when its turn has come, once for all who ask for it meanwhile.

        `on_progress` and `seconds` are the semaphore's. Without `keep` a computed value is not put here, for those who
        look at many images once.
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
                # Where somebody else computes it in a turn beside ours, wait for that outside, so that others get ours.
                while not computation.lock.acquire(timeout=POLL_SECONDS):
                    on_progress(1)
                computation.lock.release()
            if keep:
                self.put(kind, key, computation.value, since)
            return computation.value

    @contextmanager
    def _computation(self, kind: CacheKind[Key, Value], key: Key) -> Iterator[_Computation[Value]]:
        with self._lock:
            computation = self._computations.setdefault((kind, key), _Computation())
            computation.wanted += 1
        try:
            yield computation
        finally:
            with self._lock:
                computation.wanted -= 1
                if not computation.wanted:
                    del self._computations[kind, key]

    def forget_images(self, images: Iterable[ImageHash]) -> None:
        """Drop everything computed from these images, and what is still being computed as soon as it is there."""
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
        """How each kind that was ever asked for is used."""
        with self._lock:
            sizes: dict[str, list[int]] = {name: [] for name in sorted(self._hits)}
            for entry in self._store:
                # Not by the store's own [], which counts as use: it would change what goes first.
                sizes.setdefault(entry[0].name, []).append(Cache.__getitem__(self._store, entry)[1])
            return [
                CacheUsage(name, len(nbytes), sum(nbytes), self._hits[name], self._misses[name])
                for name, nbytes in sizes.items()
            ]
