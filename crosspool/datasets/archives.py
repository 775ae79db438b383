"""A ZIP of class folders, read in place: nothing is unpacked to disk.

The ZIP may be anybody's upload. Its directory is checked against the limits below before anything is read, and no
member is inflated beyond the size that the directory gives, whatever its own stream holds.
"""

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from crosspool.datasets.attributes import is_people_list
from crosspool.datasets.dataset import Dataset
from crosspool.datasets.files import counted_sentence, is_hidden, is_image, reason_of
from crosspool.datasets.folders import FileInFolder, group_by_class
from crosspool.datasets.structure import LayoutName, PathParts
from crosspool.errors import DatasetError, ImageError
from crosspool.text import printable

MAX_RATIO = 200  # of a member's size to its compressed size,
RATIO_BYTES = 2**20  # for members larger than this: small plain images do compress that well
MAX_DEPTH = 16  # folders inside folders
MAX_CHARACTERS = 255  # in a member's name with its folders
SHOWN_CHARACTERS = 40  # of a longer name, in messages

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # the signature, and the lengths of the name and of the extra field
_ENCRYPTED, _UTF8 = 0x1, 0x800  # bits of a member's flags
_REMAKE, _UNPACK = "create the ZIP again", "unpack it and name the folder"

# Files and folders of official layouts, whose labels or split would be missed if the folders were read as classes.
_OFFICIAL = {
    **dict.fromkeys(("TrainImages.txt", "TestImages.txt"), "MIT-67"),
    "image_class_labels.txt": "CUB-200-2011",
    "ImageSets/Main": "PASCAL VOC",
}
_PEOPLE = "train/labels.txt"  # only where its lines look as they should


@dataclass(frozen=True)
class ZipLimits:
    """How much a ZIP may hold: `directory` in bytes of its list of members, `member` and `total` in unpacked ones."""

    members: int = 100_000  # and as many folders
    directory: int = 32 * 2**20
    member: int = 64 * 2**20
    total: int = 20 * 2**30


@dataclass(frozen=True)
class _Archive:
    """A ZIP: its name in messages, a function that opens it, and its limits."""

    name: str
    open: Callable[[], io.FileIO | io.BytesIO]
    limits: ZipLimits

    def __str__(self) -> str:
        return self.name


class _BoundedFile(io.BufferedReader):
    """A file that reads at most `limit` bytes at once, so that no huge list of members is ever parsed."""

    def __init__(self, file: io.FileIO | io.BytesIO, limit: int) -> None:
        super().__init__(file)
        self._limit = limit

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._limit:
            raise zipfile.BadZipFile("its list of members is too long")
        return super().read(size)


def zipped_class_folders(path: Path, limits: ZipLimits = ZipLimits(), *, layout: LayoutName = "auto") -> Dataset:
    """The images in a ZIP, with a class for each folder; a single folder around all classes is skipped.

    Several threads and processes can read samples at once. A damaged sample raises ImageError when it is read.

    Raises:
        DatasetError: the file is not a ZIP, is damaged, encrypted or beyond the limits, names members outside itself
            or links, holds an official layout, has no images, no class folders or only one class, or has two readings.
    """
    return _class_folders(_Archive(str(path), partial(io.FileIO, path.absolute()), limits), path.stem, layout)


def class_folders_in_memory(
    data: bytes, name: str, limits: ZipLimits = ZipLimits(), *, layout: LayoutName = "auto"
) -> Dataset:
    """As `zipped_class_folders`, but for the bytes of a ZIP called `name`."""
    return _class_folders(_Archive(name, partial(io.BytesIO, data), limits), Path(name).stem, layout)


def _class_folders(archive: _Archive, name: str, layout: LayoutName) -> Dataset:
    members, folders, problems = _members(archive, _directory(archive))
    if layout == "auto":
        _check_not_official(archive, members, folders)
    return group_by_class(printable(name), printable(archive.name), members, folders, problems, layout)


def _directory(archive: _Archive) -> list[zipfile.ZipInfo]:
    try:
        with _BoundedFile(archive.open(), archive.limits.directory) as file, zipfile.ZipFile(file) as opened:
            infos = opened.infolist()
    except OSError as error:
        reason = reason_of(error)
        raise DatasetError(f"{archive} cannot be opened ({reason}); check its name and permissions.") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error) as error:
        raise DatasetError(f"{archive} is not a ZIP file, or is damaged ({error}); {_REMAKE}.") from error
    if len(infos) > archive.limits.members:
        raise DatasetError(f"{archive} has more than {archive.limits.members:,} members; {_UNPACK}.")
    return infos


