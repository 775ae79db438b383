"""A folder on disk with one folder for each class, as torchvision's ImageFolder and most people have it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from crosspool.datasets.dataset import Dataset
from crosspool.datasets.files import counted_sentence, is_hidden, reader, reason_of
from crosspool.datasets.grouping import FileInFolder, PathParts, group_by_class
from crosspool.errors import DatasetError
from crosspool.text import printable

MAX_FILES = 2_000_000  # more: somebody named a whole disk


def class_folders(root: Path) -> Dataset:
    """The images below `root`, each of the class whose folder it is in.

        root/cat/1.jpg
        root/cat/more/2.png
        root/dog/3.jpg

    Classes and images are in the order of their names. Nothing is decoded here. Hidden files, and files whose
    suffix is not that of an image, are passed over. Links to files inside `root` are followed, others are not.

    Raises:
        DatasetError: `root` cannot be opened, or has no images, no class folders or only one class.
    """
    walk = _Walk(root)
    name = root.resolve().name or str(root)
    return group_by_class(printable(name), printable(str(root)), walk.files, walk.folders, walk.problems)


class _Walk:
    """All files and folders below `root` but the hidden ones, and what could not be followed."""

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
            raise DatasetError(
                f"{root} cannot be opened ({reason_of(error)}); check its name and permissions."
            ) from error
        pending: list[PathParts] = [()]
        while pending:
            pending.extend(self._enter(pending.pop()))

    @property
    def problems(self) -> tuple[str, ...]:
        closed = counted_sentence(sorted(self._closed), "folder cannot be opened", "folders cannot be opened")
        links = counted_sentence(
            sorted(self._links),
            "link is left out, as it does not lead to a file inside the folder",
            "links are left out, as they do not lead to files inside the folder",
        )
        return closed + links

    def _enter(self, folder: PathParts) -> Iterator[PathParts]:
        """Take in what lies in one folder, and give the folders in it."""
        try:
            with os.scandir(self.root.joinpath(*folder)) as entries:
                listed = [entry for entry in entries if not is_hidden(entry.name)]
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
            elif entry.is_file():  # no socket or pipe, which would wait for ever
                self._add(parts, entry.path)

    def _add(self, parts: PathParts, path: str) -> None:
        if len(self.files) == MAX_FILES:
            raise DatasetError(f"{self.root} has more than {MAX_FILES:,} files; name the folder of one data set.")
        printable_parts = tuple(map(printable, parts))
        self.files.append(FileInFolder(printable_parts, reader(Path(path), "/".join(printable_parts))))

    def _is_file_inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        try:
            return real.startswith(self.inside) and stat.S_ISREG(os.stat(real).st_mode)
        except OSError:
            return False
