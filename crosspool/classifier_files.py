"""The file of a trained classifier: safetensors, with the settings as JSON in its header. No pickle is involved."""

import json
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, load_file, save, save_file

from crosspool.errors import ModelError, not_found
from crosspool.framing import Framing
from crosspool.strict_json import json_text
from crosspool.whole_files import whole_file

FORMAT = "crosspool classifier 1"
AUGMENTED_FORMAT = "crosspool classifier 2"  # of methods with cnnaug-svm, which had other crops in the first
HEADER = "crosspool"
AUGMENTED = "cnnaug-svm"
MAX_OUTPUTS = 100_000  # classes of a network; with more, refusing a file would already take much memory
LONGEST_NAME = 255  # characters of a class's name: as many as a folder's name may have
LONGEST_METHOD = 4096  # characters, as of a network's name
LONGEST_HEADER = 4 * 2**20  # bytes of JSON: as many training images, or 15,000 classes with the longest names
MOST_PHOTOGRAPHS = 50_000
MOST_OBJECTS = 64  # in the header: one for each array, and three around the settings
STRING_BYTES = 64  # that Python takes for a text besides its characters

# The types of arrays as a header names them, and as numpy does.
_TYPES = {
    "BOOL": "?", "I8": "<i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U8": "<u1", "U16": "<u2", "U32": "<u4",
    "U64": "<u8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip

Arrays = dict[str, NDArray[Any]]
Place = tuple[str, tuple[int, ...], int]  # of an array in a file's bytes: its type, its shape, and its first byte


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NAME


def _name(value: Any) -> str:
    if not _is_name(value):
        raise ValueError("it is not a name")
    return str(value)


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(map(_is_name, value)):
        raise ValueError("it is not a list of names")
    return tuple(value)


def _class_names(value: Any) -> tuple[str, ...]:
    names = _names(value)
    if not 1 <= len(set(names)) == len(names):
        raise ValueError("it is empty, or a name is in it twice")
    return names


# Checked by hand: a class may be named after a folder whose name is not UTF-8, which pydantic's strings refuse.
Name = Annotated[str, PlainValidator(_name)]
ClassNames = Annotated[tuple[str, ...], PlainValidator(_class_names)]
Names = Annotated[tuple[str, ...], PlainValidator(_names)]


class ClassifierSettings(BaseModel):
    """The network and the method of a classifier.

    `weights` is "pretrained", "untrained" or the name of a file, `outputs` the network's number of classes, and
    `fingerprint` that of `Backbone.fingerprint`. `others` are the fingerprints of the networks beside it, by name.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    method: Annotated[str, Field(max_length=LONGEST_METHOD)]
    backbone: Annotated[str, Field(max_length=LONGEST_METHOD)]
    outputs: Annotated[int, Field(ge=1, le=MAX_OUTPUTS)]
    weights: Name
    fingerprint: Name
    framing: Framing
    multi_label: bool
    others: dict[Name, Name] = {}


class OwnSettings(ClassifierSettings):
    """The settings of a network's own classes, at an input of `size` pixels."""

    size: int


class TrainingSettings(ClassifierSettings):
    """The settings of a trained classifier: its classes, and what it was trained on.

    `photographs` are the SHA-256 of the files of its training images; older files lack them, and those of more images
    than `MOST_PHOTOGRAPHS`. `parts` are the names of the annotated parts that it learned to find.
    """

    classes: ClassNames
    dataset: Name
    images: int
    photographs: Names = ()
    parts: Names = ()
    C: Annotated[float, Field(allow_inf_nan=False)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    versions: dict[str, str]

    @property
    def nbytes(self) -> int:
        """The memory of its texts, which are as many as a file's header holds."""
        texts = (*self.classes, *self.photographs, *self.parts, *self.versions, *self.versions.values())
        return sum(len(text) + STRING_BYTES for text in texts)


def write(path: Path, arrays: Arrays, settings: TrainingSettings) -> None:
    """Write a file that appears whole or not at all. Raises ModelError where it cannot be written."""
    try:
        with whole_file(path) as temporary:
            save_file(_contiguous(arrays), temporary, metadata=_metadata(settings))
    except (SafetensorError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be written ({reason}); make room, or choose another place.") from error


def file_bytes(arrays: Arrays, settings: TrainingSettings) -> bytes:
    """The bytes of the file that `write` writes."""
    data: bytes = save(_contiguous(arrays), metadata=_metadata(settings))
    return data


def _contiguous(arrays: Arrays) -> Arrays:
    """Contiguous arrays: safetensors writes memory as it is, whatever the order of an array's axes."""
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _metadata(settings: TrainingSettings) -> dict[str, str]:
    return {HEADER: json_text({"format": _format(settings.method), **settings.model_dump()})}


def _format(method: str) -> str:
    return AUGMENTED_FORMAT if AUGMENTED in method else FORMAT


def read(source: Path | bytes, name: str) -> tuple[TrainingSettings, Arrays]:
    """The settings and arrays of a file, or of its bytes; `name` is its name in messages.

    Raises ModelError, with the reason, if it is not a classifier's file.
    """
    if isinstance(source, bytes):
        settings, places = read_places(source, name)
        return settings, {array: array_at(source, place) for array, place in places.items()}
    with _damage_explained(name):
        stated = _stated(_header_of_file(source))
        arrays = load_file(source)
    return _validated(stated, name), arrays


def read_places(data: bytes, name: str) -> tuple[TrainingSettings, dict[str, Place]]:
    """The settings in a file's bytes, and where its arrays lie in them. Raises ModelError."""
    with _damage_explained(name):
        length = _header_length(data[: _LENGTH.size])
        start = _LENGTH.size + length
        header = _parsed(data[_LENGTH.size : start])
        metadata = header.pop("__metadata__")
        stated = _stated(metadata[HEADER])
        load(data)  # checks that each array has the bytes of its type and shape, and that none overlap
        places = {
            array: (about["dtype"], tuple(about["shape"]), start + about["data_offsets"][0])
            for array, about in header.items()
        }
    return _validated(stated, name), places


def array_at(data: bytes, place: Place) -> NDArray[Any]:
    """The array at a place in a file's bytes, which it shares. Raises KeyError and ValueError where there is none."""
    kind, shape, start = place
    return np.frombuffer(data, _TYPES[kind], math.prod(shape), start).reshape(shape)


@contextmanager
def _damage_explained(name: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a ModelError."""
    try:
        yield
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        problem = f"{name} is not a classifier that this version of crosspool can read, or is damaged"
        raise ModelError(f"{problem}; train one with: crosspool train") from error
    except FileNotFoundError as error:
        raise ModelError(not_found(name)) from error
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"{name} cannot be read ({reason}); check the name and the folder.") from error


def _stated(text: str) -> dict[str, Any]:
    """The settings that a header states, not yet checked. Raises ValueError for those of another kind of file."""
    stated = _parsed(text)
    if not isinstance(stated, dict) or stated.get("format") not in (FORMAT, AUGMENTED_FORMAT):
        raise ValueError("another kind of file, or another version of it")
    return stated


def _validated(stated: dict[str, Any], name: str) -> TrainingSettings:
    if stated.pop("format") != _format(str(stated.get("method"))):
        raise ModelError(
            f"{name} was trained on other crops than {AUGMENTED} has today; train it again with: crosspool train"
        )
    try:
        return TrainingSettings.model_validate(stated)
    except ValidationError as error:
        raise inconsistent(name, _first_problem(error)) from error


def inconsistent(name: str, reason: str) -> ModelError:
    """The error for a file whose parts do not fit together; `reason` may quote the file, and is shortened."""
    reason = reason if len(reason) <= LONGEST_NAME else f"{reason[:LONGEST_NAME]}…"
    return ModelError(f"{name} is not consistent ({reason}); train it again with: crosspool train")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    setting = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"the setting {setting!r} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"the setting {setting!r} is wrong: {message[0].lower()}{message[1:]}"


def _header_of_file(path: Path) -> str:
    """The settings in a file's header, as JSON."""
    with path.open("rb") as file:
        _header_length(file.read(_LENGTH.size))
    with safe_open(path, "numpy") as file:
        return str((file.metadata() or {}).get(HEADER, "null"))


_LENGTH = struct.Struct("<Q")


def _header_length(start: bytes) -> int:
    """The length of a header, from the first bytes of its file. Raises ValueError for one that no classifier has."""
    if len(start) < _LENGTH.size or (length := _LENGTH.unpack(start)[0]) > LONGEST_HEADER:
        raise ValueError("the header is cut short or too long")
    return int(length)


def _parsed(text: bytes | str) -> Any:
    """JSON of a bounded number of objects: each takes a hundred times its two characters. Raises ValueError."""
    objects = count()

    def counted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if next(objects) >= MOST_OBJECTS:
            raise ValueError("the header has too many objects")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=counted)
