"""How often each event has happened since the server started, and how long it took in all."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class EventCount:
    """One kind of event: how often it happened, and the milliseconds of all together and of the longest."""

    times: int = 0
    ms: float = 0.0
    longest_ms: float = 0.0


class Counters:
    """Counts of events by name."""

    def __init__(self) -> None:
        self._counts: dict[str, EventCount] = {}
        self._lock = threading.RLock()  # an error in a finaliser is counted wherever garbage is collected, here too

    def add(self, event: str, ms: float = 0.0) -> None:
        """Count one more event of that name."""
        with self._lock:
            before = self._counts.get(event, EventCount())
            self._counts[event] = EventCount(before.times + 1, before.ms + ms, max(before.longest_ms, ms))

    def counts(self) -> dict[str, EventCount]:
        """All events so far, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))
