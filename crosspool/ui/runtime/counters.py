"""How often each event happened since the server started, and how long it took in all."""

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Tally:
    """One kind of event: how often, the milliseconds of all together and of the longest."""

    times: int = 0
    ms: float = 0.0
    longest: float = 0.0


_tallies: dict[str, Tally] = {}
_lock = threading.RLock()  # an error while garbage is collected is counted wherever that happens, here too


def count(event: str, ms: float = 0.0) -> None:
    """One more of that name."""
    with _lock:
        before = _tallies.get(event, Tally())
        _tallies[event] = replace(before, times=before.times + 1, ms=before.ms + ms, longest=max(before.longest, ms))


def tallies() -> dict[str, Tally]:
    """All that happened so far, by name."""
    with _lock:
        return dict(sorted(_tallies.items()))
