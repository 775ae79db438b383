"""Memory that is promised before it is used, so that all visitors together never use more than there is."""

import threading
import weakref


class MemoryReservation:
    """Bytes of a budget, which are free again when nobody holds this object any more."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


class MemoryBudget:
    """At most `limit` bytes, given out as reservations."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._reserved = 0
        self._lock = threading.RLock()  # garbage that gives memory back may be collected anywhere, here too

    @property
    def reserved(self) -> int:
        """How many bytes are given out."""
        return self._reserved

    def reserve(self, nbytes: int) -> MemoryReservation | None:
        """Take so many bytes; None where too few are left."""
        with self._lock:
            if self._reserved + nbytes > self.limit:
                return None
            self._reserved += nbytes
        reservation = MemoryReservation(nbytes)
        weakref.finalize(reservation, self._give_back, nbytes)
        return reservation

    def _give_back(self, nbytes: int) -> None:
        with self._lock:
            self._reserved -= nbytes
