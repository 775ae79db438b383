"""Memory for classifiers, taken before a comparison begins."""

import threading
import weakref

from crosspool.errors import SettingError
from crosspool.text import human_bytes
from crosspool.ui.runtime.settings import settings


class MemoryReservation:
    """Memory for the classifiers of a comparison: taken before it begins, and free again when nobody holds this."""

    _lock = threading.RLock()  # what gives it back may run wherever garbage is collected, here too
    _taken = 0

    def __init__(self, nbytes: int) -> None:
        """Take it. Raises SettingError where all visitors' classifiers leave too little."""
        limit = settings().trained_megabytes * 2**20
        with self._lock:
            if MemoryReservation._taken + nbytes > limit:
                when = "" if nbytes > limit else "try again when others have left, or "
                raise SettingError(
                    f"The classifiers of these methods take {human_bytes(nbytes)}, for which this server has no room "
                    f"now; {when}take fewer methods, or shorter ones (/pca64, or another pair)."
                )
            MemoryReservation._taken += nbytes
        self.nbytes = nbytes
        weakref.finalize(self, self._give_back, nbytes)

    @classmethod
    def _give_back(cls, nbytes: int) -> None:
        with cls._lock:
            MemoryReservation._taken -= nbytes

    @classmethod
    def taken(cls) -> int:
        """What all visitors' classifiers take, those included that are being trained."""
        return cls._taken
