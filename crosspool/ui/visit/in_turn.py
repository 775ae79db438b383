"""What a run of a page computes: in turn with everybody else's, kept for the next run, and ended with the run."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from crosspool.ui.runtime.server import current_server
from crosspool.ui.runtime.shared_cache import CacheKind
from crosspool.ui.visit.state import VisitPart, about_images, visit_state
from crosspool.ui.visit.waiting import place_shown

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass
class LastResults(VisitPart):
    """What was computed last for this visit, by what it is: what it depends on, and the result."""

    last_results: dict[str, tuple[Hashable, Any]] = about_images({})


def computed_in_turn(kind: CacheKind[Key, Value], key: Key, compute: Callable[[], Value]) -> Value:
    """A result from the shared cache, or computed in turn; for what is too quick to say that it is being computed."""
    server = current_server()
    seconds = server.settings.wait_seconds
    return server.cache.get_or_compute(kind, key, compute, server.compute, place_shown(), seconds=seconds)


def last_result(name: str, key: Hashable, compute: Callable[[], Value]) -> Value:
    """The visit's last result of this name if it is that of `key`, or computed in turn.

    For results of several images, which the shared cache could not forget with each of them.
    """
    results, server = visit_state(LastResults).last_results, current_server()
    if name not in results or results[name][0] != key:
        with server.compute.turn(place_shown(), seconds=server.settings.wait_seconds):
            results[name] = key, compute()
    return cast("Value", results[name][1])
