"""The images that a store is made of, listed: folders, ZIP and tar archives, tables of addresses, here or elsewhere.

Anything that fsspec opens has an address, such as s3://bucket/photos. Passwords and keys are never part of one: each
file system finds them in its usual places.
"""

import hashlib
import os
import posixpath
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

from crosspool.datasets import Dataset, Sample, open_dataset
from crosspool.datasets import files as named_files
from crosspool.datasets.catalogue import expect_dataset
from crosspool.datasets.folders import FileInFolder, NoClassesError, group_by_class, not_images
from crosspool.datasets.structure import LayoutName
from crosspool.errors import DatasetError
from crosspool.shards import tables
from crosspool.shards.place import file_system
from crosspool.shards.reading import explained, read, reader, span
from crosspool.strict_json import json_text
from crosspool.text import plural, printable

Value = TypeVar("Value")

KINDS = "a folder, a ZIP, a tar file, a table (CSV, TSV, Parquet), an address"  # besides data sets with a name
TAR = ".tar"
LABEL_SUFFIXES = (".cls", ".label")
MOST_NAMED = 5
MOST_LINKS = 40  # that lead to one another, as on Linux
_CUT_OFF = "no mark at the end, or more behind it, so that images may be missing"


@dataclass(frozen=True)
class Listing:
    """Images in the order of their names, each with its label and its part of an official split, where it has one.

    `layout` says how they were found, of a generated set nothing, and `problems` what was left out. Classes and images
    have an order of their own in a data set, on which its random splits depend: `classes` are in it, and `places` are
    the places of the images in it, empty where it is this one.
    """

    name: str
    samples: tuple[Sample, ...]
    labels: tuple[str | None, ...]
    splits: tuple[str | None, ...]
    layout: str
    problems: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    places: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def checksum(self) -> str:
        """The SHA-256 of the names, boxes, labels and splits: equal for equal lists."""
        digest = hashlib.sha256()
        for sample, label, split in zip(self.samples, self.labels, self.splits, strict=True):
            digest.update(json_text([sample.name, sample.box, sample.identity, label, split]).encode() + b"\n")
        return digest.hexdigest()


def list_images(source: str, *, layout: LayoutName = "auto") -> Listing:
    """List the images of a folder, an archive, a table, or a built-in data set, by what people type.

    - What `open_dataset` opens, with its labels and official split.
    - A folder without class folders, here or elsewhere: images without labels.
    - `shards/*.tar`, or one tar file: images with their labels in files of the same name that end in .cls, or else in
      folders.
    - A CSV, TSV or Parquet file with a column of paths or addresses, and perhaps ones of labels and of a split. Paths
      count from the table's folder.

    Args:
        source: A path, an address such as s3://bucket/photos, or a name such as fieldguide.
        layout: How folders and archives are read, as in `open_dataset`.

    Returns:
        Listing: The images, sorted by their names.

    Raises:
        DatasetError: There are no images, a name is there twice, or what is there cannot be understood.
    """
    suffix = posixpath.splitext(source)[1].lower()
    if suffix in tables.SUFFIXES:
        found = _of_table(source)
    elif suffix == TAR:
        found = _of_tars(source, layout)
    elif "://" in source:
        found = _of_folder_elsewhere(source, layout)
    else:
        found = _of_dataset(source, layout)
    if not found.samples:
        raise DatasetError(f"{source} has no images; check the address.")
    return _in_order(found)


