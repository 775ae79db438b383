"""What belongs to a visitor: how much memory pictures take, and that all that was computed from them goes with them.

Every picture that is kept holds a `QuotaLease`. When the last object that holds the picture is gone, because the
visitor removed it or the visit is over, so is the share: its bytes are free again, and where nobody else has the same
picture, nothing that was computed from it stays.
"""

import threading
import weakref
from collections import Counter, deque
from collections.abc import Iterable
from queue import SimpleQueue

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime.settings import settings
from crosspool.ui.runtime.shared_cache import forget_pictures


class NoRoomError(CrosspoolError):
    """There is no room for another picture: this visitor's, or all visitors' together."""


class Visitor:
    """One visitor, as far as pictures are counted. `nbytes` is what those take that are kept."""

    def __init__(self) -> None:
        self.nbytes = 0


class QuotaLease:
    """What one picture takes: whoever keeps the picture keeps this, too."""

    def __init__(self, visitor: Visitor, keys: Iterable[str], nbytes: int) -> None:
        """Take `nbytes` for a picture with these SHA-256s, as it came and as it is kept. Raises NoRoomError."""
        held = frozenset(keys)
        _take(visitor, held, nbytes)
        # Wherever the garbage is collected, a lock may be held already: others do what is to be done.
        weakref.finalize(self, _leave, (visitor, held, nbytes)).atexit = False


Held = tuple[Visitor, frozenset[str], int]

_lock = threading.Lock()
_owners: Counter[str] = Counter()
_everybody = Visitor()
_gone: deque[Held] = deque()
_told: SimpleQueue[None] = SimpleQueue()  # of whatever is gone
_settling = threading.Lock()
_collector: threading.Thread | None = None


def _take(visitor: Visitor, keys: frozenset[str], nbytes: int) -> None:
    global _collector  # noqa: PLW0603  # one thread for the process, and none where there are no visitors
    settle()
    own, everybodys = settings().visitor_megabytes, settings().visitors_megabytes
    with _lock:
        if visitor.nbytes + nbytes > own * 2**20:
            raise NoRoomError(f"your images may take {own} MB in all; remove some, or choose smaller ones")
        if _everybody.nbytes + nbytes > everybodys * 2**20:
            raise NoRoomError("the server has no room for more images at present; try again in a few minutes")
        visitor.nbytes += nbytes
        _everybody.nbytes += nbytes
        _owners.update(keys)
        if _collector is None:
            _collector = threading.Thread(target=_collect, name="forgetting", daemon=True)
            _collector.start()


def settle() -> None:
    """Do at once what is to be done for pictures that are gone."""
    with _settling:
        while _gone:
            _release(*_gone.popleft())


def _leave(held: Held) -> None:
    _gone.append(held)
    _told.put(None)


def _collect() -> None:
    while True:
        _told.get()
        settle()


def _release(visitor: Visitor, keys: frozenset[str], nbytes: int) -> None:
    with _lock:
        visitor.nbytes -= nbytes
        _everybody.nbytes -= nbytes
        _owners.subtract(keys)
        nobodys = {key for key in keys if not _owners[key]}
        for key in nobodys:
            del _owners[key]
    forget_pictures(nobodys)


def bytes_kept() -> int:
    """What the pictures of all visitors take."""
    return _everybody.nbytes


def pictures_kept() -> int:
    """How many different files those are, as they came and as they are kept."""
    return len(_owners)
