"""What channels mean, as the gallery's script gets it: the classes that each one speaks for and against."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np

from crosspool.channel_meaning import ChannelClasses, ClassWeight

LISTED = 3  # classes of each kind
NONE = 0xFFFF  # where there are fewer


def packed_classes(meaning: ChannelClasses) -> dict[str, Any]:
    """The names of the classes that are listed, and for each channel `LISTED` numbers of names for and against.

    The numbers are uint16, little endian, in base64: `meaning.js` reads them.
    """
    numbers: dict[str, int] = {}

    def listed(classes: Callable[[int, int], list[ClassWeight]]) -> str:
        table = np.full((meaning.weights.shape[1], LISTED), NONE, "<u2")
        for channel, row in enumerate(table):
            labels = [label for label, _ in classes(channel, LISTED)]
            row[: len(labels)] = [numbers.setdefault(label, len(numbers)) for label in labels]
        return base64.b64encode(table.tobytes()).decode()

    packed = {"for": listed(meaning.speaks_for), "against": listed(meaning.speaks_against)}
    return {"listed": LISTED, **packed, "classes": list(numbers)}
