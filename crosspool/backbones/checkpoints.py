"""What a file of weights holds, told by its content: tensors by name, names of classes, and what is neither.

Files of safetensors hold nothing else. Of torch's files the tensors, numbers and texts in plain dicts and lists are
read. Objects of any other type become `Unread`: their classes are never looked up, and nothing of theirs is run. A
network that was saved whole is such an object, so its tensors are found without its code.
"""

import json
import os
import pickle
import threading
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from crosspool.backbones.class_names import KEYS, class_names_in
from crosspool.errors import BackboneError, not_found
from crosspool.weight_files import is_safetensors, is_torch_script

_LOADING = threading.Lock()  # the types that torch lets pass belong to the whole process
# What wrappers put between the parts of a name: data parallelism, compilation, sharding, and a module's own dicts.
WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_HOLDERS = (dict, list, tuple)
_OWN_DICTS = frozenset({"_modules", "_parameters", "_buffers"})


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    `tensors` are named by the way to them: the keys of the dicts around them, and their own, without wrappers, joined
    by dots. `class_names` are lists that may name the network's outputs, `unread` the types of objects that are neither
    tensors nor plain, and `wrappers` those of the names' parts that were left out.
    """

    file: str
    tensors: dict[str, Tensor]
    class_names: tuple[tuple[str, ...], ...] = ()
    unread: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()


class Unread:
    """Stands for an object of a type that is not looked up; holds what the file says of its attributes."""

    def __new__(cls, *args: Any) -> "Unread":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.attributes = state


def _plain_dict(*args: Any) -> dict[Any, Any]:
    """Stands for a dict of another type."""
    return {}


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """What a file of safetensors or a torch checkpoint holds, whatever its name; nothing in it is run.

    Raises BackboneError with the name of the file.
    """
    path = Path(path)
    if path.is_dir():
        raise BackboneError(f"{path} is a folder, not a file of weights; name a file inside it.")
    if not path.exists():
        raise BackboneError(not_found(str(path)))
    if is_torch_script(path):
        raise BackboneError(f"{path.name} is a TorchScript program, not a file of weights; save model.state_dict().")
    try:
        loaded, unread = _read_safetensors(path) if is_safetensors(path) else _read_torch_file(path)
    except pickle.UnpicklingError as error:
        problem = f"{path.name} is not a file of weights, or holds more than tensors"
        raise BackboneError(f"{problem}; save model.state_dict() instead.") from error
    except Exception as error:  # on a damaged file, the readers raise all kinds of errors
        reason = "it is damaged, or another kind of file"
        raise BackboneError(f"{path.name} cannot be read as weights: {reason}.") from error
    entries = list(_entries(loaded))
    named = [(way, value) for way, value in entries if isinstance(value, Tensor) and isinstance(way[-1], str)]
    short = Counter(_name(way) for way, _ in named)  # where two tensors would have one name, both keep their own
    tensors = {name if short[name := _name(way)] == 1 else ".".join(_parts(way)): value for way, value in named}
    if not tensors:
        raise BackboneError(f"{path.name} does not hold a state dict (names and tensors).")
    names = (class_names_in(value) for way, value in entries if str(way[-1]).lower() in KEYS)
    wrappers = dict.fromkeys(part for way, _ in named for part in _parts(way) if part in WRAPPERS)
    return Checkpoint(path.name, tensors, tuple(filter(None, names)), unread, tuple(wrappers))


def _read_safetensors(path: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tensors of a file, with the entries of its metadata that are JSON."""
    with safe_open(path, "pt") as file:
        metadata = dict(_parsed(file.metadata() or {}))
    return {"": metadata, **load_file(path)}, ()


def _parsed(metadata: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, text in metadata.items():
        try:
            yield name, json.loads(text)
        except (ValueError, RecursionError):
            continue  # a text, such as the library's name


def _read_torch_file(path: Path) -> tuple[Any, tuple[str, ...]]:
    """The object in a file, with `Unread` for what is not plain, and the names of the types that these have."""
    with _LOADING, warnings.catch_warnings(), path.open("rb") as file:  # by its path, torch would go by its suffix
        warnings.simplefilter("ignore")  # of torch's, about how the file was written
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file)) if zipfile.is_zipfile(path) else []
        file.seek(0)
        stand_ins: list[Any] = [(_plain_dict if name.lower().endswith("dict") else Unread, name) for name in names]
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(file, "cpu", weights_only=True), tuple(names)


def _entries(loaded: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Everything in dicts, lists and the attributes of objects, in the order of the file, with the keys on the way.

    An object may hold itself, or thousands of dicts in each other.
    """
    left: list[tuple[tuple[Any, ...], Any]] = [((), loaded)]
    opened = set()
    while left:
        way, value = left.pop()
        if way:
            yield way, value
        inside = value.__dict__.get("attributes") if isinstance(value, Unread) else value
        if isinstance(inside, _HOLDERS) and id(inside) not in opened:
            opened.add(id(inside))
            left += [((*way, key), entry) for key, entry in reversed(_inner(inside))]


def _inner(holder: Any) -> list[tuple[Any, Any]]:
    """The entries of a dict, and of a list, which may be long, those that hold something themselves."""
    if isinstance(holder, dict):
        return list(holder.items())
    return [(place, entry) for place, entry in enumerate(holder) if isinstance(entry, (*_HOLDERS, Unread))]


def _name(way: tuple[Any, ...]) -> str:
    return ".".join(part for part in _parts(way) if part not in WRAPPERS | _OWN_DICTS)


def _parts(way: tuple[Any, ...]) -> list[str]:
    return [part for key in way for part in str(key).split(".")]
