"""Bytes that are promised before they are used: of visitors' images, trained classifiers, files, and what is on disk.

Every image of a visitor holds a `QuotaLease`. When the last object that holds the image is gone, because the visitor
removed it or the visit is over, so is the lease: its bytes are free again, and if nobody else has the same image,
nothing that was computed from it stays.
"""

import hashlib
import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import NewType

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime.accounts import Account

ImageHash = NewType("ImageHash", str)  # names an image: the SHA-256 of its file, in hexadecimal, or a generated name


def image_hash(file: bytes) -> ImageHash:
    """The hash of an image's file: equal files are one image."""
    return ImageHash(hashlib.sha256(file).hexdigest())


class NoRoomError(CrosspoolError):
    """There is no room for another image, for this visitor or on the server."""


MakeRoom = Callable[[Account | None], bool]


def no_room(account: Account | None) -> bool:
    """Drop nothing."""
    return False


class QuotaLease:
    """The memory of one image: the object that holds the image holds this, too."""


_Dropped = tuple[Account, frozenset[ImageHash], int]


class ImageQuota:
    """At most `account_limit` bytes of images for each visitor, and `limit` for all of them.

    `nbytes` is the memory of all visitors' images. `forget` is called with the hashes of images that nobody holds any
    more. `make_room` is called where a visitor's images would take too much, and with None where all visitors' would:
    it drops some and returns whether it could.
    """

    def __init__(
        self,
        account_limit: int,
        limit: int,
        forget: Callable[[set[ImageHash]], None],
        make_room: MakeRoom = no_room,
    ) -> None:
        self._account_limit, self.limit, self._forget, self._make_room = account_limit, limit, forget, make_room
        self._lock = threading.Lock()
        self.nbytes = self.refusals = 0
        self._owners: Counter[ImageHash] = Counter()
        self._dropped: deque[_Dropped] = deque()  # leases that are gone, but whose bytes are not free yet
        self._wake_up: SimpleQueue[bool] = SimpleQueue()  # for the thread, which goes on as long as it gets True
        self._releasing = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def image_count(self) -> int:
        """The number of different image files, as they came and as they are stored."""
        return len(self._owners)

    def lease(self, account: Account, hashes: Iterable[ImageHash], nbytes: int) -> QuotaLease:
        """Take `nbytes` for an image with these hashes, of its file as it came and as stored. Raises NoRoomError."""
        self.release_dropped()
        while account.nbytes + nbytes > self._account_limit >= nbytes and self._make_room(account):
            self.release_dropped()
        fits = account.nbytes + nbytes <= self._account_limit
        while self.nbytes + nbytes > self.limit and fits and self._make_room(None):
            self.release_dropped()
        images = frozenset(hashes)
        with self._lock:
            if account.nbytes + nbytes > self._account_limit:
                self.refusals += 1
                megabytes = f"{self._account_limit / 2**20:,.0f} MB"
                raise NoRoomError(f"your images may take {megabytes} in all; remove some, or choose smaller ones")
            if self.nbytes + nbytes > self.limit:
                self.refusals += 1
                raise NoRoomError("the server has no room for more images at the moment; try again in a few minutes")
            account.nbytes += nbytes
            account.image_count += bool(images and nbytes)
            self.nbytes += nbytes
            self._owners.update(images)
            if self._thread is None:
                self._thread = threading.Thread(target=self._release_when_woken, name="quota", daemon=True)
                self._thread.start()
        lease = QuotaLease()
        # Garbage may be collected while a lock is held, so the thread does the rest.
        weakref.finalize(lease, self._drop, (account, images, nbytes)).atexit = False
        return lease

    def release_dropped(self) -> None:
        """Free the bytes of images that are gone, and forget what was computed from them, before this returns."""
        with self._releasing:
            while self._dropped:
                self._release(*self._dropped.popleft())

    def close(self) -> None:
        """End the thread."""
        self._wake_up.put(False)

    def _drop(self, dropped: _Dropped) -> None:
        self._dropped.append(dropped)
        self._wake_up.put(True)

    def _release_when_woken(self) -> None:
        while self._wake_up.get():
            self.release_dropped()

    def _release(self, account: Account, images: frozenset[ImageHash], nbytes: int) -> None:
        with self._lock:
            account.nbytes -= nbytes
            account.image_count -= bool(images and nbytes)
            self.nbytes -= nbytes
            self._owners.subtract(images)
            unowned = {image for image in images if not self._owners[image]}
            for image in unowned:
                del self._owners[image]
        self._forget(unowned)


class Reservation:
    """Bytes of a budget, which are free again when nobody holds this object any more."""


class Budget:
    """At most `limit` bytes of something, by its name, and `account_limit` for each account; `make_room` as above."""

    def __init__(self, name: str, limit: int, account_limit: int, make_room: MakeRoom = no_room) -> None:
        self.name, self.limit, self.account_limit, self._make_room = name, limit, account_limit, make_room
        self.reserved = 0  # bytes
        self.refusals = 0
        self._lock = threading.RLock()  # garbage that gives memory back may be collected anywhere, here too

    def reserve(self, nbytes: int, account: Account) -> Reservation | None:
        """Take `nbytes`; None where too few are left, for this account or for all."""
        while self._is_too_much_for(account, nbytes) and self.account_limit >= nbytes and self._make_room(account):
            pass
        while self.reserved + nbytes > self.limit >= nbytes and self._make_room(None):
            pass
        with self._lock:
            if self.reserved + nbytes > self.limit or self._is_too_much_for(account, nbytes):
                self.refusals += 1
                return None
            self.reserved += nbytes
            account.reserved[self.name] += nbytes
        reservation = Reservation()
        weakref.finalize(reservation, self._give_back, nbytes, account)
        return reservation

    def _is_too_much_for(self, account: Account, nbytes: int) -> bool:
        return account.reserved[self.name] + nbytes > self.account_limit

    def _give_back(self, nbytes: int, account: Account) -> None:
        with self._lock:
            self.reserved -= nbytes
            account.reserved[self.name] -= nbytes