def _in_order(found: Listing) -> Listing:
    names = [sample.name for sample in found.samples]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        shown = ", ".join(twice[:MOST_NAMED])
        raise DatasetError(f"{found.name} names {plural(len(twice), 'image')} twice ({shown}); name each of them once.")
    order = sorted(range(len(names)), key=names.__getitem__)

    def ordered(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(values[place] for place in order)

    return replace(
        found, samples=ordered(found.samples), labels=ordered(found.labels), splits=ordered(found.splits),
        classes=found.classes or tuple(sorted({label for label in found.labels if label is not None})),
        places=tuple(order),
    )  # fmt: skip


# --- folders and data sets


def _of_dataset(source: str, layout: LayoutName) -> Listing:
    expect_dataset(source, KINDS)
    try:
        return _labelled(open_dataset(source, layout=layout))
    except NoClassesError as error:
        return _unlabelled(posixpath.basename(os.path.abspath(source)), error)


def _labelled(dataset: Dataset) -> Listing:
    if dataset.multi_label:
        problem = f"{dataset.name} has several labels per image, and a store keeps one"
        raise DatasetError(f"{problem}; take crosspool evaluate, which reads all of them.")
    labels = tuple(dataset.classes[target] for target in dataset.targets)
    splits: list[str | None] = [None] * len(dataset)
    if dataset.official is not None:
        for part, indices in (("train", dataset.official.train), ("test", dataset.official.test)):
            for index in indices:
                splits[index] = part
    return Listing(
        dataset.name, dataset.samples, labels, tuple(splits), dataset.layout, dataset.problems, dataset.classes
    )


def _unlabelled(name: str, found: NoClassesError) -> Listing:
    samples = tuple(Sample(image.name, image.read) for image in found.images)
    nothing = (None,) * len(samples)
    layout = f"{plural(len(samples), 'image')} without labels."
    return Listing(name, samples, nothing, nothing, layout, found.problems)


def _of_folder_elsewhere(source: str, layout: LayoutName) -> Listing:
    fs, root = file_system(source)
    with explained(source):
        paths = sorted(fs.find(root))
    inside = [(path, printable(path.removeprefix(root).strip("/"))) for path in paths]
    visible = [(path, name) for path, name in inside if not any(map(named_files.is_hidden, name.split("/")))]
    members = [
        FileInFolder(tuple(name.split("/")), partial(read, partial(fs.cat_file, path), name))
        for path, name in visible
        if named_files.is_image(name)
    ]
    problems = not_images([name for _, name in visible])
    folders = {member.parts[:depth] for member in members for depth in range(1, len(member.parts))}
    name = posixpath.basename(root.rstrip("/")) or source
    if not members:
        raise DatasetError(f"{source} has no images; check the address, and whether you may read there.")
    try:
        return _labelled(group_by_class(name, source, members, folders, problems, layout))
    except NoClassesError as error:
        return _unlabelled(name, error)


# --- tables


def _of_table(source: str) -> Listing:
    table, name = tables.read_table(source), posixpath.splitext(posixpath.basename(source))[0]
    images = zip(table.names, table.addresses, strict=True)
    samples = tuple(Sample(each, reader(address, each)) for each, address in images)
    return Listing(name, samples, table.labels, table.splits, table.layout, table.problems)


# --- tar archives


@dataclass(frozen=True)
class _FileInTar(FileInFolder):
    """An image in one of several tar files, which may have others of the same names; `tar` is the file's own."""

    tar: str

    @property
    def name(self) -> str:
        return posixpath.join(self.tar, super().name)


def _of_tars(source: str, layout: LayoutName) -> Listing:
    fs, pattern = file_system(source)
    with explained(source):
        paths = sorted(fs.glob(pattern)) if "*" in pattern else [pattern]
    tars = _Tars(fs)
    for path in paths:
        with explained(path):
            tars.add(path, posixpath.basename(path) if len(paths) > 1 else "")
    found = _of_members(source, posixpath.splitext(posixpath.basename(pattern))[0], tars.images, tars.labels, layout)
    return replace(found, problems=(*found.problems, *tars.problems()))


def _of_members(
    source: str, name: str, members: list[FileInFolder], labels: dict[str, str | None], layout: LayoutName
) -> Listing:
    """The images of tar files, labelled by files beside them, or else by folders."""
    if not labels:
        folders = {member.parts[:depth] for member in members for depth in range(1, len(member.parts))}
        try:
            return _labelled(group_by_class(name, source, members, folders, layout=layout))
        except NoClassesError as error:
            return _unlabelled(name, error)
    samples = tuple(Sample(member.name, member.read) for member in members)
    own = tuple(labels.get(posixpath.splitext(member.name)[0]) for member in members)
    missing = sum(label is None for label in own)
    words = "image has no label in a file beside it", "images have no label in a file beside them"
    problems = (f"{plural(missing, *words)}.",) if missing else ()
    sentence = f"{plural(len(samples), 'image')}, with labels in files beside them."
    return Listing(name, samples, own, (None,) * len(samples), sentence, problems)


class _Tars:
    """What tar files have: images, what small files beside these say of their labels, and what is left out."""

    def __init__(self, fs: Any) -> None:
        self.images: list[FileInFolder] = []
        self.labels: dict[str, str | None] = {}
        self._fs = fs
        self._cut_off: list[str] = []
        self._links: list[str] = []
        self._outside: list[str] = []
        self._others: list[str] = []

    def problems(self) -> tuple[str, ...]:
        return (
            *named_files.counted_sentence(
                sorted(self._links),
                "link is left out, as it does not lead to a file inside the tar file",
                "links are left out, as they do not lead to files inside the tar file",
            ),
            *named_files.counted_sentence(
                sorted(self._outside),
                "file is left out, as its name leads out of the tar file",
                "files are left out, as their names lead out of the tar file",
            ),
            *not_images(self._others),
            *named_files.counted_sentence(self._cut_off, f"tar file has {_CUT_OFF}", f"tar files have {_CUT_OFF}"),
        )

    def add(self, path: str, tar: str) -> None:
        """Add what is in a tar file, whose images are called by `tar` and their own names.

        One that was cut off between two files does not end with empty blocks, and behind those of one that was written
        onto another, files are not found.
        """
        try:
            with self._fs.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
                links = []
                for member in archive:
                    if _is_link(member):
                        links.append(member)  # which may lead to a file further on
                    elif member.isfile():
                        self._add(archive, path, member.name, member, tar)
                files = {posixpath.normpath(member.name): member for member in archive.getmembers() if links}
                for link in links:
                    self._add(archive, path, link.name, _end_of(link, files), tar)
                file.seek(archive.offset)
                rest = file.read(2 * tarfile.RECORDSIZE)
                if len(rest) < tarfile.BLOCKSIZE or any(rest):
                    self._cut_off.append(printable(path))
        except tarfile.TarError as error:
            if "unexpected end" in str(error):
                raise DatasetError(f"{path} is cut off within a file; copy it again.") from error
            problem = f"{path} is not a plain tar file ({error})"
            raise DatasetError(f"{problem}; unpack it, or make it again without compression.") from error

    def _add(self, archive: tarfile.TarFile, path: str, own: str, member: tarfile.TarInfo | None, tar: str) -> None:
        """Add a file by its own name; its bytes are those of `member`, None for a link that leads nowhere."""
        inside = printable(posixpath.normpath(own))
        name, parts = posixpath.join(tar, inside), tuple(inside.split("/"))
        stem, suffix = posixpath.splitext(name)
        if parts[0] == "..":
            self._outside.append(name)
        elif any(map(named_files.is_hidden, parts)):
            return
        elif member is None:
            self._links.append(name)
        elif suffix in LABEL_SUFFIXES:
            text = cast(Any, archive.extractfile(member)).read(4096).decode("utf-8", "replace").strip()
            self.labels[stem] = printable(text) if text else None
        elif named_files.is_image(name):
            load = partial(span, self._fs, path, member.offset_data, member.offset_data + member.size)
            self.images.append(_FileInTar(parts, partial(read, load, name), tar))
        else:
            self._others.append(name)


def _is_link(member: tarfile.TarInfo) -> bool:
    return member.islnk() or member.issym()


def _end_of(link: tarfile.TarInfo, files: Mapping[str, tarfile.TarInfo]) -> tarfile.TarInfo | None:
    """The file in the same archive that a link leads to, perhaps by others; None where there is none."""
    member: tarfile.TarInfo | None = link
    for _ in range(MOST_LINKS):
        if member is None or not _is_link(member):
            break
        folder = posixpath.dirname(member.name) if member.issym() else ""  # hard links count from the archive's root
        member = files.get(posixpath.normpath(posixpath.join(folder, member.linkname)))
    return member if member is not None and member.isfile() else None
