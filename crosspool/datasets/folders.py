"""Images in folders, one class for each folder: on disk, as torchvision's ImageFolder has them, and in ZIP archives."""

import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crosspool.datasets import files
from crosspool.datasets.dataset import Dataset, Sample, Split
from crosspool.errors import DatasetError
from crosspool.text import printable

MAX_FILES = 2_000_000  # with more, the folder is probably a whole disk
TRAINING = frozenset({"train", "training", "trainval"})
VALIDATION = frozenset({"val", "valid", "validation"})
TESTING = frozenset({"test", "testing"})

PathParts = tuple[str, ...]
_ARRANGE = "put the images of each class into a folder named after the class"


@dataclass(frozen=True)
class FileInFolder:
    """A file below the root: the names of its folders and its own, and a function that reads it."""

    parts: PathParts
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        return "/".join(self.parts)


def group_by_class(
    name: str, root: str, members: Sequence[FileInFolder], folders: Collection[PathParts], problems: Sequence[str] = ()
) -> Dataset:
    """A data set with a class for each folder that has images in it or below it.

    `root` is the root's name in messages, and `members` and `folders` are all files and folders below it. A single
    folder around all others is skipped. Where the outer folders are called train and test (or val), they are the
    official split, and the classes are the folders in them; the images to test on are those of test, or of val if there
    is no test.

    Raises:
        DatasetError: there are no images, none of them is in a class folder, or there is only one class.
    """
    visible = [file for file in members if not any(map(files.is_hidden, file.parts))]
    images = sorted((file for file in visible if files.is_image(file.name)), key=lambda file: file.parts)
    if not images:
        raise DatasetError(f"{root} has no images; {_ARRANGE}.")
    wrap = _wrapping(images)
    is_split = _are_splits({file.parts[wrap] for file in images if len(file.parts) > wrap + 1})
    level = wrap + is_split  # the place of the class in `parts`
    inside = [file for file in images if len(file.parts) > level + 1]
    inside.sort(key=lambda file: (file.parts[level], file.parts))
    labels = [file.parts[level] for file in inside]
    classes = sorted(set(labels))
    if not classes:
        raise DatasetError(f"{root} has images but no class folders; {_ARRANGE}.")
    if len(classes) == 1:
        reason = f"{root} has images of one class only ({classes[0]})"
        raise DatasetError(f"{reason}; put the folders of at least two classes side by side.")
    around = inside[0].parts[:wrap]
    beside = {folder[level] for folder in folders if len(folder) > level and folder[:wrap] == around}
    empty = sorted(folder for folder in beside.difference(classes) if not files.is_hidden(folder))
    outside = [file.name for file in images if len(file.parts) <= level + 1]
    foreign = sorted(file.name for file in visible if not files.is_image(file.name) and not files.is_note(file.name))
    return Dataset(
        name=name,
        classes=tuple(classes),
        samples=tuple(Sample(file.name, file.read) for file in inside),
        targets=np.searchsorted(classes, labels),
        official=_split([file.parts[wrap] for file in inside]) if is_split else None,
        problems=(
            *problems,
            *files.counted_sentence(
                foreign, "file is left out, as it is not an image", "files are left out, as they are not images"
            ),
            *files.counted_sentence(
                outside, "image outside the class folders is left out", "images outside the class folders are left out"
            ),
            *files.counted_sentence(empty, "class folder has no images", "class folders have no images"),
        ),
    )


def _wrapping(images: Sequence[FileInFolder]) -> int:
    """The number of folders, one in the other, around all class folders."""
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


def class_folders(root: Path) -> Dataset:
    """The images below `root`, each of the class whose folder it is in.

        root/cat/1.jpg
        root/cat/more/2.png
        root/dog/3.jpg

    Classes and images are in the order of their names. Nothing is decoded here. Hidden files, and files without the
    suffix of an image, are left out. Only links to files inside `root` are followed.

    Raises:
        DatasetError: `root` cannot be opened, or has no images, no class folders or only one class.
    """
    walk = _Walk(root)
    name = printable(root.resolve().name or str(root))
    return group_by_class(name, printable(str(root)), walk.files, walk.folders, walk.problems())


class _Walk:
    """All visible files and folders below `root`, and those that cannot be opened or followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inside = os.path.realpath(root) + os.sep
        self.files: list[FileInFolder] = []
        self.folders: set[PathParts] = set()
        self._closed: list[str] = []
        self._links: list[str] = []
        try:
            os.scandir(root).close()
        except OSError as error:
            reason = files.reason_of(error)
            raise DatasetError(f"{root} cannot be opened ({reason}); check its name and permissions.") from error
        pending: list[PathParts] = [()]
        while pending:
            pending.extend(self._enter(pending.pop()))

    def problems(self) -> tuple[str, ...]:
        return (
            *files.counted_sentence(sorted(self._closed), "folder cannot be opened", "folders cannot be opened"),
            *files.counted_sentence(
                sorted(self._links),
                "link is left out, as it does not lead to a file inside the folder",
                "links are left out, as they do not lead to files inside the folder",
            ),
        )

    def _enter(self, folder: PathParts) -> Iterator[PathParts]:
        """Add the files and links of one folder; yields the folders in it."""
        try:
            with os.scandir(self.root.joinpath(*folder)) as entries:
                listed = [entry for entry in entries if not files.is_hidden(entry.name)]
        except OSError:
            self._closed.append(printable("/".join(folder)))
            return
        for entry in listed:
            parts = (*folder, entry.name)
            if entry.is_dir(follow_symlinks=False):
                self.folders.add(tuple(map(printable, parts)))
                yield parts
            elif entry.is_symlink() and not self._is_file_inside(entry.path):
                self._links.append(printable("/".join(parts)))
            elif entry.is_file():  # not a socket or a pipe, which would wait forever
                path = tuple(map(printable, parts))
                self.files.append(FileInFolder(path, files.reader(Path(entry.path), "/".join(path))))
            if len(self.files) > MAX_FILES:
                raise DatasetError(f"{self.root} has more than {MAX_FILES:,} files; name the folder of one data set.")

    def _is_file_inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        try:
            return real.startswith(self.inside) and stat.S_ISREG(os.stat(real).st_mode)
        except OSError:
            return False
