"""A classifier's file as the confined process describes it, so that the server itself parses no stranger's JSON.

The description is flat: a few settings, the lengths of all texts and the texts, and where in the file each array lies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosspool import classifier_files
from crosspool.classifier_files import LONGEST_HEADER, LONGEST_NAME, Arrays, TrainingSettings, array_at
from crosspool.errors import ModelError

LONGEST_DESCRIPTION = 2 * LONGEST_HEADER  # bytes: each text takes four more than its characters
ADVICE = "use crosspool explain on the command line"
_LENGTHS = np.dtype("<u4")


@dataclass(frozen=True)
class DescribedClassifier:
    """A file's settings and arrays, checked each by itself, but not yet against a network."""

    settings: TrainingSettings
    arrays: Arrays


def description(data: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """What a file holds, as a message; `name` is its name in sentences. Raises ModelError."""
    try:
        settings, places = classifier_files.read_places(data, name)
    except MemoryError as error:
        raise ModelError(f"{name} needs more memory to read than there is; {ADVICE}.") from error
    named = {array: place for array, place in places.items() if len(array) <= LONGEST_NAME}
    texts = (*settings.classes, *settings.photographs, *settings.versions, *settings.versions.values(), *named)
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    header = {
        "settings": settings.model_dump(exclude={"classes", "photographs", "versions"}),
        "counts": [len(settings.classes), len(settings.photographs), len(settings.versions)],
        "arrays": list(named.values()),
    }
    return header, np.array([*map(len, encoded)], _LENGTHS).tobytes() + b"".join(encoded)


def described(header: Mapping[str, Any], texts: bytes, data: bytes) -> DescribedClassifier:
    """The classifier in a file's bytes, by its description. Raises ValueError where these do not fit together.

    The arrays are views of `data`.
    """
    match header:
        case {
            "settings": dict(settings),
            "counts": [int(classes), int(photographs), int(versions)],
            "arrays": [*arrays],
        }:
            pass
        case _:
            raise ValueError("not a description")
    parts = iter(_texts(texts, classes + photographs + 2 * versions + len(arrays)))

    def take(count: int) -> tuple[str, ...]:
        return tuple(next(parts) for _ in range(count))

    settings |= {"classes": take(classes), "photographs": take(photographs)}
    settings["versions"] = dict(zip(take(versions), take(versions), strict=True))
    places = zip(take(len(arrays)), arrays, strict=True)
    views = {name: array_at(data, (kind, tuple(shape), start)) for name, (kind, shape, start) in places}
    return DescribedClassifier(TrainingSettings.model_validate(settings), views)


def _texts(data: bytes, count: int) -> list[str]:
    """This many texts, behind their lengths. Raises ValueError for other bytes."""
    lengths = np.frombuffer(data, _LENGTHS, count)
    ends = np.cumsum(lengths, dtype=np.int64) + lengths.nbytes
    if len(data) != (ends[-1] if count else 0):
        raise ValueError("the texts are not as long as their lengths say")
    return [
        data[end - length : end].decode("utf-8", "surrogatepass")
        for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
    ]