def _members(
    archive: _Archive, infos: Sequence[zipfile.ZipInfo]
) -> tuple[list[FileInFolder], set[PathParts], tuple[str, ...]]:
    """The files and folders in the ZIP, and a problem for images that are left out as they are too large."""
    files: dict[PathParts, FileInFolder] = {}  # of members with the same name the last one counts, as when unpacking
    folders: set[PathParts] = set()
    large: list[str] = []
    total, limits = 0, archive.limits
    for info in infos:
        parts, is_folder = _parts(archive, info)
        if not parts or any(map(is_hidden, parts)):
            continue
        folder = parts if is_folder else parts[:-1]
        folders.update(folder[: end + 1] for end in range(len(folder)))
        if len(folders) > limits.members:
            raise DatasetError(f"{archive} has more than {limits.members:,} folders; {_UNPACK}.")
        if is_folder:
            continue
        name = "/".join(parts)
        if is_image(name) or _ends_with(parts, _PEOPLE):
            _check_readable(archive, info, name)
            if _is_too_large(info, limits.member):
                large.append(name)
                continue
            total += info.file_size
        files[parts] = FileInFolder(parts, partial(_read, archive, info, name))
    _check_whole(archive, total)
    reason = f"left out: larger than {limits.member >> 20} MB, or compressed more than {MAX_RATIO} times"
    return list(files.values()), folders, counted_sentence(large, f"image is {reason}", f"images are {reason}")


def _parts(archive: _Archive, info: zipfile.ZipInfo) -> tuple[PathParts, bool]:
    """A member's name with its folders, and whether it is a folder. Raises DatasetError for a name that may do harm."""
    name = _decoded(info).replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if len(parts) > MAX_DEPTH:
        raise DatasetError(f"{archive} has folders more than {MAX_DEPTH} deep; {_REMAKE} with a folder for each class.")
    if len(name) > MAX_CHARACTERS:
        reason = f"names longer than {MAX_CHARACTERS} characters ({printable(name[:SHOWN_CHARACTERS])}…)"
        raise DatasetError(f"{archive} has {reason}; {_REMAKE} with shorter ones.")
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:(/|$)", name):
        raise DatasetError(f"{archive} names a file outside itself ({printable(name)}); {_REMAKE} from a plain folder.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DatasetError(f"{archive} contains a link or a device ({printable(name)}); {_REMAKE} from plain files.")
    return tuple(map(printable, parts)), name.endswith("/")


def _decoded(info: zipfile.ZipInfo) -> str:
    """The member's name. Many programs write UTF-8 without saying so, and Python then takes it for code page 437."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _check_readable(archive: _Archive, info: zipfile.ZipInfo, name: str) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise DatasetError(f"{archive} is protected by a password ({name}); {_REMAKE} without one.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        compression = f"an unsupported compression ({name}, method {info.compress_type})"
        raise DatasetError(f"{archive} has a member in {compression}; {_REMAKE} with the standard one, Deflate.")


def _is_too_large(info: zipfile.ZipInfo, limit: int) -> bool:
    is_bomb = info.file_size > RATIO_BYTES and info.file_size > MAX_RATIO * info.compress_size
    return is_bomb or max(info.file_size, info.compress_size) > limit


def _check_whole(archive: _Archive, total: int) -> None:
    most = archive.limits.total
    if total > most:
        limit = f"{most >> 30} GB" if most >= 2**30 else f"{most >> 20} MB"
        raise DatasetError(f"{archive} contains more than {limit} of images; {_UNPACK}.")


def _check_not_official(archive: _Archive, files: Sequence[FileInFolder], folders: set[PathParts]) -> None:
    """Raise DatasetError where official lists are there, at any depth: they are read from folders only."""
    paths = (*folders, *(file.parts for file in files))
    titles = [title for path, (marker, title) in product(paths, _OFFICIAL.items()) if _ends_with(path, marker)]
    if not titles and any(_ends_with(file.parts, _PEOPLE) and _is_people_list(file) for file in files):
        titles = ["Attributes of People"]
    if titles:
        raise DatasetError(f"{archive} contains {titles[0]} with its official lists; {_UNPACK}.")


def _ends_with(path: PathParts, marker: str) -> bool:
    return f"/{'/'.join(path)}".endswith(f"/{marker}")


def _is_people_list(file: FileInFolder) -> bool:
    try:
        return is_people_list(file.read())
    except ImageError as error:  # which says that the member is damaged
        raise DatasetError(str(error)) from error


def _read(archive: _Archive, info: zipfile.ZipInfo, name: str) -> bytes:
    """The bytes of one member. The file is opened again each time, so that readers share no state."""
    try:
        data = _inflated(archive, info)
    except OSError as error:
        reason = reason_of(error)
        raise ImageError(f"{name} cannot be read from {archive} ({reason}); check that it is there.") from error
    except (zlib.error, struct.error, ValueError, OverflowError):
        data = None
    if data is None or len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise ImageError(f"{name} is damaged in {archive}, or does not match its directory; {_REMAKE}.")
    return data


def _inflated(archive: _Archive, info: zipfile.ZipInfo) -> bytes | None:
    with archive.open() as file:
        file.seek(info.header_offset)
        signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if signature != b"PK\3\4":
            return None
        file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
        data = file.read(info.compress_size)
    if info.compress_type == zipfile.ZIP_STORED:
        return data
    # One byte more than the directory says shows a wrong size.
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, info.file_size + 1)
