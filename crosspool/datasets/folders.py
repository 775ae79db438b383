"""Images in folders, one class for each folder: on disk, as torchvision's ImageFolder has them, and in ZIP archives."""

import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crosspool.datasets import files
from crosspool.datasets.dataset import Dataset, Sample, Split
from crosspool.datasets.spellings import joined_spellings, unique_names
from crosspool.datasets.structure import LayoutName, PathParts, Reading, read_structure, without_masks
from crosspool.datasets.words import Role, role_of
from crosspool.errors import DatasetError
from crosspool.text import name_key, printable

MAX_FILES = 2_000_000  # with more, the folder is probably a whole disk
_ARRANGE = "put the images of each class into a folder named after the class"


class NoClassesError(DatasetError):
    """The images, which are `images`, are in no folders of classes, or all in the same; `problems` say what else is."""

    def __init__(self, sentence: str, images: "Sequence[FileInFolder]" = (), problems: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.images, self.problems = tuple(images), tuple(problems)


@dataclass(frozen=True)
class FileInFolder:
    """A file below the root: the names of its folders and its own, and a function that reads it."""

    parts: PathParts
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        return "/".join(self.parts)

    @property
    def stem(self) -> str:
        return os.path.splitext(self.parts[-1])[0]


def group_by_class(
    name: str,
    root: str,
    members: Sequence[FileInFolder],
    folders: Collection[PathParts],
    problems: Sequence[str] = (),
    layout: LayoutName = "auto",
) -> Dataset:
    """A data set with a class for each folder that has images in it or below it.

    `root` is the root's name in messages, and `members` and `folders` are all files and folders below it. A single
    folder around all others is skipped. Outer folders that hold the same classes are parts of the set, and an official
    split where their names say so, such as train and test (or val): see `structure`. The images to test on are those of
    the part called test, or else of val.

    Raises:
        DatasetError: there are no images, or there are two readings and `layout` does not choose one.
        NoClassesError: none of the images is in a class folder, or there is only one class.
    """
    visible = [file for file in members if not any(map(files.is_hidden, file.parts))]
    images = sorted((file for file in visible if files.is_image(file.name)), key=lambda file: file.parts)
    if not images:
        raise DatasetError(f"{root} has no images; {_ARRANGE}.")
    masks, mask_problems = (set(), ()) if layout == "classes" else without_masks([file.parts for file in images])
    images = [file for file in images if file.parts not in masks]
    reading = read_structure([file.parts for file in images], root, layout)
    inside = [(file, label) for file in images if (label := reading.label_of(file.parts)) is not None]
    outside = [file.name for file in images if reading.label_of(file.parts) is None]
    parts = [reading.part_of(file.parts) for file, _ in inside]
    labels, spelling_problems = joined_spellings([label for _, label in inside], parts, reading.first_part)
    order = sorted(range(len(inside)), key=lambda index: (labels[index], inside[index][0].parts))
    samples, labels = [inside[index][0] for index in order], [labels[index] for index in order]
    foreign = not_images([file.name for file in visible])
    classes = _checked_classes(sorted(set(labels)), root, images, (*problems, *foreign), mask_problems)
    official = _split([reading.role_of(file.parts) for file in samples]) if reading.is_split else None
    sample_names = unique_names([file.name for file in samples])
    return Dataset(
        name=name,
        classes=tuple(classes),
        samples=tuple(Sample(unique, file.read) for unique, file in zip(sample_names, samples, strict=True)),
        targets=np.searchsorted(classes, labels),
        official=official,
        problems=(
            *problems,
            *mask_problems,
            *spelling_problems,
            *foreign,
            *files.counted_sentence(
                outside, "image outside the class folders is left out", "images outside the class folders are left out"
            ),
            *_empty(reading, samples[0].parts, folders, classes),
            *(() if official else _unread_lists(visible)),
        ),
        layout=reading.sentence(len(classes), [file.parts for file in samples]),
        parts=() if reading.part is None else tuple(parts[index] for index in order),
    )


def _checked_classes(
    classes: list[str], root: str, images: Sequence[FileInFolder], problems: Sequence[str], mask_problems: Sequence[str]
) -> list[str]:
    left_out = (*problems, *mask_problems)
    if not classes:
        raise NoClassesError(f"{root} has images but no class folders; {_ARRANGE}.", images, left_out)
    if len(classes) == 1:
        besides = ", besides masks" if mask_problems else ""
        reason = f"{root} has images of one class only ({classes[0]}){besides}"
        raise NoClassesError(f"{reason}; put the folders of at least two classes side by side.", images, left_out)
    return classes


def not_images(names: Sequence[str]) -> tuple[str, ...]:
    """A sentence on the files among some that are left out; notes, such as a README, need none."""
    foreign = sorted(name for name in names if not files.is_image(name) and not files.is_note(name))
    one, many = "file is left out, as it is not an image", "files are left out, as they are not images"
    return files.counted_sentence(foreign, one, many)


def _empty(
    reading: Reading, first: PathParts, folders: Collection[PathParts], classes: Sequence[str]
) -> tuple[str, ...]:
    """A sentence on the folders beside those of the classes that have no images."""
    around = first[: reading.wrap]
    places = [(folder, reading.place_of(folder)) for folder in folders if folder[: reading.wrap] == around]
    beside = {folder[place] for folder, place in places if place is not None}
    if reading.part is None:
        beside |= {folder[reading.wrap] for folder, _ in places if len(folder) > reading.wrap}
    keys = set(map(name_key, classes))
    empty = sorted(folder for folder in beside if name_key(folder) not in keys and not files.is_hidden(folder))
    return files.counted_sentence(empty, "class folder has no images", "class folders have no images")


def _unread_lists(visible: Sequence[FileInFolder]) -> tuple[str, ...]:
    """A sentence on lists that seem to say which images are to train or test on: nobody knows their form here."""
    lists = sorted(file.name for file in visible if files.is_note(file.name) and role_of(file.stem))
    return files.counted_sentence(
        lists,
        "list that seems to name training or test images is not read",
        "lists that seem to name training or test images are not read",
    )


def _split(roles: Sequence[Role | None]) -> Split | None:
    held_out: Role = "test" if "test" in roles else "val"
    test = np.array([role == held_out for role in roles])
    if test.all() or not test.any():
        return None
    return Split(np.flatnonzero(~test), np.flatnonzero(test))


def class_folders(root: Path, layout: LayoutName = "auto") -> Dataset:
    """The images below `root`, each of the class whose folder it is in.

        root/cat/1.jpg
        root/cat/more/2.png
        root/dog/3.jpg

    Classes and images are in the order of their names. Nothing is decoded here. Hidden files, and files without the
    suffix of an image, are left out. Only links to files inside `root` are followed.

    Raises:
        DatasetError: `root` cannot be opened, has no images, no class folders or only one class, or has two readings.
    """
    walk = _Walk(root)
    name = printable(root.resolve().name or str(root))
    return group_by_class(name, printable(str(root)), walk.files, walk.folders, walk.problems(), layout)


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
