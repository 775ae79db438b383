"""How much memory visitors' images take, and that everything computed from an image goes with it.

Every visitor's image that is kept holds a `QuotaLease`. When the last object that holds the image is gone, because the
visitor removed it or the visit is over, so is the lease: its bytes are free again, and if nobody else has the same
image, nothing that was computed from it stays.
"""

import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue

from crosspool.errors import CrosspoolError
from crosspool.ui.runtime.image_hash import ImageHash


class NoRoomError(CrosspoolError):
    """There is no room for another image: this visitor's, or all visitors' together."""


class ImageOwner:
    """A visitor, as far as images are counted. `nbytes` is what their images take."""

    def __init__(self) -> None:
        self.nbytes = 0


class QuotaLease:
    """What one image takes: the object that keeps the image keeps this, too."""


_Dropped = tuple[ImageOwner, frozenset[ImageHash], int]


class ImageQuota:
    """At most `owner_limit` bytes of images for each visitor, and `limit` for all of them.

    `forget` is called with the hashes of images that nobody has any more.
    """

    def __init__(self, owner_limit: int, limit: int, forget: Callable[[set[ImageHash]], None]) -> None:
        self._owner_limit, self._limit, self._forget = owner_limit, limit, forget
        self._lock = threading.Lock()
        self._nbytes = 0
        self._owners: Counter[ImageHash] = Counter()
        self._dropped: deque[_Dropped] = deque()  # leases that are gone, whose bytes are not free yet
        self._wake_up: SimpleQueue[bool] = SimpleQueue()  # a thread, which goes on as long as it gets True
        self._releasing = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def nbytes(self) -> int:
        """What the images of all visitors take."""
        return self._nbytes

    @property
    def image_count(self) -> int:
        """How many different files those are, as they came and as they are kept."""
        return len(self._owners)

    def lease(self, owner: ImageOwner, hashes: Iterable[ImageHash], nbytes: int) -> QuotaLease:
        """Take `nbytes` for an image with these hashes, as it came and as it is kept. Raises NoRoomError."""
        self.release_dropped()
        images = frozenset(hashes)
        with self._lock:
            if owner.nbytes + nbytes > self._owner_limit:
                raise NoRoomError(
                    f"your images may take {self._owner_limit / 2**20:,.0f} MB in all; remove some, or choose smaller "
                    "ones"
                )
            if self._nbytes + nbytes > self._limit:
                raise NoRoomError("the server has no room for more images at the moment; try again in a few minutes")
            owner.nbytes += nbytes
            self._nbytes += nbytes
            self._owners.update(images)
            if self._thread is None:
                self._thread = threading.Thread(target=self._release_when_woken, name="quota", daemon=True)
                self._thread.start()
        lease = QuotaLease()
        # A lock may be held wherever garbage is collected, so the thread does the rest.
        weakref.finalize(lease, self._drop, (owner, images, nbytes)).atexit = False
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

    def _release(self, owner: ImageOwner, images: frozenset[ImageHash], nbytes: int) -> None:
        with self._lock:
            owner.nbytes -= nbytes
            self._nbytes -= nbytes
            self._owners.subtract(images)
            unowned = {image for image in images if not self._owners[image]}
            for image in unowned:
                del self._owners[image]
        self._forget(unowned)
