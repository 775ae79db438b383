"""A data set from files in folders, one class for each folder: shared by folders on disk and ZIP archives."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from crosspool.datasets.dataset import Dataset, Sample, Split
from crosspool.datasets.files import IMAGE_SUFFIXES, NOTE_SUFFIXES, counted_sentence, is_hidden, suffix_of
from crosspool.errors import DatasetError

TRAINING = frozenset({"train", "training", "trainval"})
VALIDATION = frozenset({"val", "valid", "validation"})
TESTING = frozenset({"test", "testing"})

PathParts = tuple[str, ...]


@dataclass(frozen=True)
class FileInFolder:
    """A file below the root: the names on its way there, its own last, and what reads it."""

    parts: PathParts
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        return "/".join(self.parts)


def group_by_class(
    name: str, where: str, files: Sequence[FileInFolder], folders: Collection[PathParts], problems: Sequence[str] = ()
) -> Dataset:
    """A data set with a class for each folder that has images in it or below it.

    `where` stands for the root in messages, and `folders` are all folders below it. A folder that alone wraps
    all others is passed through. Where the outer folders are called train and test (or val), the classes are the
    folders in those, and the outer folders are the official split: test, or where there is none val, is tested on.

    Raises:
        DatasetError: there are no images, none of them is in a class folder, or there is only one class.
    """
    visible = [file for file in files if not any(map(is_hidden, file.parts))]
    images = sorted((file for file in visible if suffix_of(file.name) in IMAGE_SUFFIXES), key=lambda file: file.parts)
    if not images:
        raise DatasetError(f"{where} has no images; put the images of each class into a folder named after the class.")
    wrap = _wrapping(images)
    is_split = _are_splits({file.parts[wrap] for file in images if len(file.parts) > wrap + 1})
    level = wrap + is_split  # the place of the class in `parts`
    inside = [file for file in images if len(file.parts) > level + 1]
    inside.sort(key=lambda file: (file.parts[level], file.parts))
    classes = sorted({file.parts[level] for file in inside})
    _check(where, classes)
    number = {label: i for i, label in enumerate(classes)}
    around = inside[0].parts[:wrap]
    beside = {folder[level] for folder in folders if len(folder) > level and folder[:wrap] == around}
    all_problems = (
        *problems,
        *_foreign(visible),
        *_without_class([file for file in images if len(file.parts) <= level + 1]),
        *_empty(beside - set(classes)),
    )
    return Dataset(
        name=name,
        classes=tuple(classes),
        samples=tuple(Sample(file.name, file.read) for file in inside),
        targets=np.array([number[file.parts[level]] for file in inside], dtype=np.int64),
        official=_split([file.parts[wrap] for file in inside]) if is_split else None,
        problems=all_problems,
    )


def _wrapping(images: Sequence[FileInFolder]) -> int:
    """How many folders lie around all class folders."""
    wrap = 0
    while True:
        inside = [file.parts for file in images if len(file.parts) > wrap + 1]
        if len({parts[wrap] for parts in inside}) != 1 or any(len(parts) == wrap + 2 for parts in inside):
            return wrap
        wrap += 1


def _are_splits(names: Collection[str]) -> bool:
    kinds = {name.lower() for name in names}
    return bool(kinds & TRAINING) and kinds <= TRAINING | VALIDATION | TESTING


def _split(parts: Sequence[str]) -> Split | None:
    kinds = [part.lower() for part in parts]
    held_out = TESTING if any(kind in TESTING for kind in kinds) else VALIDATION
    test = np.array([kind in held_out for kind in kinds])
    if test.all() or not test.any():
        return None
    return Split(np.flatnonzero(~test), np.flatnonzero(test))


def _check(where: str, classes: Sequence[str]) -> None:
    if not classes:
        raise DatasetError(
            f"{where} has images but no class folders; "
            "put the images of each class into a folder named after the class."
        )
    if len(classes) == 1:
        raise DatasetError(
            f"{where} has images of one class only ({classes[0]}); "
            "put the folders of at least two classes side by side."
        )


def _foreign(files: Sequence[FileInFolder]) -> tuple[str, ...]:
    names = [file.name for file in files if suffix_of(file.name) not in IMAGE_SUFFIXES | NOTE_SUFFIXES]
    return counted_sentence(
        sorted(names), "file is left out, as it is not an image", "files are left out, as they are not images"
    )


def _without_class(files: Sequence[FileInFolder]) -> tuple[str, ...]:
    names = [file.name for file in files]
    return counted_sentence(
        names, "image outside the class folders is left out", "images outside the class folders are left out"
    )


def _empty(names: Collection[str]) -> tuple[str, ...]:
    visible = sorted(name for name in names if not is_hidden(name))
    return counted_sentence(visible, "class folder has no images", "class folders have no images")
