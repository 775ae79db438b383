"""The images that a store is made of, listed: folders, ZIP and tar archives, tables of addresses, here or elsewhere.

Anything that fsspec opens has an address, such as s3://bucket/photos. Passwords and keys are never part of one: each
file system finds them in its usual places.
"""

import hashlib
import io
import os
import posixpath
import tarfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from crosspool.datasets import Dataset, Sample, open_dataset
from crosspool.datasets import files as named_files
from crosspool.datasets.folders import FileInFolder, NoClassesError, group_by_class
from crosspool.datasets.structure import LayoutName
from crosspool.errors import CrosspoolError, DatasetError, ImageError
from crosspool.images import MAX_BYTES
from crosspool.shards.place import file_system
from crosspool.strict_json import json_text
from crosspool.text import plural, printable

Value = TypeVar("Value")

TABLES, TAR = (".csv", ".tsv", ".parquet"), ".tar"
PATH_COLUMNS = ("path", "url", "address", "file", "filename", "image")
LABEL_COLUMNS = ("label", "class", "category", "species")
LABEL_SUFFIXES = (".cls", ".label")
MOST_NAMED = 5


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
    - A CSV, TSV or Parquet file with a column of paths or addresses, and perhaps one of labels. Paths count from the
      table's folder.

    Args:
        source: A path, an address such as s3://bucket/photos, or a name such as fieldguide.
        layout: How folders and archives are read, as in `open_dataset`.

    Returns:
        Listing: The images, sorted by their names.

    Raises:
        DatasetError: There are no images, a name is there twice, or what is there cannot be understood.
    """
    suffix = posixpath.splitext(source)[1].lower()
    if suffix in TABLES:
        found = _of_table(source, suffix)
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
    with _explained(source):
        paths = sorted(fs.find(root))
    inside = [(path, printable(path.removeprefix(root).strip("/"))) for path in paths]
    members = [
        FileInFolder(tuple(name.split("/")), partial(_read, partial(fs.cat_file, path), name))
        for path, name in inside
        if named_files.is_image(name) and not any(map(named_files.is_hidden, name.split("/")))
    ]
    folders = {member.parts[:depth] for member in members for depth in range(1, len(member.parts))}
    name = posixpath.basename(root.rstrip("/")) or source
    if not members:
        raise DatasetError(f"{source} has no images; check the address, and whether you may read there.")
    try:
        return _labelled(group_by_class(name, source, members, folders, layout=layout))
    except NoClassesError as error:
        return _unlabelled(name, error)


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
    with _explained(source):
        paths = sorted(fs.glob(pattern)) if "*" in pattern else [pattern]
    members: list[FileInFolder] = []
    labels: dict[str, str] = {}
    for path in paths:
        with _explained(path):
            _index_tar(fs, path, members, labels, tar=posixpath.basename(path) if len(paths) > 1 else "")
    name = posixpath.splitext(posixpath.basename(pattern))[0]
    if not labels:
        folders = {member.parts[:depth] for member in members for depth in range(1, len(member.parts))}
        try:
            return _labelled(group_by_class(name, source, members, folders, layout=layout))
        except NoClassesError as error:
            return _unlabelled(name, error)
    samples = tuple(Sample(member.name, member.read) for member in members)
    own = tuple(labels.get(posixpath.splitext(member.name)[0]) for member in members)
    missing = sum(label is None for label in own)
    problems = (f"{plural(missing, 'image has', 'images have')} no file with a label beside it.",) if missing else ()
    sentence = f"{plural(len(paths), 'tar file')}, with labels in files beside the images."
    return Listing(name, samples, own, (None,) * len(samples), sentence, problems)


def _index_tar(fs: Any, path: str, members: list[FileInFolder], labels: dict[str, str], tar: str) -> None:
    """Add the images of a tar archive, and what its small files say of their labels."""
    try:
        with fs.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                inside = posixpath.normpath(member.name)
                if not member.isfile() or any(map(named_files.is_hidden, inside.split("/"))):
                    continue
                path_inside = printable(inside)
                name = posixpath.join(tar, path_inside)
                stem, suffix = posixpath.splitext(name)
                if suffix in LABEL_SUFFIXES:
                    text = cast(Any, archive.extractfile(member)).read(4096)
                    labels[stem] = printable(text.decode("utf-8", "replace").strip())
                elif named_files.is_image(name):
                    span = partial(_span, fs, path, member.offset_data, member.offset_data + member.size)
                    members.append(_FileInTar(tuple(path_inside.split("/")), partial(_read, span, name), tar))
    except tarfile.TarError as error:
        problem = f"{path} is no plain tar file ({error})"
        raise DatasetError(f"{problem}; unpack it, or make it again without compression.") from error


def _span(fs: Any, path: str, start: int, stop: int) -> bytes:
    return bytes(fs.cat_file(path, start=start, end=stop))


# --- tables


def _of_table(source: str, suffix: str) -> Listing:
    fs, path = file_system(source)
    with _explained(source):
        data = fs.cat_file(path)
    table = _table(data, suffix, source)
    addresses = _column(table, PATH_COLUMNS, source)
    if addresses is None:
        expected = ", ".join(PATH_COLUMNS)
        raise DatasetError(f"{source} has no column of images; name one of its columns {expected}.")
    labels = _column(table, LABEL_COLUMNS, source)
    folder = source.rsplit("/", 1)[0] if "/" in source else "."
    rows = zip(addresses, labels or [None] * len(addresses), strict=True)
    named = [(address, label) for address, label in rows if address is not None]
    samples = tuple(_sample(address, folder) for address, _ in named)
    own = tuple(None if label is None else printable(label) for _, label in named)
    layout = f"A table of {plural(len(samples), 'image')}" + (", with labels." if labels is not None else ".")
    nameless = len(addresses) - len(named)
    left_out = plural(nameless, "row is left out, as it names", "rows are left out, as they name")
    problems = (f"{left_out} no image.",) if nameless else ()
    stem = posixpath.splitext(posixpath.basename(path))[0]
    return Listing(stem, samples, own, (None,) * len(samples), layout, problems)


def _table(data: bytes, suffix: str, source: str) -> Any:
    """A table from the bytes of its file. Raises DatasetError where a row has more cells than the first."""
    import pandas as pd

    file, separator = io.BytesIO(data), "\t" if suffix == ".tsv" else ","
    try:
        if suffix == ".parquet":
            return pd.read_parquet(file, dtype_backend="pyarrow")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, index_col=False)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        problem = f"{source} cannot be read as a table ({' '.join(str(error).split())})"
        advice = "as Parquet" if suffix == ".parquet" else "in UTF-8, with as many cells in each row"
        raise DatasetError(f"{problem}; save it again {advice}.") from error


def _column(table: Any, names: Iterable[str], source: str) -> list[str | None] | None:
    """The texts in the one column with such a name, None where there is none; None without such a column."""
    found = [column for column in table.columns if str(column).strip().lower() in names]
    if len(found) > 1:
        problem = f"{source} has several columns that can be meant ({', '.join(map(str, found))})"
        raise DatasetError(f"{problem}; leave one of them, or give the others another name.")
    return [_text(value) for value in table[found[0]]] if found else None


def _text(value: Any) -> str | None:
    import pandas as pd

    return None if pd.isna(value) else str(value).strip() or None


def _sample(address: str, folder: str) -> Sample:
    name = printable(address)
    return Sample(name, _reader(_absolute(address, folder), name))


def _absolute(name: str, folder: str) -> str:
    return name if "://" in name or os.path.isabs(name) else f"{folder}/{name}"


# --- reading


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn whatever a file system raises into a DatasetError: those of other machines have errors of their own."""
    try:
        yield
    except CrosspoolError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{address} cannot be read ({reason}); check it, and your permissions.") from error


def _reader(address: str, name: str) -> Callable[[], bytes]:
    if "://" not in address:
        return named_files.reader(Path(os.path.expanduser(address)), name)
    return partial(_read, partial(_fetch, address), name)


def _fetch(address: str) -> bytes:
    fs, path = file_system(address)
    return bytes(fs.cat_file(path))


def _read(load: Callable[[], bytes], name: str) -> bytes:
    """A file's bytes. Raises ImageError, with the reason, whatever the file system raises."""
    try:
        data = load()
    except CrosspoolError as error:
        raise ImageError(str(error)) from error
    except Exception as error:  # file systems of other machines have errors of their own
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name} cannot be read ({reason}); check that it is still there.") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"{name} has more than {MAX_BYTES >> 20} MB; make it smaller.")
    return data
