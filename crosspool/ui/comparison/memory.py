"""Memory for classifiers, taken before a comparison begins."""

from crosspool.errors import SettingError
from crosspool.text import human_bytes
from crosspool.ui.runtime.memory_budget import MemoryBudget, MemoryReservation


def reserve_for_classifiers(budget: MemoryBudget, nbytes: int) -> MemoryReservation:
    """Memory for the classifiers of a comparison. Raises SettingError where other visitors' leave too little."""
    reservation = budget.reserve(nbytes)
    if reservation is None:
        when = "" if nbytes > budget.limit else "try again when others have left, or "
        raise SettingError(
            f"The classifiers of these methods take {human_bytes(nbytes)}, for which this server has no room now; "
            f"{when}take fewer methods, or shorter ones (/pca64, or another pair)."
        )
    return reservation
